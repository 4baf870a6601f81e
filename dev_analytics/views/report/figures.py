"""The figures of a report as SVG, drawn by matplotlib and legible in light and dark themes.

pyplot is not used, so the user's figures, backend and settings are not changed. Text and lines have
the colour of the page's text; the colours of bars stand out from white and from black, and their
hatching differs, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from io import StringIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from dev_analytics.views.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INSTALL: Final = 'No figures without matplotlib: pip install "dev-analytics[report]"'

_WIDTH: Final = 7.2
_MAX_BARS: Final = 10
_MAX_NAME: Final = 34
# A placeholder for the page's text colour, as matplotlib does not know "currentColor".
_INK: Final = "#010203"
_LEFT_OUT: Final = r'<style.*?</style>|<metadata>.*?</metadata>|<!--.*?-->|(?<=<g) id="[^"]*"'
# Both have a contrast of at least 3:1 to white and to #111, the background of Lab's dark theme.
_FIRST: Final = "#3a87c8"
_SECOND: Final = "#c8622d"
_HATCHED: Final[dict[str, Any]] = {
    "color": _SECOND,
    "hatch": "///",
    "edgecolor": _INK,
    "linewidth": 0,
}
_SETTINGS: Final = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dev-analytics",
    "hatch.linewidth": 0.6,
    "font.size": 10,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _INK
    ),
}


class NoFiguresError(Exception):
    """matplotlib is missing; the message says what to install."""


def figures(parts: Sequence[Table]) -> dict[str, str]:
    """Return the figures as ``svg`` elements, by the names of the parts that they show.

    Raises
    ------
    NoFiguresError
        matplotlib is missing.
    """
    try:
        from matplotlib import style
    except ImportError:
        raise NoFiguresError(INSTALL) from None
    with style.context(_SETTINGS, after_reset=True):
        return {
            part.name: _drawn(part, _DRAW[part.name])
            for part in parts
            if part.name in _DRAW and len(part.rows) > 1
        }


def _drawn(part: Table, draw: Callable[[Axes, Table], None]) -> str:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    tall = 0.9 + 0.3 * min(len(part.rows), _MAX_BARS) if draw in (_names, _tokens) else 2.4
    figure = Figure(figsize=(_WIDTH, tall), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    draw(axes, part)
    written = StringIO()
    nothing: dict[str, Any] = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(written, format="svg", transparent=True, metadata=nothing)
    return _inline(written.getvalue(), part)


def _inline(svg: str, part: Table) -> str:
    """Return an SVG file as a part of a page: with the page's colours, unique names, and a text."""
    svg = svg[svg.index("<svg") :]
    # Its style sheet would affect the whole page, and its metadata and names of groups are of no
    # use.
    svg = re.sub(_LEFT_OUT, "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|url\(#|xlink:href="#)', rf"\1dev-analytics-{part.name}-", svg)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    svg = svg.replace(_INK, "currentColor")
    attributes = f'role="img" aria-label="{escape(f"{part.title}: {part.finding}.")}"'
    return re.sub(r'^<svg [^>]*(viewBox="[^"]*")[^>]*>', rf"<svg {attributes} \1>", svg, count=1)


def _names(axes: Axes, part: Table) -> None:
    """Draw the most frequent names as bars, followed by their numbers."""
    rows = part.rows[:_MAX_BARS]
    labels = [_label(row[:-1]) for row in rows]
    bars = axes.barh(range(len(rows)), [int(row[-1]) for row in rows], color=_FIRST, height=0.7)
    axes.bar_label(bars, [f"{row[-1]:,}" for row in rows], padding=4)
    _upright(axes, labels)


def _tokens(axes: Axes, part: Table) -> None:
    """Draw the input and output tokens of the models with the most requests."""
    number = min(len(part.rows), _MAX_BARS)
    labels = [_label(row[:2]) for row in part.rows[:number]]
    taken, out = part.column("input_tokens")[:number], part.column("output_tokens")[:number]
    axes.barh(range(number), taken, color=_FIRST, height=0.7, label="input")
    bars = axes.barh(range(number), out, left=taken, height=0.7, label="output", **_HATCHED)
    both = [f"{one + other:,}" for one, other in zip(taken, out, strict=True)]
    axes.bar_label(bars, both, padding=4)
    _upright(axes, labels)
    axes.figure.legend(loc="outside upper right", ncols=2, frameon=False)


def _histogram(axes: Axes, part: Table) -> None:
    """Draw a histogram of the durations of cells; those that were not ok are hatched."""
    # The label of a bound is between two bars; the last bar has that of the bar before it.
    bounds = [str(row[0]).removeprefix("under ").rpartition(" to ")[2] for row in part.rows[:-1]]
    cells, failed = part.column("cells"), part.column("not_ok")
    well = [every - bad for every, bad in zip(cells, failed, strict=True)]
    places = range(len(cells))
    axes.bar(places, well, color=_FIRST, width=0.9, label="ok")
    bars = axes.bar(places, failed, bottom=well, width=0.9, label="not ok", **_HATCHED)
    axes.bar_label(bars, [f"{number:,}" if number else "" for number in cells], padding=2)
    axes.set_xticks([place + 0.5 for place in range(len(bounds))], bounds, fontsize=8)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.figure.legend(loc="outside upper right", ncols=2, frameon=False)


def _times(axes: Axes, part: Table) -> None:
    """Draw the records of each day or hour."""
    from datetime import datetime

    from matplotlib import dates as untyped
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    dates: Any = untyped
    times: Sequence[float] = dates.date2num(
        [datetime.fromisoformat(str(row[0])) for row in part.rows]
    )
    width = min(after - before for before, after in pairwise(times))
    axes.bar(times, part.column("records"), width=width * 0.9, color=_FIRST, align="edge")
    where = dates.AutoDateLocator(maxticks=8)
    axes.xaxis.set_major_locator(where)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(where))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.grid(axis="y", color=_INK, alpha=0.15)
    axes.set_axisbelow(True)


def _upright(axes: Axes, labels: Sequence[str]) -> None:
    # A dollar would begin a formula, and some names of events begin with one.
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)
    axes.margins(x=0.12)


def _label(names: Sequence[str | int]) -> str:
    label = " · ".join(map(str, names))
    return label if len(label) <= _MAX_NAME else f"{label[: _MAX_NAME - 1]}…"


_DRAW: Final[Mapping[str, Callable[[Axes, Table], None]]] = {
    "activity": _times,
    "features": _names,
    "errors": _names,
    "models": _tokens,
    "durations": _histogram,
}
