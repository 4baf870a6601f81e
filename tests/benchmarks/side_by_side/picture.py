"""Draws the picture of the page: six rows as bars, on a logarithmic scale, for light and dark."""

from __future__ import annotations

from html import escape
from math import log10
from typing import Any, Final

from rivals import LIBRARIES
from rows import ROWS

SHOWN: Final = (
    *("load_kernel", "exit_silent"),
    *("event_in_row", "event_rested"),
    *("cell_in_row", "cell_rested"),
)
WIDTH, LABEL, BAR, LINE, HEAD = 440, 110, 230, 20, 44
STYLE: Final = """
.page { fill: #ffffff }
text { font: 12px sans-serif; fill: #1f2328 }
.title { font-weight: bold }
.bar { fill: #8c959f }
.own { fill: #0969da }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117 }
  text { fill: #e6edf3 }
  .bar { fill: #6e7681 }
  .own { fill: #4493f8 }
}
"""


def picture(content: dict[str, Any]) -> str:
    """Return the SVG."""
    height = HEAD + LINE * len(LIBRARIES) + 16
    panels = [
        f'<g transform="translate({WIDTH * (number % 2)} {height * (number // 2)})">'
        f"{panel(row, content['figures'][row])}</g>"
        for number, row in enumerate(SHOWN)
    ]
    whole = height * len(panels) // 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {whole}" '
        f'role="img" aria-label="Medians of six benchmarks">\n<style>{STYLE}</style>\n'
        # The page around it may be dark where the reader's system is light, or the reverse.
        '<rect class="page" width="100%" height="100%"/>\n' + "\n".join(panels) + "\n</svg>\n"
    )


def panel(row: str, figures: dict[str, Any]) -> str:
    """Return the bars of one row; they begin at half of the least that is not nothing."""
    about = ROWS[row]
    values = {library: figures[library].get("median", 0.0) for library in LIBRARIES}
    floor = min([value for value in values.values() if value >= 10**-about.digits] or [1.0]) / 2
    ceiling = max([floor * 10, *values.values()])
    parts = [f'<text class="title" x="8" y="24">{escape(about.title)}, {about.unit}</text>']
    for number, (library, value) in enumerate(values.items()):
        y = HEAD + number * LINE
        shown = f"{value:,.{about.digits}f}"
        if "median" not in figures[library]:
            shown = escape(figures[library].get("words", "failed"))
        length = BAR * max(0.0, log10(max(value, floor) / floor) / log10(ceiling / floor))
        kind = "own" if library == "dev_analytics" else "bar"
        title = escape(LIBRARIES[library].title)
        parts.append(
            f'<text x="{LABEL}" y="{y}" text-anchor="end">{title}</text>'
            f'<rect class="{kind}" x="{LABEL + 8}" y="{y - 11}" width="{length:.1f}" height="13"/>'
            f'<text x="{LABEL + 14 + length:.1f}" y="{y}">{shown}</text>'
        )
    return "".join(parts)
