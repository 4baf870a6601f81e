"""The content of ``tools.json``: which other tools the user's answer covers.

The module is loaded when there is such a file: few users have one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Final, Literal

from msgspec import DecodeError, Meta, Struct, json

from dev_analytics.consent.decision import Consent
from dev_analytics.consent.files import DamagedError, object_of
from dev_analytics.consent.scope import Scope, is_term, plain_terms
from dev_analytics.process.native import Clock

if TYPE_CHECKING:
    from datetime import date
else:
    # Read and written with the real class, even while something else replaces `datetime.date`.
    date = Clock.date


class _Scope(Struct, forbid_unknown_fields=True, frozen=True):
    """What a user agreed to of one tool: its notice, and every term of its declaration."""

    notice: Annotated[int, Meta(ge=1)]
    digest: str
    terms: dict[str, list[str] | int]


class _Tools(Struct, omit_defaults=True, frozen=True):
    """The content of ``tools.json``: what the same answer covers of other tools.

    It is a separate file because an older version of this package takes a ``consent.json`` with
    more fields for damaged. Day and draw link it to its answer without an identifier. Version 1
    held only notices: what they stood for is unknown, so it covers no tool.
    """

    version: Literal[2]
    answered_on: date | None = None
    draw: float | None = None
    tools: dict[str, _Scope] = {}
    kept: dict[str, _Scope] = {}


_DECODER: Final = json.Decoder(_Tools)


def with_tools(consent: Consent, content: bytes) -> Consent:
    """Add to `consent` what ``tools.json`` says, if it belongs to the same answer.

    Raises
    ------
    DamagedError
        It cannot be read.
    """
    object_of(content)  # which says nothing twice
    try:
        file = _DECODER.decode(content)
    except (DecodeError, ValueError, RecursionError) as error:
        raise DamagedError(str(error)) from error
    of_this_answer = (file.answered_on, file.draw) == (consent.answered_on, consent.draw)
    if consent.user_id is None or not of_this_answer:
        return consent
    return consent.replace(tools=_scopes(file.tools), kept_tools=_scopes(file.kept))


def tools_bytes(consent: Consent) -> bytes:
    """Return the content of ``tools.json`` for `consent`."""
    tools, kept = _written(consent.tools), _written(consent.kept_tools)
    return json.encode(_Tools(2, consent.answered_on, consent.draw, tools, kept))


def _scopes(written: Mapping[str, _Scope]) -> dict[str, Scope]:
    """Return the scopes that ``tools.json`` contains.

    Raises
    ------
    DamagedError
        The terms of one do not have its digest.
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
