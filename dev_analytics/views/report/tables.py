"""The parts of a report: tables with a title and a finding, in whatever form they are shown.

Text, HTML, CSV, fields and figures are all made from these, so that they agree. Their content may
be shown anywhere, and a log may come from anywhere: unprintable characters become question marks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import astuple

from dev_analytics.process.messages import printable
from dev_analytics.tools.declaration import tool_of
from dev_analytics.tools.installed import usable
from dev_analytics.views.report.activity import Moment, day, hour
from dev_analytics.views.report.tally import Tally

Row: TypeAlias = tuple[str | int, ...]

_MAX_EMPTY: Final = 400
"""How many days a log may span if days without a record are to be rows, too."""
_BOUNDS: Final = (
    *((10, "10 ms"), (30, "30 ms"), (100, "100 ms"), (300, "300 ms"), (1_000, "1 s")),
    *((3_000, "3 s"), (10_000, "10 s"), (30_000, "30 s"), (100_000, "100 s"), (300_000, "5 min")),
    *((1_200_000, "20 min"), (3_600_000, "1 h")),
)


class Table(Struct, frozen=True):
    """A part of the report.

    Attributes
    ----------
    name, title, finding
        The name of its file or field, the heading above it, and its result in one sentence.
    columns
        The headings of its columns, by the names of their fields.
    rows, ordered
        The values, the largest first unless they have an order of their own, such as of time.
    bar
        The column for which bars are drawn, if there is one.
    """

    name: str
    title: str
    finding: str
    columns: Mapping[str, str]
    rows: Sequence[Row]
    bar: str = ""
    ordered: bool = False

    def column(self, name: str) -> list[int]:
        """Return the numbers of a column."""
        place = list(self.columns).index(name)
        return [int(row[place]) for row in self.rows]


def tables(counted: Tally, dropped: Mapping[str, int]) -> list[Table]:
    """Return the parts of a report that are not empty.

    `dropped` has the records that this machine dropped, by reason, if its own archive was read.
    """

    def ranked(attribute: str, title: str, **columns: str) -> Table:
        return _ranked(getattr(counted, attribute), attribute, title, columns)

    made = (
        _activity(counted),
        ranked("events", "Events", name="event"),
        _of_tools(counted),
        ranked("commands", "Commands", command="command"),
        ranked("features", "Features", kind="kind", name="feature"),
        ranked("errors", "Errors", exception="error", package="package"),
        _models(counted),
        ranked("edit_formats", "Edit formats", edit_format="edit format"),
        _outcomes(counted),
        _durations(counted),
        ranked("kernel_actions", "Kernel actions", action="action", status="status"),
        ranked("file_actions", "File actions", action="action", kind="kind of file"),
        ranked("launches", "Launches", frontend="front end", version="version"),
        _gaps(counted, dropped),
    )
    return [table for table in made if table.rows]


def plural(number: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _ranked(
    counts: Mapping[tuple[str, ...], int], name: str, title: str, columns: Mapping[str, str]
) -> Table:
    """Return a table of names, the most frequent first, and then in alphabetical order."""
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows: list[Row] = [(*map(printable, names), number) for names, number in most]
    finding = ""
    if rows:
        number, whole = most[0][1], sum(counts.values())
        first = ", ".join(map(str, rows[0][:-1]))
        finding = f"{whole:,} in all, each {first}"
        if len(rows) > 1:
            share = _percent(number, whole)
            finding = f"{whole:,} in all, {len(rows):,} different; "
            finding += f"most often {first} ({number:,}, {share})"
    return Table(name, title, finding, {**columns, "count": "count"}, rows, "count")


def _of_tools(counted: Tally) -> Table:
    """Return the events of other tools, each with the title of its tool if that is installed."""
    of_tools = {wire: number for (wire,), number in counted.events.items() if tool_of(wire)}
    titles = {tool.name: tool.title for _, tool in usable()} if of_tools else {}
    counts: dict[tuple[str, ...], int] = {
        (titles.get(tool_of(wire), tool_of(wire)), wire): number
        for wire, number in of_tools.items()
    }
    return _ranked(counts, "tools", "Events of other tools", {"tool": "tool", "name": "event"})


def _models(counted: Tally) -> Table:
    most = sorted(counted.models.items(), key=lambda item: (-item[1].requests, item[0]))
    rows: list[Row] = [(*map(printable, name), *astuple(sums)) for name, sums in most]
    finding = ""
    if rows:
        requests = sum(sums.requests for _, sums in most)
        taken = sum(sums.input_tokens for _, sums in most)
        out = sum(sums.output_tokens for _, sums in most)
        finding = (
            f"{plural(requests, 'request')} to {plural(len(rows), 'model')}, "
            f"{taken:,} tokens in, {out:,} out; most requests to {rows[0][1]}"
        )
    columns = {
        "provider": "provider",
        "model": "model",
        "requests": "requests",
        "failed": "failed",
        "input_tokens": "input",
        "output_tokens": "output",
        "cached_tokens": "cached",
        "reasoning_tokens": "reasoning",
    }
    return Table("models", "Models, by requests and tokens", finding, columns, rows)


def _outcomes(counted: Tally) -> Table:
    rows: list[Row] = []
    most = sorted(counted.outcomes.items(), key=lambda item: (-item[1], item[0]))
    for (outcome,), number in most:
        took = {ms: n for (name, ms), n in counted.durations.items() if name == outcome}
        rows.append((printable(outcome), number, quantile(took, 50), quantile(took, 90)))
    finding = ""
    if rows:
        cells = sum(counted.outcomes.values())
        well = _percent(counted.outcomes.get(("ok",), 0), cells)
        finding = f"{plural(cells, 'cell')}, {well} of them ok"
    columns = {"outcome": "outcome", "cells": "cells", "p50_ms": "p50 ms", "p90_ms": "p90 ms"}
    return Table("outcomes", "Outcomes of cells", finding, columns, rows)


def _durations(counted: Tally) -> Table:
    """Return a histogram of the durations of cells, and of those that were not ok."""
    labels = [f"under {_BOUNDS[0][1]}"]
    labels += [f"{low} to {high}" for (_, low), (_, high) in pairwise(_BOUNDS)]
    labels.append(f"{_BOUNDS[-1][1]} or more")
    cells, failed = [0] * len(labels), [0] * len(labels)
    took: dict[int, int] = {}
    for (outcome, ms), number in counted.durations.items():
        place = sum(ms >= bound for bound, _ in _BOUNDS)
        cells[place] += number
        failed[place] += number if outcome != "ok" else 0
        took[ms] = took.get(ms, 0) + number
    rows: list[Row] = []
    if took:
        full = [place for place, number in enumerate(cells) if number]
        shown = range(full[0], full[-1] + 1)
        rows = [(labels[place], cells[place], failed[place]) for place in shown]
    finding = f"Half of the cells took at most {_duration(quantile(took, 50))}, nine of ten at most"
    finding += f" {_duration(quantile(took, 90))}"
    columns = {"duration": "duration", "cells": "cells", "not_ok": "not ok"}
    return Table("durations", "Duration of cells", finding, columns, rows, "cells", ordered=True)


def _activity(counted: Tally) -> Table:
    step, name, write, moments = "day", "day", day, counted.activity.days()
    if hours := counted.activity.hours():
        step, name, write, moments = "hour", "hour_utc", hour, hours
    rows: list[Row] = []
    finding = ""
    if moments:
        numbers: Sequence[int] = range(min(moments), max(moments) + 1)
        if len(numbers) > _MAX_EMPTY:
            numbers = sorted(moments)
        rows = [(write(each), *astuple(moments.get(each, Moment()))) for each in numbers]
        busiest = max(moments, key=lambda number: (moments[number].records, -number))
        finding = f"Records in {plural(len(moments), step)}; the busiest is {write(busiest)} "
        finding += f"with {moments[busiest].records:,}"
    columns = {
        name: f"{step}, UTC",
        "records": "records",
        "cells": "cells",
        "llm_requests": "LLM requests",
        "errors": "errors",
    }
    return Table("activity", f"Activity by {step}", finding, columns, rows, "records", ordered=True)


def _gaps(counted: Tally, dropped: Mapping[str, int]) -> Table:
    sessions, missing = counted.sessions.gaps()
    named = {
        "missing between others of a session": missing,
        "sessions with such a gap": sessions,
        "broken lines": counted.broken,
        **{f"dropped on this machine: {printable(why)}": n for why, n in dropped.items()},
    }
    rows = [(what, number) for what, number in named.items() if number]
    finding = f"{plural(missing, 'record')} missing in {plural(sessions, 'session')}"
    if not rows:
        finding = "No gap and no broken line"
        rows = [("missing between others of a session", 0)] if counted.records else []
    return Table("gaps", "Gaps and drops", finding, {"what": "what", "count": "count"}, rows)


def quantile(counts: Mapping[int, int], percent: int) -> int:
    """Return the value that `percent` of all values do not exceed; 0 if there are none."""
    values = sorted(counts)
    sums = list(accumulate(counts[value] for value in values))
    reached = (
        value for value, sum_ in zip(values, sums, strict=True) if sum_ * 100 >= sums[-1] * percent
    )
    return next(reached, 0)


def _duration(ms: int) -> str:
    if ms < 1_000:
        return f"{ms} ms"
    return f"{ms / 1_000:g} s" if ms < 120_000 else f"{ms / 60_000:.3g} min"


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole
    return f"{share:.0f}%" if share >= 10 or share == 0 else f"{share:.1f}%"
