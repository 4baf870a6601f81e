"""The public page as HTML: one file, no script, nothing from elsewhere, light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from dev_analytics.maintainer.anonymous import MIN_USERS, Cell
from dev_analytics.maintainer.published import SUBJECTS, PublishedWeek, Subject
from dev_analytics.version import __version__
from dev_analytics.views.markup import escape

MADE_BY: Final = '<!doctype html>\n<html lang="en" data-made-by="dev-analytics publish">'
"""How every page begins."""

MAX_ROWS: Final = 25
MAX_COLUMNS: Final = 12
_WIDTH: Final = 160
_HEIGHT: Final = 26
_STYLE: Final = """\
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --line: #d0d0d0; --bar: #3a78b5;
  --soft: #595959; --note: #fff3d6 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #141414; --line: #444; --bar: #5b9bd5; --soft: #a8a8a8;
    --note: #3a2f10 }
}
body { background: var(--paper); color: var(--ink); font: 100%/1.5 system-ui, sans-serif;
  margin: 0 auto; max-width: 48em; padding: 1em 1.5em 3em }
h1 { font-size: 1.7em; line-height: 1.2; margin: 0.6em 0 0.3em }
h2 { font-size: 1.25em; line-height: 1.2; margin: 0 0 0.2em }
p, ul { margin: 0.3em 0 0.7em }
ul { padding-left: 1.2em }
section { border-top: 2px solid var(--line); margin-top: 1.8em; padding-top: 0.8em }
.note { background: var(--note); border-radius: 0.3em; font-weight: 600; padding: 0.5em 0.8em }
.soft { color: var(--soft) }
.scrolled { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { border-top: 1px solid var(--line); padding: 0.25em 1.2em 0.25em 0; text-align: left;
  white-space: nowrap }
thead td { border-top: 0 }
thead th { border-top: 0; color: var(--soft); font-size: 0.9em; font-weight: 600 }
tbody th { font-weight: normal }
.number { text-align: right }
.newest { width: 100% }
.newest .bar { width: 40% }
svg { display: block; max-width: 100% }
svg rect { fill: var(--bar) }
summary { cursor: pointer; margin: 0.6em 0 }
footer { border-top: 1px solid var(--line); color: var(--soft); font-size: 0.9em; margin-top: 2.5em;
  padding-top: 0.6em }
@media (max-width: 40em) { .weeks { display: none } th, td { padding-right: 0.7em } }
@media print { body { max-width: none } }
"""
RULES: Final = (
    "Every number is a number of random identifiers, never of what somebody did, and stands for "
    f"at least {MIN_USERS}: it is rounded down to a multiple of {MIN_USERS}, from 1,000 on to two "
    "digits.",
    f"What fewer than {MIN_USERS} used is counted together as “other”, which has no line where "
    "these are too few too, or nobody. Where the others would tell that there must be somebody in "
    "it, the smallest of them is counted with it.",
    "So the difference of any two numbers, of whatever tables and weeks, is none or at least "
    f"{MIN_USERS}.",
    "Each week from Monday to Sunday (UTC) is counted by itself, once it has ended, and never "
    "added to others. A table has a week and a word, and nothing else beside them.",
    "A week is counted once. It stays as it was published, or not published, whatever arrives late "
    "or is deleted: no number moves by the one user who came or went.",
    "Every word is one of the lists that the package ships. There are no identifiers, no texts of "
    "anybody and no times finer than a week.",
    "Who asked to be forgotten is in none of the weeks that are counted afterwards.",
)
"""The rules that the page says of itself."""


def page(published: Sequence[PublishedWeek], note: str = "") -> str:
    """Return the page.

    Parameters
    ----------
    published
        What may be published, the oldest week first.
    note
        What else is to be said on top, in one line.
    """
    return "\n".join([*_head(), *_body(published, note), "</body></html>\n"])


def _head() -> Iterator[str]:
    yield f'{MADE_BY}<head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width">'
    yield (
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    )
    yield f"<title>What users of dev share</title><style>\n{_STYLE}</style></head><body><main>"


def _body(published: Sequence[PublishedWeek], note: str) -> Iterator[str]:
    yield "<h1>What users of dev share, and what for</h1>"
    if note:
        yield f'<p class="note">{escape(note)}</p>'
    yield (
        "<p>Some people who use dev have agreed that it records which models, edit formats and "
        "features they use and which errors they meet: anonymously, and never what they write. "
        "This page is what comes of it, for them and for everybody. It decides what is worked on "
        "next.</p>"
    )
    if not published:
        yield f"<p>No week has {MIN_USERS} users or more yet, so nothing can be shown.</p>"
    else:
        newest = published[-1]
        yield (
            f"<p>The newest week began on {newest.monday}; at least {newest.users:,} users took "
            "part.</p>"
        )
        numbers = [week.users for week in published]
        yield _picture(numbers, f"Users in each week since {published[0].monday}, at least", 3)
        yield f'<p class="soft">Users in each week since {published[0].monday}.</p>'
        for subject in SUBJECTS:
            yield from _section(subject, published)
    yield f"<section><h2>Why nobody can be found here</h2><ul>{''.join(_rules())}</ul>"
    yield (
        "<p>One thing it cannot prevent. Whoever sends records of many made-up users before a week "
        "is counted can push a number over its step: they then learn that something had a "
        f"{MIN_USERS}th user, but not who it was.</p>"
        "</section></main>"
    )
    yield (
        f"<footer>Made by dev-analytics {__version__}. The same numbers as JSON: "
        '<a href="analytics.json">analytics.json</a>. To take part, to stop or to be forgotten: '
        "<code>%dev_analytics</code> says how.</footer>"
    )


def _rules() -> Iterator[str]:
    for rule in RULES:
        yield f"<li>{escape(rule)}</li>"


def _section(subject: Subject, published: Sequence[PublishedWeek]) -> Iterator[str]:
    """Return a subject: the newest week's numbers, each beside those of the weeks before."""
    newest: Sequence[Cell] = published[-1].subjects[subject.name]
    yield f"<section><h2>{subject.title}</h2><p>{escape(subject.why)}</p>"
    if not newest:
        yield f"<p>Fewer than {MIN_USERS} users in the newest week.</p>"
    else:
        most = max(cell.users for cell in newest)
        shown = newest if len(newest) <= MAX_ROWS else [*newest[: MAX_ROWS - 1], newest[-1]]
        yield (
            '<div class="scrolled"><table class="newest"><thead><tr>'
            f'<th scope="col">{subject.title}</th>'
            '<th scope="col" class="number">users, at least</th><td></td>'
            '<th scope="col" class="weeks">week by week</th></tr></thead><tbody>'
        )
        for cell in shown:
            course = [_users(week.subjects[subject.name], cell.name) for week in published]
            drawn = _picture(course, f"{cell.name}: users in each week")
            yield (
                f'<tr><th scope="row">{escape(cell.name)}</th>'
                f'<td class="number">{cell.users:,}</td>'
                f'<td class="bar">{_bar(cell.users, most)}</td>'
                f'<td class="weeks">{drawn}</td></tr>'
            )
        yield "</tbody></table></div>"
        if len(newest) > len(shown):
            yield f"<p>{len(newest) - len(shown):,} more are in the JSON.</p>"
    yield from _all_weeks(subject, published[: -MAX_COLUMNS - 1 : -1])
    yield "</section>"


def _all_weeks(subject: Subject, weeks: Sequence[PublishedWeek]) -> Iterator[str]:
    """Return the numbers of weeks as a table, the newest week first: there the screen may end."""
    names = {cell.name: None for week in weeks for cell in week.subjects[subject.name]}
    if not names:
        return
    yield f"<details><summary>{subject.title} as a table of the newest weeks</summary>"
    heads = "".join(f'<th scope="col" class="number">{week.monday}</th>' for week in weeks)
    yield f'<div class="scrolled"><table><thead><tr><th scope="col">{subject.title}</th>{heads}'
    yield "</tr></thead><tbody>"
    for name in names:
        numbers = [_users(week.subjects[subject.name], name) for week in weeks]
        columns = "".join(f'<td class="number">{n:,}</td>' if n else "<td></td>" for n in numbers)
        yield f'<tr><th scope="row">{escape(name)}</th>{columns}</tr>'
    yield "</tbody></table></div></details>"


def _users(numbers: Sequence[Cell], name: str) -> int:
    return next((cell.users for cell in numbers if cell.name == name), 0)


def _bar(users: int, most: int) -> str:
    """Draw a number that stands beside its bar already."""
    return (
        '<svg aria-hidden="true" width="100%" height="12">'
        f'<rect width="{100 * users / most:.1f}%" height="12" rx="2"/></svg>'
    )


def _picture(numbers: Sequence[int], label: str, scale: int = 1) -> str:
    """Draw numbers of weeks as columns; a week of which nothing is published has none."""
    said = ", ".join(f"{number:,}" if number else "not shown" for number in numbers)
    most = max(numbers) or 1
    height = _HEIGHT * scale
    wide = _WIDTH / max(len(numbers), 8)
    columns = "".join(
        f'<rect x="{place * wide:.1f}" y="{height - height * number / most:.1f}" '
        f'width="{0.8 * wide:.1f}" height="{height * number / most:.1f}"/>'
        for place, number in enumerate(numbers)
        if number
    )
    return (
        f'<svg role="img" aria-label="{escape(f"{label}: {said}.")}" '
        f'width="{_WIDTH * scale}" height="{height}" viewBox="0 0 {_WIDTH} {height}" '
        f'preserveAspectRatio="none">{columns}</svg>'
    )
