"""What stands in ``tools.json``, as bytes: which other tools the user's answer covers.

It is loaded when there is such a file: few users have one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Final, Literal

from msgspec import Meta, Struct, json

from dev_analytics.consent.decision import Consent
from dev_analytics.consent.files import DamagedError, decoded
from dev_analytics.consent.scope import Scope, is_term, plain_terms
from dev_analytics.process.clock import Clock

if TYPE_CHECKING:
    from datetime import date
else:
    # Another one that stands in `datetime` for now would be none that can be read or written.
    date = Clock.date


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


_DECODER: Final = json.Decoder(_Tools)


def with_tools(consent: Consent, content: bytes) -> Consent:
    """Add to `consent` what ``tools.json`` says, if it belongs to the same answer.

    Raises
    ------
    DamagedError
        It cannot be read.
    """
    file = decoded(content, _DECODER)
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
