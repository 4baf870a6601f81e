"""The record: its bytes are the contract's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dev_analytics
from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.catalogue.events import (
    EVENTS,
    CellExecuted,
    LLMRequest,
    UndeclaredError,
    acceptor,
    required,
)
from dev_analytics.catalogue.examples import typical
from dev_analytics.catalogue.fields import UNSET, Event, UnsetType
from dev_analytics.catalogue.record import (
    MAX_ORDERS,
    MAX_WRITTEN,
    Form,
    encode,
    iso,
    new_session_id,
    uuid4,
    whole_record,
)

USER = "0c7b1d9e-5f38-4d0a-9a54-3a6f1b9a2a11"
UUID = "4163b27f-0a2e-460a-a170-451d6443b2b5"
SESSION = "01a203fe-05c8-7d9e-b5a2-31333a3ee290"


def record(user: str | None = USER) -> bytes:
    accepted = acceptor(CellExecuted, NOTICE).accept({"outcome": "ok", "duration_ms": 123})
    form = Form(CellExecuted, distinct_id=user, session_id=SESSION)
    return form.fill(accepted, 17, 1_795_341_600)


def test_a_record_has_exactly_the_bytes_of_the_contract() -> None:
    made = record().decode()
    assert made == (
        '{"event": "cell executed", '
        f'"distinct_id": "{USER}", '
        f'"uuid": "{json.loads(made)["uuid"]}", '
        '"timestamp": "2026-11-22T10:00:00+00:00", '
        '"properties": {"outcome": "ok", "duration_ms": 120, '
        f'"$session_id": "{SESSION}", "seq": 17, '
        f'"$lib": "dev-analytics", "$lib_version": "{dev_analytics.__version__}", '
        '"$process_person_profile": false, "$geoip_disable": true, "$ip": "0.0.0.0", '
        '"$ignore_sent_at": true}}'
    )


def test_its_bytes_are_those_of_python_s_json() -> None:
    made = record()
    assert json.dumps(json.loads(made)).encode() == made


def test_two_equal_events_stay_two() -> None:
    assert record() != record()


class Empty(Event):
    """An event that may say nothing of its own."""

    wire = "seq: empty"
    seconds: int | UnsetType = UNSET


def necessary(event: type[Event]) -> dict[str, object]:
    return {name: value for name, value in typical(event).items() if name in required(event)}


@pytest.mark.parametrize("user", [USER, None, 'a "uuid": "name", and \\ é'])
@pytest.mark.parametrize(
    ("event", "accepted"),
    [
        (Empty, {}),
        (Empty, {"seconds": 7}),
        (CellExecuted, {"duration_ms": 7, "outcome": "ok"}),
        *((event, typical(event)) for event in EVENTS.values()),
        *((event, necessary(event)) for event in EVENTS.values()),
    ],
)
def test_a_form_that_is_filled_in_is_the_record_as_its_class_writes_it(
    event: type[Event], accepted: dict[str, object], user: str | None
) -> None:
    """Two ways to the same bytes: parts of it put together, and all of it at once."""
    form = Form(event, distinct_id=user, session_id=SESSION)
    made = form.fill(accepted, 1017, 1_795_341_600, UUID)
    trace = {"trace_id": UUID} if issubclass(event, LLMRequest) else {}
    said = {**accepted, **trace, "session_id": SESSION, "seq": 1017}
    assert made.decode() == encode(
        whole_record(event, user, UUID, "2026-11-22T10:00:00+00:00", said)
    )


def test_one_form_writes_properties_in_whatever_number_and_order_they_come() -> None:
    form = Form(LLMRequest, distinct_id=USER, session_id=SESSION)
    whole = typical(LLMRequest)
    names = list(whole)
    for number in range(1, 2 * MAX_ORDERS):
        given = {name: whole[name] for at, name in enumerate(names) if number >> at & 1}
        anew = Form(LLMRequest, distinct_id=USER, session_id=SESSION)
        expected = anew.fill(given, 1, 1_795_341_600, UUID)
        for accepted in (given, dict(reversed(given.items()))):
            assert form.fill(accepted, 1, 1_795_341_600, UUID) == expected


def test_what_is_written_from_memory_is_what_would_be_encoded() -> None:
    form = Form(CellExecuted, distinct_id=USER, session_id=SESSION)
    for number in [*range(MAX_WRITTEN + 2), *range(MAX_WRITTEN + 2)]:
        accepted: dict[str, object] = {
            "outcome": ("ok", "error")[number % 2],
            "duration_ms": number,
        }
        anew = Form(CellExecuted, distinct_id=USER, session_id=SESSION)
        made = form.fill(accepted, number, 1_795_341_600, UUID)
        assert made == anew.fill(accepted, number, 1_795_341_600, UUID)


def test_a_record_without_consent_names_nobody() -> None:
    assert json.loads(record(None))["distinct_id"] is None


def test_no_identifier_comes_twice_nor_in_a_forked_child() -> None:
    mine = {uuid4() for _ in range(100)}
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, " ".join(uuid4() for _ in range(40)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as stream:
        theirs = set(stream.read().split())
    assert os.waitpid(child, 0)[1] == 0
    mine |= {uuid4() for _ in range(40)}
    assert (len(mine), len(theirs), mine & theirs) == (140, 40, set())


def test_a_record_s_own_identifier_is_a_random_uuid4() -> None:
    made = {json.loads(record())["uuid"] for _ in range(100)}
    assert len(made) == 100
    assert {uuid.UUID(one).version for one in made} == {4}
    assert all(str(uuid.UUID(one)) == one for one in made)


def test_a_request_s_trace_is_its_own_record() -> None:
    made = json.loads(Form(LLMRequest, distinct_id=None, session_id=SESSION).fill({}, 1, 0))
    properties = made["properties"]
    assert properties["$ai_trace_id"] == made["uuid"]
    assert properties["$ai_cache_reporting_exclusive"] is False
    assert "$ai_model" not in properties


def test_a_property_that_must_be_there_is_missed() -> None:
    form = Form(CellExecuted, distinct_id=None, session_id=SESSION)
    with pytest.raises(UndeclaredError, match="duration_ms"):
        form.fill({"outcome": "ok"}, 1, 0)


@given(st.integers(0, 2**32))
def test_times_are_whole_seconds_in_utc(seconds: int) -> None:
    assert datetime.fromisoformat(iso(seconds)) == datetime.fromtimestamp(seconds, UTC)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", iso(seconds))


@given(st.integers(0, 2**38))
def test_a_session_s_identifier_is_a_uuid7_of_whole_seconds(seconds: int) -> None:
    made = uuid.UUID(new_session_id(seconds))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == seconds * 1000
    assert new_session_id(seconds) != new_session_id(seconds)


def test_one_module_makes_bytes_of_records() -> None:
    """One encoder: nobody else encodes a record.

    The others write files of their own: the consent, the ledger, columns of the archive, the
    schemas; what a shell's script asked for; the envelope of a request,
    which holds the records' own bytes. The sender's check encodes a record again, to compare. The
    proof reads without the encoder's help. What maintainers ask and publish is no record; what
    PostHog exported is written again as a record for their report.
    """
    package = Path(dev_analytics.__file__).parent
    encoders = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if re.search(
            r"json\.(Encoder|encode|dumps?)\b|JSONEncoder|make_encoder|json import .*encode",
            file.read_text("utf-8"),
        )
    }
    assert encoders == {
        "testing/closed.py",
        "catalogue/record.py",
        "catalogue/schema.py",
        "apps/jupyter.py",
        "apps/maintainer/dashboards.py",
        "apps/unserved.py",
        "consent/files.py",
        "consent/scope.py",
        "consent/tool_files.py",
        "delivery/form.py",
        "destinations/archive_file.py",
        "process/detached.py",
        "process/plain_json.py",
        "delivery/pending.py",
        "destinations/posthog_requests.py",
        "maintainer/http.py",
        "maintainer/published.py",
        "views/report/records.py",
    }


def test_a_module_of_the_user_s_named_as_the_encoder_s_is_not_run(
    analytics: Analytics, tmp_path: Path
) -> None:
    """The folder of a notebook is on the path before Python's own extensions."""
    (tmp_path / "_json.py").write_text("print('run')\n")
    program = (
        "import json, sys; sys.path.insert(0, '.'); sys.modules.pop('_json', None)\n"
        "from dev_analytics import get_analytics\n"
        "get_analytics().event('command_run', command='status')\n"
        "print(len(get_analytics().pipeline.preview))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == ("1\n", "")
