"""What PostHog's answers mean: pure rules about their status and the first bytes of their body.

Two endpoints take events. The older one, ``/batch/``, answers for a batch as a whole, and
acknowledges records that it then drops. The newer one, ``/i/v1/analytics/events``, answers for each
record.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from msgspec import Struct, ValidationError, json

from dev_analytics.destinations.transport import (
    Receipt,
    Refused,
    Unacceptable,
    Unreachable,
)
from dev_analytics.reasons import Drop

ANSWER_BYTES: Final = 4 * 2**10
"""How much of an answer is read and decompressed, besides `RESULT_BYTES` for each record."""

RESULT_BYTES: Final = 160
"""How long the answer for one record may be."""

UNANSWERED: Final = "the server did not say what became of some records"

_UNACCEPTABLE: Final = frozenset({400, 413})
_AGAIN: Final = frozenset({408, 425, 429})
_ACKNOWLEDGED: Final = frozenset({"1", "ok"})
_OF_THE_NEWER: Final = frozenset({402, 408, 413, 425, 429})
_OVER_QUOTA: Final = "refused by PostHog: over the project's quota"
_RESTRICTED: Final = "refused by PostHog: the project's rules"
_NOT_VALID: Final = "refused by PostHog: not valid"
_UNEXPLAINED: Final = "refused by PostHog: no reason that is known here"
_REASONS: Final[dict[str, Drop]] = {
    "over_quota": _OVER_QUOTA,
    "llm_events_over_quota": _OVER_QUOTA,
    "exceptions_over_quota": _OVER_QUOTA,
    "survey_responses_over_quota": _OVER_QUOTA,
    "billing_limit_exceeded": _OVER_QUOTA,
    "rate_limited": _OVER_QUOTA,
    "ai_byte_rate_limited": _OVER_QUOTA,
    "event_restriction_drop": _RESTRICTED,
    "non_historical_import_drop": _RESTRICTED,
    "misrouted_event": _RESTRICTED,
    "event_too_big": _NOT_VALID,
    "ai_event_too_big": _NOT_VALID,
    "serialization_failed": _NOT_VALID,
    "invalid_options": _NOT_VALID,
    "missing_event_name": _NOT_VALID,
    "event_name_too_long": _NOT_VALID,
    "missing_distinct_id": _NOT_VALID,
    "distinct_id_too_large": _NOT_VALID,
    "malformed_distinct_id": _NOT_VALID,
    "invalid_event_timestamp": _NOT_VALID,
    "malformed_event_properties": _NOT_VALID,
    "rejected": _NOT_VALID,
}
"""PostHog's words for why it drops a record, and ours; any other word is `_UNEXPLAINED`."""


class NotThereError(Exception):
    """The server has no newer endpoint, or something in front of it blocks that.

    Parameters
    ----------
    for_good
        Whether asking it again is pointless; otherwise it may only be out of order.
    """

    def __init__(self, *, for_good: bool = True) -> None:
        super().__init__()
        self.for_good = for_good


class _Acknowledgement(Struct):
    status: Any = None
    quota_limited: Any = None


class _Result(Struct):
    result: Any = None
    details: Any = None


class _Results(Struct):
    results: dict[str, _Result]


def raise_for_status(status: int, retry_after: str | None) -> None:
    """Raise the exception for a status other than 200.

    Raises
    ------
    Unacceptable
        Something in the batch, or its size, is refused.
    Unreachable
        It may be taken later.
    Refused
        The server takes nothing from here.
    """
    if status == 200:
        return
    why = f"the server answered {status}"
    if status in _UNACCEPTABLE:
        raise Unacceptable(why)
    if status in _AGAIN or status >= 500 or status < 400:
        raise Unreachable(why, seconds(retry_after))
    raise Refused(why)


def raise_for_newer_status(status: int, retry_after: str | None) -> None:
    """Raise the exception for a status other than 200 of the newer endpoint.

    It judges records one by one, so a status that refuses the request is about the request: the
    endpoint does not exist, or a proxy removes something that it needs. One that exists but is not
    set up answers 503. In these cases the older one is asked.

    Raises
    ------
    NotThereError
        The older endpoint must be asked.
    Unacceptable, Unreachable, Refused
        As for the older one; 402 is a quota.
    """
    if status == 402:
        raise Refused("the project's quota of events is used up")
    if status != 200 and status not in _OF_THE_NEWER:
        raise NotThereError(for_good=status < 500)
    raise_for_status(status, retry_after)


def raise_unless_acknowledged(body: bytes) -> None:
    """Raise unless `body` acknowledges a batch: ``{"status": 1}`` or ``"Ok"``, by version.

    Raises
    ------
    Unreachable
        Something other than PostHog answered, such as a captive portal.
    Refused
        The project's quota is used up.
    """
    try:
        answer = json.decode(body, type=_Acknowledgement)
    except (ValueError, RecursionError):
        answer = _Acknowledgement()
    if str(answer.status).lower() not in _ACKNOWLEDGED:
        raise Unreachable("something else than PostHog answered")
    if isinstance(answer.quota_limited, list) and "events" in answer.quota_limited:
        raise Refused("the project's quota of events is used up")


def receipt(body: bytes, uuids: Sequence[str], retry_after: str | None) -> Receipt | None:
    """Return what the newer endpoint says about the records with these `uuids`, in their order.

    Only ``ok`` and ``warning`` acknowledge a record. A record that is not named is unanswered.

    Raises
    ------
    NotThereError
        It says nothing about records: the older endpoint must be asked.
    """
    try:
        results = json.decode(body, type=_Results).results
    except (ValidationError, RecursionError, ValueError):
        raise NotThereError from None
    dropped: dict[int, Drop] = {}
    unanswered: set[int] = set()
    for place, uuid in enumerate(uuids):
        found = results.get(uuid)
        word = found.result if found is not None else None
        if found is not None and word == "drop":
            details = found.details if isinstance(found.details, str) else ""
            dropped[place] = _REASONS.get(details, _UNEXPLAINED)
        elif word not in ("ok", "warning"):
            unanswered.add(place)
    if not dropped and not unanswered:
        return None
    return Receipt(
        dropped=dropped,
        unanswered=frozenset(unanswered),
        why=UNANSWERED if unanswered else "",
        after=seconds(retry_after) if unanswered else 0.0,
    )


def unpacked(body: bytes, encoding: str | None, most: int) -> bytes:
    """Return the first `most` bytes of an answer, however it is compressed."""
    if (encoding or "identity").strip().lower() == "identity":
        return body[:most]
    try:
        # gzip or zlib, recognised by the first bytes; a small body may decompress to any size.
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(body, most)
    except zlib.error:
        return b""


def seconds(retry_after: str | None) -> float:
    """Return the seconds of a Retry-After, which has seconds or a date; 0 if it has neither."""
    if not retry_after:
        return 0.0
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0
