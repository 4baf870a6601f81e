"""The content of ``consent.json``: the one place where it is decoded and encoded.

Anything that differs from what is declared here is damaged, and reads as *not agreed*. The module
is loaded when there is a file: most sessions begin without one, or read it after the user's cell.
What few users have, a yes to a tool or a policy, is declared elsewhere, as a declaration takes
time.

Annotations are objects here, and no text: msgspec would compile each text again, which takes three
times as long as all else that is done to read the file.
"""

from json import loads
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from msgspec import DecodeError, Struct, json

from dev_analytics.consent.decision import Consent
from dev_analytics.destinations import is_recipient
from dev_analytics.process.clock import Clock
from dev_analytics.process.native import is_uuid

if TYPE_CHECKING:
    from datetime import date
else:
    # Read and written with the real class, even while something else replaces `datetime.date`.
    date = Clock.date

T = TypeVar("T")


class DamagedError(ValueError):
    """A file does not have the content that it must have."""


class _Consent(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """The content of ``consent.json``.

    ``asked`` is written from the second unanswered question on, so that the third one waits longer
    and there is no fourth. A version of this package that does not know the field takes the file
    for damaged, so that it is off and asks nobody.
    """

    version: Literal[1]
    answer: Literal["yes"] | None = None
    user_id: str | None = None
    notice: int | None = None
    kept_notice: int | None = None
    recipients: list[str] | None = None
    kept_recipients: list[str] | None = None
    answered_on: date | None = None
    asked_on: date | None = None
    asked: int | None = None
    draw: float | None = None


# Made at import, so that a later replacement of `date` is not looked up.
_DECODER: Final = json.Decoder(_Consent)


def consent_of(content: bytes) -> Consent:
    """Read ``consent.json``; a yes without recipients is an older one, for the archive alone.

    Raises
    ------
    DamagedError
        It is no answer, or half of one.
    """
    file = decoded(content, _DECODER)
    of_answer = (file.answer, file.user_id, file.notice, file.answered_on)
    if any(of_answer) and not all(of_answer):
        raise DamagedError("half an answer")
    # Not by a pattern in the declaration: compiling one takes as long as reading all the rest.
    if file.user_id is not None and not is_uuid(file.user_id, 4):
        raise DamagedError("no identifier")
    if file.answer is None and (file.recipients or file.kept_recipients):
        raise DamagedError("recipients of no answer")
    if not all(map(is_recipient, [*(file.recipients or ()), *(file.kept_recipients or ())])):
        raise DamagedError("no recipient")
    if file.asked and not file.asked_on:
        raise DamagedError("questions without a day")
    # Not by `Annotated` in the declaration, which takes as long as all else in it.
    notices = [each for each in (file.notice, file.kept_notice) if each is not None]
    if any(notice < 1 for notice in notices) or (file.asked is not None and file.asked < 2):
        raise DamagedError("a number that is too small")
    if file.draw is not None and not 0 <= file.draw < 1:
        raise DamagedError("no place in the sample")
    return Consent(
        user_id=file.user_id,
        notice=file.notice or 0,
        kept_notice=file.kept_notice or 0,
        recipients=frozenset(file.recipients or ()),
        kept_recipients=frozenset(file.kept_recipients or ()),
        answered_on=file.answered_on,
        asked_on=file.asked_on,
        asked=file.asked or 1,
        draw=file.draw,
    )


def consent_bytes(consent: Consent) -> bytes:
    """Return the content of ``consent.json`` for `consent`."""
    return json.encode(
        _Consent(
            version=1,
            answer="yes" if consent.user_id else None,
            user_id=consent.user_id,
            notice=consent.notice or None,
            kept_notice=consent.kept_notice or None,
            recipients=sorted(consent.recipients) or None,
            kept_recipients=sorted(consent.kept_recipients) or None,
            answered_on=consent.answered_on,
            asked_on=consent.asked_on,
            asked=consent.asked if consent.asked_on and consent.asked > 1 else None,
            draw=consent.draw,
        )
    )


def decoded(content: bytes, decoder: json.Decoder[T]) -> T:
    """Read the content of a file.

    Raises
    ------
    DamagedError
        It is not what `decoder` takes, or says something twice.
    """
    try:
        found = decoder.decode(content)
        # A parser keeps the last of two; but whoever wrote the first, perhaps a no, meant it.
        loads(content, object_pairs_hook=_once)
    except (DecodeError, ValueError, RecursionError) as error:
        raise DamagedError(str(error)) from error
    return found


def _once(fields: list[tuple[str, object]]) -> None:
    if len(fields) != len(dict(fields)):
        raise DamagedError("a field twice")
