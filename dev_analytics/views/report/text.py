"""The report as text: aligned tables and bars that fit a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dev_analytics.process.messages import printable
from dev_analytics.views.report.overview import overview
from dev_analytics.views.report.tables import Row, Table
from dev_analytics.views.report.tally import Tally

WIDTH: Final = 80
"""The width of the report without a terminal."""
_WIDEST: Final = 100
_MAX_ROWS: Final = 15
_MAX_ORDERED: Final = 31
_MIN_NAME: Final = 8
_MIN_BAR: Final = 6
_MAX_BAR: Final = 30


def text(counted: Tally, parts: Sequence[Table], width: int = WIDTH, bar: str = "█") -> str:
    """Return the report as text, in lines of `width` characters, with bars made of `bar`."""
    width = max(20, min(width, _WIDEST))
    head = overview(counted)
    left = max(map(len, head))
    lines = [_cut(printable(str(counted.source)), width)]
    lines += _wrapped([f"{label:{left}}  {value}" for label, value in head.items()], width)
    if not counted.records:
        lines += ["", *_wrapped(["There are no records to count."], width)]
    return "\n".join(lines + [line for part in parts for line in _part(part, width, bar)])


def _part(part: Table, width: int, bar: str) -> list[str]:
    """Return a part below an empty line; of many rows only the largest, or the newest."""
    most = _MAX_ORDERED if part.ordered else _MAX_ROWS
    rows = part.rows[-most:] if part.ordered else part.rows[:most]
    lines = ["", part.title.upper(), *_wrapped([f"{part.finding}."], width)]
    left_out = len(part.rows) - len(rows)
    more = [f"({left_out:,} {'earlier' if part.ordered else 'more'} rows are not shown)"]
    more = _wrapped(more, width) if left_out else []
    return [*lines, *_table(part, rows, width, bar), *more]


def _table(part: Table, rows: Sequence[Row], width: int, bar: str) -> list[str]:
    """Return a table with names on the left, numbers on the right, and bars in the space left."""
    heads = list(part.columns.values())
    right = [isinstance(value, int) for value in rows[0]]
    cells = [[f"{value:,}" if isinstance(value, int) else value for value in row] for row in rows]
    if _needed(heads, cells) > width:
        cells = [
            [_short(value) if isinstance(value, int) else value for value in row] for row in rows
        ]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    dropped: list[str] = []
    while sum(widths) + 2 * len(widths) - 2 > width:
        names = [place for place, number in enumerate(right[: len(widths)]) if not number]
        widest = max(names, key=lambda place: widths[place])
        if widths[widest] > _MIN_NAME * 2 or (len(widths) <= 2 and widths[widest] > 1):
            widths[widest] -= 1
        elif len(widths) > 2:
            widths.pop()
            dropped.insert(0, heads[len(widths)])
        else:
            break
    lines = [_line(heads, widths, right), *(_line(row, widths, right) for row in cells)]
    space = width - sum(widths) - 2 * len(widths)
    if part.bar and len(rows) > 1 and space >= _MIN_BAR:
        place = list(part.columns).index(part.bar)
        numbers = [int(row[place]) for row in rows]
        space = min(space, _MAX_BAR)
        scale = space / (max(numbers) or 1)
        for number, value in enumerate(numbers, 1):
            drawn = bar * max(round(value * scale), 1 if value else 0)
            lines[number] = f"{lines[number].ljust(sum(widths) + 2 * len(widths) - 2)}  {drawn}"
    if dropped:
        lines += _wrapped([f"(not shown for lack of space: {', '.join(dropped)})"], width)
    return [line.rstrip() for line in lines]


def _needed(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    columns = zip(heads, *cells, strict=True)
    return sum(max(map(len, column)) + 2 for column in columns) - 2


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    # If columns had no space, a row has more cells than there are widths.
    return "  ".join(
        _cut(cell, width).rjust(width) if to_right else _cut(cell, width).ljust(width)
        for cell, width, to_right in zip(row, widths, right, strict=False)
    )


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 1]}~"


def _wrapped(lines: Sequence[str], width: int) -> list[str]:
    from textwrap import wrap

    return [piece for line in lines for piece in wrap(line, width, subsequent_indent="  ")]


def _short(number: int) -> str:
    """Return a large number with three digits and a unit."""
    for unit, sign in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= (unit if unit > 10**3 else 10**4):
            return (
                f"{number / unit:.3g} {sign}"
                if number < unit * 1000
                else f"{number // unit:,} {sign}"
            )
    return f"{number:,}"
