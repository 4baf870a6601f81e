"""The content of the consent files, as bytes: the one place where they are decoded and encoded.

Whatever is not exactly what is declared here is damaged, and reads as *not agreed*. It is loaded
when there is a file: most sessions begin without one, or look at it after the user's cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from json import loads
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

from msgspec import DecodeError, Meta, Struct, json

from dev_analytics.consent.decision import Consent
from dev_analytics.consent.scope import Scope, is_term, plain_terms
from dev_analytics.consent.value import Value
from dev_analytics.destinations import DESTINATIONS, is_recipient
from dev_analytics.process.clock import Clock

if TYPE_CHECKING:
    from datetime import date
else:
    # Another one that stands in `datetime` for now would be none that can be read or written.
    date = Clock.date

T = TypeVar("T")

_UUID4: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z"


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
    recipients: list[str] | None = None
    kept_recipients: list[str] | None = None
    answered_on: date | None = None
    asked_on: date | None = None
    asked: Annotated[int, Meta(ge=2)] | None = None
    draw: Annotated[float, Meta(ge=0, lt=1)] | None = None


class _Scope(Struct, forbid_unknown_fields=True, frozen=True):
    """What a user agreed to of one tool: its notice, and every term of what it declared."""

    notice: Annotated[int, Meta(ge=1)]
    digest: str
    terms: dict[str, list[str] | int]


class _Tools(Struct, omit_defaults=True, frozen=True):
    """The content of ``tools.json``: what of other tools the same answer covers.

    It is a file of its own, as an older version of this package takes a ``consent.json`` with more
    in it for a damaged one. Day and draw say which answer it belongs to, and nobody's name.
    Version 1 held notices alone: nothing tells what they stood for, so it covers no tool.
    """

    version: Literal[2]
    answered_on: date | None = None
    draw: float | None = None
    tools: dict[str, _Scope] = {}
    kept: dict[str, _Scope] = {}


class Policy(Value):
    """What an administrator may say: no, or where records go; never a yes for somebody else.

    What stands in the file and is not declared here is not understood, and forbids.

    Attributes
    ----------
    analytics
        Whether a user may be asked at all: ``"allowed"`` or ``"forbidden"``.
    settings
        Settings of destinations that hold whatever a user's own say.
    passed_over
        Whether there were such, which do not count, as the file is no administrator's.
    """

    analytics: str = "allowed"
    settings: Mapping[str, str] = MappingProxyType({})
    passed_over: bool = False


def consent_of(content: bytes) -> Consent:
    """Read ``consent.json``; one without recipients is an older yes, for the archive alone.

    Raises
    ------
    DamagedError
        It is no answer, or half of one.
    """
    file = _decoded(content, _CONSENT)
    of_answer = (file.answer, file.user_id, file.notice, file.answered_on)
    if any(of_answer) and not all(of_answer):
        raise DamagedError("half an answer")
    if file.answer is None and (file.recipients or file.kept_recipients):
        raise DamagedError("recipients of no answer")
    if not all(map(is_recipient, [*(file.recipients or ()), *(file.kept_recipients or ())])):
        raise DamagedError("no recipient")
    if file.asked and not file.asked_on:
        raise DamagedError("questions without a day")
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
    """Write `consent` for ``consent.json``."""
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


def with_tools(consent: Consent, content: bytes) -> Consent:
    """Add to `consent` what ``tools.json`` says, if it belongs to the same answer.

    Raises
    ------
    DamagedError
        It cannot be read.
    """
    file = _decoded(content, _TOOLS)
    of_this_answer = (file.answered_on, file.draw) == (consent.answered_on, consent.draw)
    if consent.user_id is None or not of_this_answer:
        return consent
    return consent.replace(tools=_scopes(file.tools), kept_tools=_scopes(file.kept))


def tools_bytes(consent: Consent) -> bytes:
    """Write what `consent` says of other tools for ``tools.json``."""
    tools, kept = _written(consent.tools), _written(consent.kept_tools)
    return json.encode(_Tools(2, consent.answered_on, consent.draw, tools, kept))


def _scopes(written: Mapping[str, _Scope]) -> dict[str, Scope]:
    """Return the scopes of ``tools.json``.

    Raises
    ------
    DamagedError
        One of them is not what its digest says.
    """
    scopes = {}
    for key, each in written.items():
        terms = {
            place: term if isinstance(term, int) else frozenset(term)
            for place, term in each.terms.items()
        }
        scope = scopes[key] = Scope(each.notice, terms)
        if scope.digest != each.digest or not all(is_term(*term) for term in terms.items()):
            raise DamagedError(f"the terms of {key} are not what their digest says")
    return scopes


def _written(scopes: Mapping[str, Scope]) -> dict[str, _Scope]:
    return {
        key: _Scope(scope.notice, scope.digest, plain_terms(scope.terms))
        for key, scope in scopes.items()
    }


def policy_of(content: bytes) -> Policy:
    """Read an administrator's policy file.

    Raises
    ------
    DamagedError
        It says something that is not allowed, or says it twice.
    """
    settings = _decoded(content, _POLICY)
    analytics = settings.pop("analytics", "allowed")
    if analytics not in ("allowed", "forbidden"):
        raise DamagedError("analytics are neither allowed nor forbidden")
    known = {each.name: each for one in DESTINATIONS.values() for each in one.settings}
    for name, value in settings.items():
        if name not in known or (value and not known[name].takes(value)):
            raise DamagedError(f"no setting of a destination: {name}")
    return Policy(analytics, {name: value for name, value in settings.items() if value})


def without_destination(policy: Policy) -> Policy:
    """Return what holds of a policy that is no administrator's."""
    return Policy(policy.analytics, passed_over=bool(policy.settings))


# Made here, as what stands in the place of a date then is not looked up any more.
_CONSENT: Final = json.Decoder(_Consent)
_TOOLS: Final = json.Decoder(_Tools)
_POLICY: Final = json.Decoder(dict[str, str])


def _decoded(content: bytes, decoder: json.Decoder[T]) -> T:
    try:
        decoded = decoder.decode(content)
        # A reader takes the last of two; whoever wrote the first, as a no, meant it.
        loads(content, object_pairs_hook=_once)
    except (DecodeError, ValueError, RecursionError) as error:
        raise DamagedError(str(error)) from error
    return decoded


def _once(fields: list[tuple[str, object]]) -> None:
    if len(fields) != len(dict(fields)):
        raise DamagedError("a field twice")
