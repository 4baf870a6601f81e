"""The content of ``consent.json``: the one place where it is decoded and encoded.

Anything that differs from what is declared here is damaged, and reads as *not agreed*. The module
is loaded when there is a file: most sessions begin without one, or read it after the user's cell.
What few users have, a yes to a tool or a policy, is declared elsewhere.

No class of msgspec declares it: to make one, and its decoder, takes ten times as long as all that
is done here to read the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from dev_analytics.consent.decision import Consent
from dev_analytics.destinations import is_recipient
from dev_analytics.process.native import Clock, is_uuid
from dev_analytics.process.plain_json import decoder, encoder

if TYPE_CHECKING:
    from datetime import date

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "version": (int,),
    "answer": (str,),
    "user_id": (str,),
    "notice": (int,),
    "kept_notice": (int,),
    "recipients": (list,),
    "kept_recipients": (list,),
    "answered_on": (str,),
    "asked_on": (str,),
    "asked": (int,),
    "draw": (float, int),
}
"""The fields of ``consent.json``, and what each is.

``asked`` is written from the second unanswered question on, so that the third one waits longer and
there is no fourth. A version of this package that does not know the field takes the file for
damaged, so that it is off and asks nobody.
"""


class DamagedError(ValueError):
    """A file does not have the content that it must have."""


def consent_of(content: bytes) -> Consent:
    """Read ``consent.json``; a yes without recipients is an older one, for the archive alone.

    Raises
    ------
    DamagedError
        It is no answer, or half of one.
    """
    given = object_of(content)
    for name, value in given.items():
        if value is not None and type(value) not in _TYPES.get(name, ()):
            raise DamagedError(f"no such field, or of another type: {name}")
    if given.get("version") != 1 or given.get("answer") not in (None, "yes"):
        raise DamagedError("of another version, or another answer")
    file: dict[str, Any] = {**dict.fromkeys(_TYPES), **given}
    of_answer = [file[name] for name in ("answer", "user_id", "notice", "answered_on")]
    if any(of_answer) and not all(of_answer):
        raise DamagedError("half an answer")
    if file["user_id"] is not None and not is_uuid(file["user_id"], 4):
        raise DamagedError("no identifier")
    named, refused = file["recipients"] or [], file["kept_recipients"] or []
    if file["answer"] is None and (named or refused):
        raise DamagedError("recipients of no answer")
    if not all(type(each) is str and is_recipient(each) for each in (*named, *refused)):
        raise DamagedError("no recipient")
    if file["asked"] and not file["asked_on"]:
        raise DamagedError("questions without a day")
    notices = [file[name] for name in ("notice", "kept_notice") if file[name] is not None]
    if any(notice < 1 for notice in notices) or (file["asked"] is not None and file["asked"] < 2):
        raise DamagedError("a number that is too small")
    if file["draw"] is not None and not 0 <= file["draw"] < 1:
        raise DamagedError("no place in the sample")
    return Consent(
        user_id=file["user_id"],
        notice=file["notice"] or 0,
        kept_notice=file["kept_notice"] or 0,
        recipients=frozenset(named),
        kept_recipients=frozenset(refused),
        answered_on=_day(file["answered_on"]),
        asked_on=_day(file["asked_on"]),
        asked=file["asked"] or 1,
        draw=file["draw"],
    )


def consent_bytes(consent: Consent) -> bytes:
    """Return the content of ``consent.json`` for `consent`."""
    fields = {
        "version": 1,
        "answer": "yes" if consent.user_id else None,
        "user_id": consent.user_id,
        "notice": consent.notice or None,
        "kept_notice": consent.kept_notice or None,
        "recipients": sorted(consent.recipients) or None,
        "kept_recipients": sorted(consent.kept_recipients) or None,
        "answered_on": consent.answered_on and consent.answered_on.isoformat(),
        "asked_on": consent.asked_on and consent.asked_on.isoformat(),
        "asked": consent.asked if consent.asked_on and consent.asked > 1 else None,
        "draw": consent.draw,
    }
    written = {name: value for name, value in fields.items() if value is not None}
    return _encode(written).encode()


def object_of(content: bytes) -> dict[str, object]:
    """Read the content of a file: a JSON object.

    Raises
    ------
    DamagedError
        It is no JSON object, or says something twice.
    """
    try:
        found = _decode(content.decode())
    except ValueError as error:
        raise DamagedError(str(error)) from error
    if type(found) is not dict:
        raise DamagedError("no object")
    return found


def _once(fields: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(fields)
    # A parser keeps the last of two; but whoever wrote the first, perhaps a no, meant it.
    if len(fields) != len(found):
        raise DamagedError("a field twice")
    return found


def _day(text: str | None) -> date | None:
    """Return the day that a field names, with the real class, even while something replaces it."""
    if text is None:
        return None
    try:
        day: date = Clock.date.fromisoformat(text)
    except ValueError as error:
        raise DamagedError(str(error)) from error
    if day.isoformat() != text:
        raise DamagedError("a day in another form")
    return day


_encode: Final = encoder(",", ":")
_decode: Final = decoder(_once)
