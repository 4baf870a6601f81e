"""What a yes to another tool covers: events, properties, words and limits.

A scope is a set of terms, so that a comparison decides what is *more* and *less*, without the tool:
in the question, at every event, and in the sender, where the tool may not be installed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from dev_analytics.consent import Value
from dev_analytics.process.plain_json import encoder

Term: TypeAlias = frozenset[str] | int
"""A set of texts, where a subset is less, or a limit, where a lower one is less."""

MAX_SECONDS: Final = 1_000_000
"""The longest duration that a tool may record, eleven days."""

VERSION: Final = re.compile(r"other|(?:0|[1-9]\d{0,3})(?:\.(?:0|[1-9]\d{0,3})){0,2}", re.ASCII)
"""What a tool may record of a version: at most three numbers."""

COUNT_DIGITS: Final = 3
DURATION_DIGITS: Final = 2


class Scope(Value):
    """What a tool declares, or what of it a user agreed to.

    The terms say what may be recorded, by place: ``event``, ``event/property``,
    ``event/property/kind…``.
    """

    notice: int
    terms: Mapping[str, Term]

    @property
    def digest(self) -> str:
        """The SHA-256 of the terms in their canonical form, in hexadecimal."""
        plain = _canonical(plain_terms(self.terms))
        return hashlib.sha256(plain.encode()).hexdigest()

    def covers(self, other: Scope) -> bool:
        """Return whether `other` allows nothing that this scope does not."""
        mine = self.terms
        return all(key in mine and is_within(term, mine[key]) for key, term in other.terms.items())

    def joined(self, other: Scope | None) -> Scope:
        """Return the smallest scope that covers this one and `other`."""
        if other is None:
            return self
        terms = dict(self.terms)
        for key, term in other.terms.items():
            terms[key] = _either(terms[key], term) if key in terms else term
        return Scope(max(self.notice, other.notice), terms)

    def allows(self, event: str, own: Mapping[str, object]) -> bool:
        """Return whether this scope covers a record of `event`.

        `own` are the properties that only this event has, not those that all events share.
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
    """Return whether `term` allows no more than `agreed`."""
    if isinstance(term, int) or isinstance(agreed, int):
        return isinstance(term, int) and isinstance(agreed, int) and term <= agreed
    return term <= agreed


def is_term(key: str, term: Term) -> bool:
    """Return whether `term` is of the kind that belongs at the place `key` of a scope."""
    parts = key.split("/")
    texts = len(parts) < 3 or parts[2] == "word"
    return isinstance(term, frozenset) if texts else isinstance(term, int) and term >= 0


def joined(*several: Mapping[str, Scope]) -> dict[str, Scope]:
    """Return, for each tool, the smallest scope that covers all its scopes in `several`."""
    together: dict[str, Scope] = {}
    for scopes in several:
        for key, scope in scopes.items():
            together[key] = scope.joined(together.get(key))
    return together


def uncovered(wanted: Mapping[str, Scope], *agreed: Mapping[str, Scope]) -> dict[str, Scope]:
    """Return the scopes in `wanted` that those in `agreed` together do not cover."""
    together = joined(*agreed)
    return {
        key: scope
        for key, scope in wanted.items()
        if key not in together or not together[key].covers(scope)
    }


def plain_terms(terms: Mapping[str, Term]) -> dict[str, list[str] | int]:
    """Return terms for JSON: sorted, so that equal ones are written alike."""
    return {
        key: term if isinstance(term, int) else sorted(term) for key, term in sorted(terms.items())
    }


def rounded(value: int, digits: int) -> int:
    """Return a number, 0 or more, rounded to so many significant digits."""
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


_canonical: Final = encoder(",", ":", sort_keys=True)
