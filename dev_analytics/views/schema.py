"""The catalogue, for who asks: every event and property, its values, why it is collected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from dev_analytics.catalogue.events import EVENTS
from dev_analytics.catalogue.examples import example
from dev_analytics.catalogue.meanings import declared, reasons, sentence, unit, values
from dev_analytics.catalogue.schema import pretty, schema
from dev_analytics.catalogue.values import Kind
from dev_analytics.views.markup import escape, many, view

_HEADS: Final = ("property", "meaning", "values", "why", "since notice")
_MORE: Final = "%dev_analytics schema EVENT shows the properties of one, with --json its schema."


def named(asked: str) -> Sequence[str]:
    """Give the events that somebody asks for: all, or one by its name here or in a record.

    Raises
    ------
    LookupError
        There is no such event; the message goes on after the command's name.
    """
    if not asked:
        return list(EVENTS)
    for name, event in EVENTS.items():
        if asked in (name, event.wire):
            return [name]
    from difflib import get_close_matches

    near = get_close_matches(asked, EVENTS, 1)
    meant = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(EVENTS)}"
    raise LookupError(f"knows no event {asked!r}: {meant}")


def schema_text(names: Sequence[str]) -> str:
    """Give all events with their sentences and reasons, or all about one, as text."""
    if len(names) == 1:
        return "\n".join(_one(names[0]))
    width = max(map(len, names))
    lines = [
        f"{name:{width}}  {sentence(EVENTS[name])}\n{'':{width}}  {EVENTS[name].why.event}"
        for name in names
    ]
    return "\n".join([*lines, "", _MORE])


def schema_html(names: Sequence[str]) -> str:
    """Give the same as tables: all events to be opened, or one that is open."""
    return view([many("Events", (_html(name, opened=len(names) == 1) for name in names))])


def schema_json(name: str) -> str:
    """Give the JSON Schema of an event, as it stands in ``docs/schemas``."""
    return pretty(schema(EVENTS[name])).decode().rstrip()


def _one(name: str) -> Iterator[str]:
    event = EVENTS[name]
    yield f"{event.wire}: {sentence(event)}"
    yield f"{event.why.event} Since notice {event.since}."
    why = reasons(event)
    for wire, kind in declared(event).items():
        yield f"\n{wire}: {kind.meaning}"
        yield f"  values  {_values(kind)}"
        yield f"  why     {why[wire]}"
        yield f"  since   notice {kind.since}"
    yield f"\nAn example:\n{example(name).decode()}"


def _html(name: str, *, opened: bool) -> str:
    event = EVENTS[name]
    why = reasons(event)
    rows = [
        f'<tr><th scope="row">{escape(wire)}</th>'
        + "".join(
            f"<td>{escape(text)}</td>"
            for text in (kind.meaning, _values(kind), why[wire], str(kind.since))
        )
        + "</tr>"
        for wire, kind in declared(event).items()
    ]
    heads = "".join(f'<th scope="col">{head}</th>' for head in _HEADS)
    label = f"Properties of {escape(event.wire)}"
    return "".join(
        [
            f'<details class="dev-analytics-kind"{" open" if opened else ""}>',
            f"<summary><strong>{escape(event.wire)}</strong>: {escape(sentence(event))}</summary>",
            f"<p>{escape(event.why.event)} Since notice {event.since}.</p>",
            f'<table aria-label="{label}"><thead><tr>{heads}</tr></thead>',
            f"<tbody>{''.join(rows)}</tbody></table>",
            f"<p>An example:</p><pre>{escape(example(name).decode())}</pre></details>",
        ]
    )


def _values(kind: Kind) -> str:
    return f"{values(kind)}, in {unit(kind)}" if unit(kind) else values(kind)
