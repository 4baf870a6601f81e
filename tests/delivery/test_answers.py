"""What PostHog's answers mean: only its own word acknowledges, and a drop has a reason of ours."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics.destinations.posthog_answers import (
    ANSWER_BYTES,
    NotThereError,
    raise_for_newer_status,
    raise_for_status,
    receipt,
    unpacked,
)
from dev_analytics.destinations.transport import Refused, Unacceptable, Unreachable
from dev_analytics.reasons import Drop

UUIDS = [f"00000000-0000-4000-8000-{number:012x}" for number in range(6)]
RESULT = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"result": st.sampled_from(["ok", "warning", "drop", "retry", "queued", "", 1, None])},
        optional={
            "details": st.sampled_from(
                ["over_quota", "event_restriction_drop", "event_too_big", "/home/jane", "", 7, None]
            )
        },
    ),
)


@given(st.lists(RESULT, min_size=6, max_size=6))
def test_each_record_is_acknowledged_dropped_or_not_answered(results: list[object]) -> None:
    named = {uuid: each for uuid, each in zip(UUIDS, results, strict=True) if each is not None}
    found = receipt(json.dumps({"results": named}).encode(), UUIDS, None)
    words = [each.get("result") if isinstance(each, dict) else None for each in results]
    dropped = {place for place, word in enumerate(words) if word == "drop"}
    acknowledged = {place for place, word in enumerate(words) if word in ("ok", "warning")}
    if found is None:
        assert acknowledged == set(range(6))
        return
    assert set(found.dropped) == dropped
    assert found.unanswered == set(range(6)) - dropped - acknowledged
    assert set(found.dropped.values()) <= {*get_args(Drop)}
    assert bool(found.why) == bool(found.unanswered)


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ("llm_events_over_quota", "refused by PostHog: over the project's quota"),
        ("billing_limit_exceeded", "refused by PostHog: over the project's quota"),
        ("event_restriction_drop", "refused by PostHog: the project's rules"),
        ("invalid_event_timestamp", "refused by PostHog: not valid"),
        ("something of a newer server", "refused by PostHog: no reason that is known here"),
        (None, "refused by PostHog: no reason that is known here"),
    ],
)
def test_a_drop_has_one_of_our_reasons_and_none_of_the_server_s_words(
    details: str | None, reason: Drop
) -> None:
    body = json.dumps({"results": {UUIDS[0]: {"result": "drop", "details": details}}}).encode()
    found = receipt(body, UUIDS[:1], None)
    assert found is not None
    assert found.dropped == {0: reason}


def test_a_uuid_that_stands_twice_has_one_fate() -> None:
    found = receipt(b'{"results": {}}', [UUIDS[0]] * 3, "7")
    assert found is not None
    assert (found.unanswered, found.after) == (frozenset({0, 1, 2}), 7.0)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"<html>", b'{"status": "Ok"}', b'{"results": [1]}', b"[" * 99_999]
)
def test_an_answer_without_results_is_no_answer_of_the_newer_endpoint(body: bytes) -> None:
    with pytest.raises(NotThereError):
        receipt(body, UUIDS, None)


NEWER = {
    **dict.fromkeys(
        (201, 204, 301, 302, 307, 400, 401, 403, 404, 405, 415, 500, 503), NotThereError
    ),
    402: Refused,
    413: Unacceptable,
    **dict.fromkeys((408, 425, 429), Unreachable),
}


@pytest.mark.parametrize("status", NEWER)
def test_a_status_of_the_newer_endpoint(status: int) -> None:
    with pytest.raises(NEWER[status]) as raised:
        raise_for_newer_status(status, "3")
    if isinstance(raised.value, NotThereError):
        assert raised.value.for_good == (status < 500)


@given(st.integers(100, 599), st.none() | st.text(max_size=5))
def test_no_status_but_200_acknowledges(status: int, retry_after: str | None) -> None:
    for rule in (raise_for_status, raise_for_newer_status):
        try:
            rule(status, retry_after)
        except (NotThereError, Refused, Unacceptable, Unreachable):
            assert status != 200
        else:
            assert status == 200


@given(st.binary(max_size=50), st.integers(1, 200))
def test_an_answer_is_unpacked_whatever_it_is_packed_with(body: bytes, most: int) -> None:
    for encoding, packed in (
        (None, body),
        ("identity", body),
        ("gzip", gzip.compress(body)),
        ("deflate", zlib.compress(body)),
    ):
        assert unpacked(packed, encoding, most) == body[:most]


def test_what_unpacks_to_a_thousand_times_its_size_is_unpacked_no_further() -> None:
    bomb = gzip.compress(b" " * 4_000_000)
    assert len(unpacked(bomb, "gzip", ANSWER_BYTES)) == ANSWER_BYTES


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip", "compress, gzip"])
def test_what_cannot_be_unpacked_is_empty(encoding: str) -> None:
    assert unpacked(b"no packed content", encoding, 100) == b""
