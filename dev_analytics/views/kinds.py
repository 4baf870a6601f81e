"""The kinds of event, in the catalogue's words, each with its records of this session.

This is shown to users who ask what would be sent, before they answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from dev_analytics.analytics import Analytics
from dev_analytics.catalogue.events import EVENTS
from dev_analytics.catalogue.fields import Event
from dev_analytics.catalogue.meanings import declared, sentence
from dev_analytics.tools.installed import usable
from dev_analytics.views.markup import escape, exact, many, table, view
from dev_analytics.views.preview import MAX_SHOWN, preview
from dev_analytics.views.reading import Reading, read

MAX_IN_TEXT: Final = 20
"""How many of the newest exact records the text shows, as it is above the question."""

_FIRST: Final = "These are all kinds of event, each with everything that it can say."
_NONE_YET: Final = "There is no record of this session yet."
_COMMON: Final = (
    "Every record also has the time in whole seconds; a random identifier of its own, of its "
    "recording and, only once you have agreed, of you; its number in the recording, which begins "
    "with your yes; the name and version of this package; and settings that tell PostHog to keep "
    "no profile of a person, no place and no address. A server to which records are sent sees the "
    "network address that they come from, as with any connection. What is shown here is thrown "
    "away at your answer."
)


def kinds_html(analytics: Analytics) -> str:
    """Return every kind of event; those that happened in this session are open, others closed."""
    records: defaultdict[str, list[Reading]] = defaultdict(list)
    for kept in reversed(tuple(analytics.pipeline.preview)):
        reading = read(kept.record)
        records[reading.event].append(reading)
    parts = [f"<p>{escape(_FIRST)}</p>"]
    parts += [_html(event, records[event.wire]) for event in EVENTS.values()]
    for each, tool in usable():
        whose = f'{tool.title}, by the package {each.package}, whose makers say: "{tool.about}"'
        parts.append(f"<p>{escape(whose)}</p>")
        parts += [_html(event, records[event.wire]) for event in tool.events]
    return view([many("Kinds of event", [*parts, f"<p>{escape(_COMMON)}</p>"])])


def kinds_text(analytics: Analytics) -> str:
    """Return every kind of event in a line or two, then the newest exact records, as text."""
    lines = [_FIRST]
    lines += [line for event in EVENTS.values() for line in _lines(event)]
    for each, tool in usable():
        lines.append(f"{tool.title}, by the package {each.package}: {tool.about}")
        lines += [line for event in tool.events for line in _lines(event)]
    records = preview(analytics, MAX_IN_TEXT) if analytics.pipeline.preview else _NONE_YET
    return "\n".join([*lines, _COMMON, "", records])


def _lines(event: type[Event]) -> Iterator[str]:
    yield f"  {event.wire}: {sentence(event)}"
    if names := ", ".join(declared(event)):
        yield f"      {names}"


def _html(event: type[Event], readings: Sequence[Reading]) -> str:
    """Return one kind of event with its records, the newest first."""
    newest = readings[0] if readings else None
    number = f"{len(readings)} in this session" if readings else "none yet"
    heads = ["property", "meaning"]
    rows = [[name, kind.meaning] for name, kind in declared(event).items()]
    if newest:
        heads.append("newest value")
        rows = [[*row, newest.own.get(row[0], "not given")] for row in rows]
    parts = [
        f'<details class="dev-analytics-kind"{" open" if newest else ""}>',
        f"<summary><strong>{escape(event.wire)}</strong> ({number}): ",
        f"{escape(sentence(event))}</summary>",
        table(f"Properties of {event.wire}", heads, rows),
    ]
    if readings:
        shown = readings[:MAX_SHOWN]
        number = f"{len(shown)} of " if len(shown) < len(readings) else ""
        title = f"The exact records of {escape(event.wire)}, the newest first: "
        parts.append(exact(f"{title}{number}{len(readings)}", *shown))
    return "".join([*parts, "</details>"])
