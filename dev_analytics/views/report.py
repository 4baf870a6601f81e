"""The report: what was recorded, counted, as plain aligned tables; a stream, however long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import DecodeError, Struct, ValidationError, field, json

from dev_analytics.catalogue.events import EVENTS
from dev_analytics.delivery.archive import NAME, is_archive, read
from dev_analytics.delivery.destination import Unreachable
from dev_analytics.tools.declaration import tool_of
from dev_analytics.tools.installed import usable

_MOST_ROWS: Final = 20
"""How many rows of a table are shown, the largest."""


class ReportError(Exception):
    """There is nothing to report on; the message says why, in one line."""


class _Line(Struct):
    """A record as it is read back: only what is counted."""

    event: str
    timestamp: str
    properties: dict[str, Any]


class Models(Struct):
    """What was asked of one model."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class Tally(Struct):
    """What was counted.

    Attributes
    ----------
    source
        What was read.
    records, broken
        How many records there were, and how many lines that are none.
    first, last
        The earliest and the latest time.
    events, features, errors, edit_formats
        How often each, by its names.
    models
        What was asked of each, by provider and name.
    """

    source: Path
    records: int = 0
    broken: int = 0
    first: str = ""
    last: str = ""
    sessions: set[str] = field(default_factory=set)
    events: Counter[str] = field(default_factory=Counter)
    features: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    models: dict[tuple[str, str], Models] = field(default_factory=dict)
    edit_formats: Counter[str] = field(default_factory=Counter)

    def add(self, line: bytes) -> None:
        """Count one line."""
        try:
            record = json.decode(line, type=_Line)
        except (DecodeError, ValidationError, RecursionError):
            self.broken += 1
            return
        self.records += 1
        self.first = min(filter(None, (self.first, record.timestamp)), default="")
        self.last = max(self.last, record.timestamp)
        self.events[record.event] += 1
        said = record.properties
        self.sessions.add(_word(said, "$session_id"))
        if record.event == EVENTS["feature_used"].wire:
            self.features[_word(said, "kind"), _word(said, "name")] += 1
        elif record.event == EVENTS["error_raised"].wire:
            self.errors[_word(said, "exception"), _word(said, "package")] += 1
        elif record.event == EVENTS["message_send"].wire:
            model = _word(said, "$ai_provider"), _word(said, "$ai_model")
            asked = self.models.setdefault(model, Models())
            asked.requests += 1
            asked.input_tokens += _number(said, "$ai_input_tokens")
            asked.output_tokens += _number(said, "$ai_output_tokens")
            self.edit_formats[_word(said, "edit_format")] += 1


def tally(file: Path | None, data: Path) -> Tally:
    """Count the records in `file`, an event log or an archive; without one in the archive here.

    Raises
    ------
    ReportError
        It cannot be read.
    """
    source = data / NAME if file is None else file
    counted = Tally(source)
    try:
        for line in _lines(source):
            counted.add(line)
    except FileNotFoundError:
        if file is None:
            raise ReportError(
                "there is no archive yet: nothing was delivered to it; name an event log"
            ) from None
        raise ReportError(f"{source}: there is no such file") from None
    except OSError as error:
        raise ReportError(f"{source}: {error.strerror}") from None
    except Unreachable as error:
        raise ReportError(f"{source}: {error}") from None
    return counted


def report(counted: Tally) -> str:
    """Give the report as text."""
    broken = f", {counted.broken} broken lines left out" if counted.broken else ""
    span = f" from {counted.first} to {counted.last}" if counted.records else ""
    head = f"{counted.records} records in {len(counted.sessions)} sessions{span}{broken}"
    tables = [
        _table(("event", "count"), [(name, n) for name, n in counted.events.most_common()]),
        _table(("tool", "event", "count"), _of_tools(counted.events)),
        _table(("feature", "name", "count"), _rows(counted.features)),
        _table(("error", "package", "count"), _rows(counted.errors)),
        _table(("provider", "model", "requests", "tokens in", "tokens out"), _asked(counted)),
        _table(("edit format", "count"), list(counted.edit_formats.most_common())),
    ]
    return "\n\n".join([f"{counted.source}\n{head}", *filter(None, tables)])


def report_fields(counted: Tally) -> dict[str, object]:
    """Give the report as fields, for a script."""
    return {
        "source": str(counted.source),
        "records": counted.records,
        "broken_lines": counted.broken,
        "sessions": len(counted.sessions),
        "first": counted.first or None,
        "last": counted.last or None,
        "events": dict(counted.events.most_common()),
        "features": _named(("kind", "name", "count"), _rows(counted.features)),
        "errors": _named(("exception", "package", "count"), _rows(counted.errors)),
        "models": _named(
            ("provider", "model", "requests", "input_tokens", "output_tokens"), _asked(counted)
        ),
        "edit_formats": dict(counted.edit_formats.most_common()),
    }


def _lines(source: Path) -> Iterator[bytes]:
    if is_archive(source):
        yield from read(source)
        return
    with source.open("rb") as opened:
        for line in opened:
            if line.strip():
                yield line


def _of_tools(events: Counter[str]) -> list[tuple[object, ...]]:
    """Give the events of other tools, each with the title of its tool."""
    rows = [(tool_of(wire), wire, number) for wire, number in events.most_common()]
    if not any(tool for tool, _, _ in rows):
        return []
    titles = {tool.name: tool.title for _, tool in usable()}
    return [(titles.get(tool, tool), wire, number) for tool, wire, number in rows if tool]


def _rows(counts: Counter[tuple[str, str]]) -> list[tuple[object, ...]]:
    return [(*names, number) for names, number in counts.most_common()]


def _asked(counted: Tally) -> list[tuple[object, ...]]:
    most = sorted(counted.models.items(), key=lambda item: -item[1].requests)
    return [(*name, m.requests, m.input_tokens, m.output_tokens) for name, m in most]


def _named(names: Sequence[str], rows: Iterable[Sequence[object]]) -> list[dict[str, object]]:
    return [dict(zip(names, row, strict=True)) for row in rows]


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Align a table: names to the left, numbers to the right."""
    if not rows:
        return ""
    shown = [[_cell(value) for value in row] for row in rows[:_MOST_ROWS]]
    widths = [max(map(len, column)) for column in zip(head, *shown, strict=True)]
    right = [isinstance(value, int) for value in rows[0]]
    lines = [
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in (head, *shown)
    ]
    more = len(rows) - len(shown)
    return "\n".join(lines + ([f"and {more} more"] if more > 0 else []))


def _cell(value: object) -> str:
    """Write a value; a log may be anybody's, and moves no cursor here."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))


def _word(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else "not given"


def _number(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    return value if type(value) is int else 0
