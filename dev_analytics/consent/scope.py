"""What a yes to another tool covers: the events, properties, words and limits it was given to.

A scope is a set of terms, so that *more* and *less* are decided by comparison alone, without the
tool: in the question, at every event, and in the sender, where the tool may not be installed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from dev_analytics.consent.value import Value

Term: TypeAlias = frozenset[str] | int
"""A set of texts, of which a smaller one is less, or a limit, of which a lower one is less."""

MAX_SECONDS: Final = 1_000_000
"""The longest duration that a tool may record, eleven days."""

VERSION: Final = re.compile(r"other|(?:0|[1-9]\d{0,3})(?:\.(?:0|[1-9]\d{0,3})){0,2}", re.ASCII)
"""What a tool may record of a version: three numbers at most."""

COUNT_DIGITS: Final = 3
DURATION_DIGITS: Final = 2


class Scope(Value):
    """What a tool declares, or what a user agreed to of it.

    Parameters
    ----------
    notice
        The tool's notice.
    terms
        What may be said, by place: ``event``, ``event/property``, ``event/property/kind…``.
    """

    notice: int
    terms: Mapping[str, Term]

    @property
    def digest(self) -> str:
        """The SHA-256 of the terms in their canonical form, in hexadecimal."""
        plain = json.dumps(plain_terms(self.terms), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(plain.encode()).hexdigest()

    def covers(self, other: Scope) -> bool:
        """Return whether `other` says nothing that this scope does not."""
        mine = self.terms
        return all(key in mine and is_within(term, mine[key]) for key, term in other.terms.items())

    def joined(self, other: Scope | None) -> Scope:
        """Return the smallest scope that covers both."""
        if other is None:
            return self
        terms = dict(self.terms)
        for key, term in other.terms.items():
            terms[key] = _either(terms[key], term) if key in terms else term
        return Scope(max(self.notice, other.notice), terms)

    def allows(self, event: str, own: Mapping[str, object]) -> bool:
        """Return whether a record of `event` with these properties of its own is covered.

        Parameters
        ----------
        event
            The event's name in the record.
        own
            The properties that the event does not share with every other one.
        """
        if event not in self.terms or "/" in event:
            return False
        return all(self._allows(f"{event}/{name}/", value) for name, value in own.items())

    def _allows(self, place: str, value: object) -> bool:
        for key, term in self.terms.items():
            kind, _, detail = key.removeprefix(place).partition("/")
            if key.startswith(place) and _is_of(kind, detail, term, value):
                return True
        return False


def is_within(term: Term, agreed: Term) -> bool:
    """Return whether `term` says no more than `agreed`."""
    if isinstance(term, int) or isinstance(agreed, int):
        return isinstance(term, int) and isinstance(agreed, int) and term <= agreed
    return term <= agreed


def is_term(key: str, term: Term) -> bool:
    """Return whether `term` is of the kind that a scope has at the place `key`."""
    parts = key.split("/")
    texts = len(parts) < 3 or parts[2] == "word"
    return isinstance(term, frozenset) if texts else isinstance(term, int) and term >= 0


def joined(*several: Mapping[str, Scope]) -> dict[str, Scope]:
    """Return, for each tool, the smallest scope that covers all that `several` have for it."""
    together: dict[str, Scope] = {}
    for scopes in several:
        for key, scope in scopes.items():
            together[key] = scope.joined(together.get(key))
    return together


def uncovered(wanted: Mapping[str, Scope], *agreed: Mapping[str, Scope]) -> dict[str, Scope]:
    """Return what is `wanted` and not covered by all that was `agreed` together."""
    together = joined(*agreed)
    return {
        key: scope
        for key, scope in wanted.items()
        if key not in together or not together[key].covers(scope)
    }


def plain_terms(terms: Mapping[str, Term]) -> dict[str, list[str] | int]:
    """Return terms as JSON has them: sorted, so that equal ones are written alike."""
    return {
        key: term if isinstance(term, int) else sorted(term) for key, term in sorted(terms.items())
    }


def rounded(value: int, digits: int) -> int:
    """Return a whole number from 0 rounded to so many significant digits."""
    step = 1
    while value >= 10**digits * step:
        step *= 10
    return (value + step // 2) // step * step


def _either(one: Term, other: Term) -> Term:
    if isinstance(one, int) and isinstance(other, int):
        return max(one, other)
    if isinstance(one, frozenset) and isinstance(other, frozenset):
        return one | other
    raise TypeError("a place of a scope has terms of two kinds")


def _is_of(kind: str, detail: str, term: Term, value: object) -> bool:
    """Return whether `value` is one that a term of this `kind` allows."""
    match kind, term:
        case "word", frozenset():
            return type(value) is str and value in term
        case "flag", _:
            return type(value) is bool
        case "count", int():
            if type(value) is not int or not 0 <= value <= term:
                return False
            return rounded(value, COUNT_DIGITS) == value
        case "duration", int():
            if type(value) is not (float if term else int):
                return False
            longest = MAX_SECONDS * (1000 if detail == "ms" else 1)
            shortened = round(float(f"{value:.{DURATION_DIGITS}g}"), term)
            return 0 <= value <= longest and value == shortened
        case "version", _:
            return type(value) is str and VERSION.fullmatch(value) is not None
    return False
