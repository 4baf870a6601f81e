"""What stands in the files of consent, as bytes: the one place where they are read and written.

Whatever is not exactly what is declared here is damaged, and reads as *not agreed*. It is loaded
when there is a file: most sessions begin without one, or look at it after the user's cell.
"""

from __future__ import annotations

from datetime import date
from json import loads
from typing import Annotated, Final, Literal, TypeVar

from msgspec import DecodeError, Meta, Struct, json

from dev_analytics.consent.decision import Consent
from dev_analytics.consent.environment import ADDRESS

T = TypeVar("T")

_UUID4: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"


class DamagedError(ValueError):
    """A file holds something else than it must."""


class _Consent(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """The content of ``consent.json``.

    ``asked`` is there from the second question without an answer on, so that the third one waits
    longer and there is no fourth. A version of this package that does not know the field reads the
    file as damaged, which is off and asks nobody.
    """

    version: Literal[1]
    answer: Literal["yes"] | None = None
    user_id: Annotated[str, Meta(pattern=_UUID4)] | None = None
    notice: Annotated[int, Meta(ge=1)] | None = None
    kept_notice: Annotated[int, Meta(ge=1)] | None = None
    answered_on: date | None = None
    asked_on: date | None = None
    asked: Annotated[int, Meta(ge=2)] | None = None
    draw: Annotated[float, Meta(ge=0, lt=1)] | None = None


class _Tools(Struct, omit_defaults=True, frozen=True):
    """The content of ``tools.json``: which notices of other tools the same answer covers.

    It is a file of its own, as an older version of this package takes a ``consent.json`` with more
    in it for a damaged one. Day and draw say which answer it belongs to, and nobody's name.
    """

    version: Literal[1]
    answered_on: date | None = None
    draw: float | None = None
    tools: dict[str, Annotated[int, Meta(ge=1)]] = {}
    kept: dict[str, Annotated[int, Meta(ge=1)]] = {}


class Policy(Struct, forbid_unknown_fields=True, frozen=True):
    """What an administrator may say: no, or where records go; never a yes for somebody else.

    What stands in the file and is not declared here is not understood, and forbids.

    Attributes
    ----------
    analytics
        Whether a user may be asked at all.
    posthog_project_key, posthog_host
        Where records go, whatever a user's settings say; empty leaves it to them.
    """

    analytics: Literal["allowed", "forbidden"] = "allowed"
    posthog_project_key: str = ""
    posthog_host: Annotated[str, Meta(pattern=rf"^({ADDRESS})?\Z")] = ""


def consent_of(content: bytes) -> Consent:
    """Read ``consent.json``.

    Raises
    ------
    DamagedError
        It is no answer, or half of one.
    """
    file = _decoded(content, _Consent)
    of_answer = (file.answer, file.user_id, file.notice, file.answered_on)
    if any(of_answer) and not all(of_answer):
        raise DamagedError("half an answer")
    if file.asked and not file.asked_on:
        raise DamagedError("questions without a day")
    return Consent(
        user_id=file.user_id,
        notice=file.notice or 0,
        kept_notice=file.kept_notice or 0,
        answered_on=file.answered_on,
        asked_on=file.asked_on,
        asked=file.asked or 1,
        draw=file.draw,
    )


def consent_bytes(consent: Consent) -> bytes:
    """Write `consent` for ``consent.json``."""
    return json.encode(
        _Consent(
            version=1,
            answer="yes" if consent.user_id else None,
            user_id=consent.user_id,
            notice=consent.notice or None,
            kept_notice=consent.kept_notice or None,
            answered_on=consent.answered_on,
            asked_on=consent.asked_on,
            asked=consent.asked if consent.asked_on and consent.asked > 1 else None,
            draw=consent.draw,
        )
    )


def with_tools(consent: Consent, content: bytes) -> Consent:
    """Add to `consent` what ``tools.json`` says, if it belongs to the same answer.

    Raises
    ------
    DamagedError
        It cannot be read.
    """
    file = _decoded(content, _Tools)
    of_this_answer = (file.answered_on, file.draw) == (consent.answered_on, consent.draw)
    if consent.user_id is None or not of_this_answer:
        return consent
    return consent.replace(tools=file.tools, kept_tools=file.kept)


def tools_bytes(consent: Consent) -> bytes:
    """Write what `consent` says of other tools for ``tools.json``."""
    tools, kept = dict(consent.tools), dict(consent.kept_tools)
    return json.encode(_Tools(1, consent.answered_on, consent.draw, tools, kept))


def policy_of(content: bytes) -> Policy:
    """Read an administrator's policy file.

    Raises
    ------
    DamagedError
        It says something that is not allowed, or says it twice.
    """
    policy = _decoded(content, Policy)
    # A reader takes the last of two; whoever wrote "forbidden" first meant it.
    fields: list[tuple[str, object]] = loads(content, object_pairs_hook=list)
    if len(fields) != len(dict(fields)):
        raise DamagedError("a field twice")
    return policy


def _decoded(content: bytes, form: type[T]) -> T:
    try:
        return json.decode(content, type=form)
    except (DecodeError, ValueError, RecursionError) as error:
        raise DamagedError(str(error)) from error
