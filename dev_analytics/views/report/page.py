"""The report as HTML: in a notebook, and as a page of its own that loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from dev_analytics import __version__
from dev_analytics.process.messages import printable
from dev_analytics.views.markup import escape, head, view
from dev_analytics.views.report.overview import overview
from dev_analytics.views.report.tables import Table
from dev_analytics.views.report.tally import Tally

MADE_BY: Final = '<!doctype html>\n<html lang="en" data-made-by="dev-analytics report">'
"""How every page of a report begins."""

_MAX_ROWS: Final = 20
_NARROW: Final = 4
"""How many columns a table may have to be beside another one."""
# Repeating the class four times overrides the rules of the other views, and so the notebook's.
_R: Final = ".dev-analytics-report" * 4
_PARTS: Final = f"""\
{_R} .dev-analytics-number {{ font-variant-numeric: tabular-nums; text-align: right }}
{_R} caption {{ clip-path: inset(50%); height: 1px; overflow: hidden; padding: 0;
  position: absolute; white-space: nowrap; width: 1px }}
{_R} dl {{ display: flex; flex-wrap: wrap; gap: 0.4em 2.5em; margin: 0.6em 0 }}
{_R} dl > div {{ display: flex; flex-direction: column }}
{_R} dt, {_R} dd {{ float: none; margin: 0; padding: 0; width: auto }}
{_R} dt {{ font-size: 0.85em; font-weight: normal; opacity: 0.8 }}
{_R} dd {{ font-size: 1.3em; font-variant-numeric: tabular-nums }}
{_R} tbody th {{ font-weight: normal }}
{_R} th, {_R} td {{ overflow-wrap: normal; padding-right: 1.1em; white-space: nowrap }}
{_R} tr > :last-child {{ padding-right: 0 }}
{_R} .dev-analytics-parts {{ display: grid; gap: 1.8em 3em; margin-top: 1.4em;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24em), 1fr)) }}
{_R} section {{ min-width: 0 }}
{_R} .dev-analytics-broad {{ grid-column: 1 / -1 }}
{_R} figure {{ margin: 0.3em 0; max-width: 45em }}
{_R} svg {{ display: block; height: auto; stroke-linecap: butt; stroke-linejoin: round;
  width: 100% }}
{_R} .dev-analytics-title {{ font-size: 1.1em; font-weight: 600 }}
{_R} .dev-analytics-scrolled {{ overflow-x: auto; position: relative }}
"""
_PAGE: Final = """\
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --line: #d0d0d0 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #141414; --line: #444 }
}
body { background: var(--paper); color: var(--ink); font: 100%/1.5 system-ui, sans-serif;
  margin: 0 auto; max-width: 60em; padding: 1em 1.5em 3em }
h1 { font-size: 1.5em; line-height: 1.2; margin: 0.6em 0 0 }
h2 { font-size: 1.15em; line-height: 1.2; margin: 0 }
p { margin: 0.2em 0 0.4em }
section { border-top: 2px solid var(--line); padding-top: 0.6em }
table { border-collapse: collapse }
th, td { border-top: 1px solid var(--line); padding: 0.2em 1.5em 0.2em 0; text-align: left;
  vertical-align: top }
thead th { border-top: 0; font-size: 0.9em }
tr > :last-child { padding-right: 0 }
summary { cursor: pointer }
footer { font-size: 0.9em; margin-top: 2em; opacity: 0.8 }
@media print { body { max-width: none } section { break-inside: avoid } }
"""


def report_html(
    counted: Tally, parts: Sequence[Table], figures: Mapping[str, str], note: str = ""
) -> str:
    """Return the report for a notebook.

    Parameters
    ----------
    counted, parts
        The counts, and the tables made from them.
    figures
        The SVG of each part that has one, by the part's name.
    note
        A further remark, on one line.
    """
    body = _body(counted, parts, figures, note, "p")
    return view([f'<style>\n{_PARTS}</style><div class="dev-analytics-report">', *body, "</div>"])


def page(counted: Tally, parts: Sequence[Table], figures: Mapping[str, str], note: str = "") -> str:
    """Return the report as a whole page: one file, no script, nothing external."""
    return "\n".join(
        [
            head(MADE_BY, f"Report: {printable(counted.source.name)}", _PAGE + _PARTS),
            f'<body class="dev-analytics-report"><main><h1>What {_escaped(counted.source.name)} '
            "tells</h1>",
            *_body(counted, parts, figures, note, "h2"),
            f"</main><footer>Made by dev-analytics {__version__}. All times are UTC.</footer>",
            "</body></html>\n",
        ]
    )


def _body(
    counted: Tally, parts: Sequence[Table], figures: Mapping[str, str], note: str, title: str
) -> Iterator[str]:
    yield f"<p>{_escaped(str(counted.source))}</p><dl>"
    for label, text in overview(counted).items():
        yield f"<div><dt>{escape(label)}</dt><dd>{escape(text)}</dd></div>"
    yield "</dl>"
    if not counted.records:
        yield "<p>There are no records to count.</p>"
    if note:
        yield f"<p>{escape(note)}</p>"
    yield '<div class="dev-analytics-parts">'
    for part in parts:
        yield from _part(part, figures.get(part.name, ""), title)
    yield "</div>"


def _part(part: Table, figure: str, title: str) -> Iterator[str]:
    """Return a part: its finding, its figure, and its table."""
    broad = ' class="dev-analytics-broad"' if figure or len(part.columns) > _NARROW else ""
    titled = ' class="dev-analytics-title"' if title == "p" else ""
    yield f"<section{broad}><{title}{titled}>{escape(part.title)}</{title}>"
    yield f"<p>{escape(part.finding)}.</p>"
    if figure:
        yield f"<figure>{figure}</figure>"
    opened = f"<details><summary>{escape(part.title)} as a table</summary>"
    folded = figure and part.ordered
    yield f"{opened if folded else ''}{_table(part)}{'</details>' if folded else ''}</section>"


def _table(part: Table) -> str:
    """Return a table; of many rows only the largest or the newest."""
    rows = part.rows[-_MAX_ROWS:] if part.ordered else part.rows[:_MAX_ROWS]
    numbers = [isinstance(value, int) for value in rows[0]]
    heads = "".join(
        f'<th scope="col"{_NUMBER if number else ""}>{escape(head)}</th>'
        for head, number in zip(part.columns.values(), numbers, strict=True)
    )
    label = escape(part.title)
    made = [
        f'<div class="dev-analytics-scrolled" role="region" tabindex="0" aria-label="{label}">',
        f"<table><caption>{label}</caption><thead><tr>{heads}</tr></thead><tbody>",
    ]
    for first, *others in rows:
        cells = "".join(
            f"<td{_NUMBER}>{value:,}</td>"
            if isinstance(value, int)
            else f"<td>{escape(value)}</td>"
            for value in others
        )
        made.append(f'<tr><th scope="row">{escape(str(first))}</th>{cells}</tr>')
    made.append("</tbody></table></div>")
    if more := len(part.rows) - len(rows):
        made.append(f"<p>{more:,} {'earlier' if part.ordered else 'more'} rows are not shown.</p>")
    return "\n".join(made)


def _escaped(text: str) -> str:
    return escape(printable(text))


_NUMBER: Final = ' class="dev-analytics-number"'
