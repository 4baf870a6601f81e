"""What the catalogue says in words: of an event, of its properties, and of what a notice adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from dev_analytics.catalogue.events import EVENTS, Event, properties
from dev_analytics.catalogue.values import (
    LARGEST,
    MOST_FRAMES,
    Count,
    Duration,
    Flag,
    Frames,
    Kind,
    Version,
    Word,
)
from dev_analytics.catalogue.vocabulary import OTHER, Vocabulary

MOST_LISTED: Final = 20
"""How many words of a vocabulary are listed where it is used; a longer one is only named."""

KINDS: Final[Mapping[type, str]] = {
    Word: "word from a closed list",
    Flag: "yes or no",
    Count: "whole number, three digits",
    Duration: "time, two digits",
    Version: "version number",
    Frames: "places in public source",
}
"""The kinds of value in a few words."""


def sentence(event: type[Event]) -> str:
    """Return the sentence that says when `event` happens."""
    return (event.__doc__ or "").partition("\n")[0]


@cache
def declared(event: type[Event]) -> Mapping[str, Kind]:
    """Return the declared properties of `event` by the names that they have in a record."""
    kinds = properties(event)
    names = zip(event.__struct_fields__, event.__struct_encode_fields__, strict=True)
    return {wire: kinds[name] for name, wire in names if name in kinds}


@cache
def reasons(event: type[Event]) -> Mapping[str, str]:
    """Return why each property of `event` is collected, by the names that they have in a record."""
    given = event.why.properties
    return dict(zip(declared(event), [given[name] for name in properties(event)], strict=True))


def values(kind: Kind) -> str:
    """Say in words which values a property of this `kind` can have."""
    match kind:
        case Word():
            return f"{', '.join(map(_words, kind.vocabularies))} or {OTHER}"
        case Flag():
            return "true or false"
        case Count(most=most):
            up_to = f" to {most}" if most < LARGEST else ""
            return f"whole number from 0{up_to}, three significant digits"
        case Duration(decimals=0):
            return "whole number, two significant digits"
        case Duration(decimals=decimals):
            return f"number, two significant digits, at most {decimals} decimals"
        case Version():
            return f"up to three numbers with points between them or {OTHER}"
        case Frames():
            return f"list of at most {MOST_FRAMES} places module:function:line"
    raise TypeError(f"no words for {kind!r}")


def unit(kind: Kind) -> str:
    """Return the unit of a property of this `kind`, empty if it has none."""
    return kind.unit if isinstance(kind, Count | Duration) else ""


def _words(vocabulary: Vocabulary) -> str:
    words = vocabulary.words
    if len(words) <= MOST_LISTED:
        return ", ".join(words)
    return f"one of the {len(words)} words of {vocabulary.name}"


def added_since(notice: int) -> list[str]:
    """Return in words what the catalogue has beyond `notice`, a line each.

    A new event is one line, with its sentence; a new property of an older event is one, with its
    meaning.
    """
    return added_to(EVENTS.values(), notice)


def added_to(events: Iterable[type[Event]], notice: int) -> list[str]:
    """Return the same of some events: the core's own, or those of a tool."""
    lines = []
    for event in events:
        if event.since > notice:
            lines.append(f"{event.wire}: {sentence(event)}")
        else:
            lines += [
                f"{event.wire}, {name}: {kind.meaning}"
                for name, kind in declared(event).items()
                if kind.since > notice
            ]
    return lines
