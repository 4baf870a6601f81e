"""The catalogue in words: an event, its properties, and what a notice adds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from dev_analytics.catalogue.events import EVENTS, properties
from dev_analytics.catalogue.fields import Event, fields
from dev_analytics.catalogue.kind import Kind


def sentence(event: type[Event]) -> str:
    """Return the sentence that says when `event` happens."""
    return (event.__doc__ or "").partition("\n")[0]


@cache
def declared(event: type[Event]) -> Mapping[str, Kind]:
    """Return the declared properties of `event` by the names that they have in a record."""
    kinds = properties(event)
    names = ((each.name, each.wire) for each in fields(event))
    return {wire: kinds[name] for name, wire in names if name in kinds}


@cache
def reasons(event: type[Event]) -> Mapping[str, str]:
    """Return why each property of `event` is collected, by the names that they have in a record."""
    given = event.why.properties
    return dict(zip(declared(event), [given[name] for name in properties(event)], strict=True))


def added_since(notice: int) -> list[str]:
    """Return in words what the catalogue has beyond `notice`, a line each.

    A new event is one line, with its sentence; a new property of an older event is one, with its
    meaning.
    """
    lines = []
    for event in EVENTS.values():
        if event.since > notice:
            lines.append(f"{event.wire}: {sentence(event)}")
        else:
            lines += [
                f"{event.wire}, {name}: {kind.meaning}"
                for name, kind in declared(event).items()
                if kind.since > notice
            ]
    return lines
