"""A tool's declaration as the terms that a user agrees to."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from dev_analytics.catalogue.events import properties
from dev_analytics.catalogue.fields import UNSET, Event, fields
from dev_analytics.catalogue.kind import Kind
from dev_analytics.catalogue.meanings import sentence
from dev_analytics.catalogue.values import Count, Duration, Flag, Word
from dev_analytics.consent.scope import Scope, Term
from dev_analytics.tools.declaration import Tool
from dev_analytics.tools.kinds import Version


@lru_cache(maxsize=256)
def scope_of(tool: Tool, notice: int | None = None) -> Scope:
    """Return what `tool` declares: everything, or what it declared up to `notice`."""
    last = tool.notice if notice is None else min(notice, tool.notice)
    terms: dict[str, Term] = {}
    for event in tool.events:
        if event.since <= last:
            terms.update(_terms(event, last))
    return Scope(last, terms)


def agreed_notice(tool: Tool, agreed: Scope) -> int:
    """Return the notice up to which `agreed` covers the events of `tool`.

    If everything that the tool declares is covered, all events are. Otherwise those up to the
    agreed notice are, unless they say more than was agreed to; then none is, whatever notice the
    tool claims.
    """
    if agreed.covers(scope_of(tool)):
        return tool.notice
    older = scope_of(tool, agreed.notice)
    return older.notice if older.terms and agreed.covers(older) else 0


def _terms(event: type[Event], last: int) -> Iterator[tuple[str, Term]]:
    yield event.wire, frozenset({sentence(event)})
    for name, kind in properties(event).items():
        if kind.since <= last:
            place = f"{event.wire}/{name}"
            yield place, frozenset({kind.meaning})
            yield limits(place, kind)
            if is_optional(event, name):
                yield f"{place}/absent", 1


def limits(place: str, kind: Kind) -> tuple[str, Term]:
    """Return the place and the term that say which values a property may have."""
    match kind:
        case Word():
            return f"{place}/word", frozenset().union(*(each.members for each in kind.vocabularies))
        case Flag():
            return f"{place}/flag", 1
        case Count():
            return f"{place}/count/{kind.unit}", kind.most
        case Duration():
            return f"{place}/duration/{kind.unit}", kind.decimals
    assert isinstance(kind, Version)
    return f"{place}/version/{kind.distribution}", 1


def is_optional(event: type[Event], name: str) -> bool:
    """Return whether a property may be left out."""
    return any(field.name == name and field.default is UNSET for field in fields(event))
