"""The catalogue for users: every event and property, its values, and why it is collected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from dev_analytics.catalogue.events import EVENTS
from dev_analytics.catalogue.examples import example
from dev_analytics.catalogue.fields import Event
from dev_analytics.catalogue.kind import Kind
from dev_analytics.catalogue.meanings import declared, reasons, sentence
from dev_analytics.catalogue.schema import pretty, schema
from dev_analytics.tools.installed import usable
from dev_analytics.views.markup import escape, many, table, view

_HEADS: Final = ("property", "meaning", "values", "why", "since notice")
_MORE: Final = "%dev_analytics schema EVENT shows the properties of one, with --json its schema."


Events: TypeAlias = Mapping[str, type[Event]]


def named(asked: str) -> Events:
    """Return the events that were asked for: all, those of a tool, or one by either of its names.

    Raises
    ------
    LookupError
        There is no such event; the message continues after the command's name.
    """
    tools = {tool.name: tool for _, tool in usable()}
    events = dict(EVENTS)
    for tool in tools.values():
        events |= tool.by_name
    if not asked:
        return events
    if asked in tools:
        return tools[asked].by_name
    for name, event in events.items():
        if asked in (name, event.wire):
            return {name: event}
    from difflib import get_close_matches

    near = get_close_matches(asked, [*events, *tools], 1)
    meant = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(events)}"
    raise LookupError(f"knows no event {asked!r}: {meant}")


def schema_text(events: Events) -> str:
    """Return as text all events with their sentences and reasons, or everything about one."""
    if len(events) == 1:
        return "\n".join(line for event in events.values() for line in _one(event))
    width = max(map(len, events))
    lines = [
        f"{name:{width}}  {sentence(event)}\n{'':{width}}  {event.why.event}"
        for name, event in events.items()
    ]
    return "\n".join([*lines, "", _MORE])


def schema_html(events: Events) -> str:
    """Return the same as HTML: several events are closed, a single one is open."""
    opened = len(events) == 1
    return view([many("Events", (_html(event, opened=opened) for event in events.values()))])


def schema_json(events: Events) -> str:
    """Return the JSON Schema of an event, as in ``docs/schemas``, or those of several by name."""
    schemas = {name: schema(event) for name, event in events.items()}
    shown = schemas if len(schemas) > 1 else next(iter(schemas.values()))
    return pretty(shown).decode().rstrip()


def _one(event: type[Event]) -> Iterator[str]:
    yield f"{event.wire}: {sentence(event)}"
    yield f"{event.why.event} Since notice {event.since}."
    why = reasons(event)
    for wire, kind in declared(event).items():
        yield f"\n{wire}: {kind.meaning}"
        yield f"  values  {_values(kind)}"
        yield f"  why     {why[wire]}"
        yield f"  since   notice {kind.since}"
    yield f"\nAn example:\n{example(event).decode()}"


def _html(event: type[Event], *, opened: bool) -> str:
    why = reasons(event)
    rows = [
        (wire, kind.meaning, _values(kind), why[wire], str(kind.since))
        for wire, kind in declared(event).items()
    ]
    return "".join(
        [
            f'<details class="dev-analytics-kind"{" open" if opened else ""}>',
            f"<summary><strong>{escape(event.wire)}</strong>: {escape(sentence(event))}</summary>",
            f"<p>{escape(event.why.event)} Since notice {event.since}.</p>",
            table(f"Properties of {event.wire}", _HEADS, rows),
            f"<p>An example:</p><pre>{escape(example(event).decode())}</pre></details>",
        ]
    )


def _values(kind: Kind) -> str:
    return f"{kind.allowed}, in {kind.unit}" if kind.unit else kind.allowed
