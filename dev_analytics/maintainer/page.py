"""The public page as HTML: one file without scripts or external resources, light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from dev_analytics import __version__
from dev_analytics.maintainer.anonymous import MIN_USERS, Cell
from dev_analytics.maintainer.published import SUBJECTS, PublishedWeek, Subject
from dev_analytics.views.markup import escape, head

MADE_BY: Final = '<!doctype html>\n<html lang="en" data-made-by="dev-analytics publish">'
"""The beginning of every page."""

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
    "Every number counts random identifiers, one for each user, and never what somebody did. It is "
    f"rounded down to a multiple of {MIN_USERS} (from 1,000 on, to two digits), so it stands for "
    f"at least {MIN_USERS} users.",
    f"Whatever fewer than {MIN_USERS} users used is counted together as “other”. That line is left "
    "out if it is too small itself, or empty. If the remaining lines would show that somebody must "
    "be in it, the smallest of them is counted with it.",
    "So the difference between any two numbers, in any tables and weeks, is zero or at least "
    f"{MIN_USERS}.",
    "Each week, from Monday to Sunday (UTC), is counted separately once it has ended, and weeks "
    "are never added up. A table has one number for each word and week, and no further breakdown.",
    "A week is counted once. It stays as it was published, or unpublished, whatever arrives late "
    "or is deleted: no number changes because one user came or went.",
    "Every word is from a list that the package ships. There are no identifiers, no text that "
    "anybody wrote and no times finer than a week.",
    "Users who asked to be forgotten are left out of every week that is counted afterwards.",
)
"""The rules as the page states them."""


def page(published: Sequence[PublishedWeek], note: str = "") -> str:
    """Return the page with these weeks, the oldest first, and a note at the top."""
    made = head(MADE_BY, "What users of dev share", _STYLE)
    return "\n".join([f"{made}<body><main>", *_body(published, note), "</body></html>\n"])


def _body(published: Sequence[PublishedWeek], note: str) -> Iterator[str]:
    yield "<h1>What users of dev share, and why</h1>"
    if note:
        yield f'<p class="note">{escape(note)}</p>'
    yield (
        "<p>Some users of dev have agreed that it records which models, edit formats and features "
        "they use and which errors they get: anonymously, and never what they write. This page "
        "shows everybody the result, which decides what is worked on next.</p>"
    )
    if not published:
        yield f"<p>No week has had {MIN_USERS} users yet, so nothing can be shown.</p>"
    else:
        newest = published[-1]
        yield (
            f"<p>The latest week began on {newest.monday}; at least {newest.users:,} users took "
            "part.</p>"
        )
        numbers = [week.users for week in published]
        yield _picture(numbers, f"Users in each week since {published[0].monday}, at least", 3)
        yield f'<p class="soft">Users in each week since {published[0].monday}.</p>'
        for subject in SUBJECTS:
            yield from _section(subject, published)
    rules = "".join(f"<li>{escape(rule)}</li>" for rule in RULES)
    yield f"<section><h2>Why nobody can be identified here</h2><ul>{rules}</ul>"
    yield (
        "<p>There is one attack that these rules do not prevent. Somebody who sends records of "
        "many invented users before a week is counted can push a number up to its next step. They "
        f"then learn that something had a {MIN_USERS}th user, but not who that was.</p>"
        "</section></main>"
    )
    yield (
        f"<footer>Made by dev-analytics {__version__}. The same numbers as JSON: "
        '<a href="analytics.json">analytics.json</a>. Run <code>%dev_analytics</code> to see how '
        "to take part, stop, or be forgotten.</footer>"
    )


def _section(subject: Subject, published: Sequence[PublishedWeek]) -> Iterator[str]:
    """Return a subject: the latest week's numbers, each with its course over the weeks."""
    newest: Sequence[Cell] = published[-1].subjects[subject.name]
    yield f"<section><h2>{subject.title}</h2><p>{escape(subject.why)}</p>"
    if not newest:
        yield f"<p>Fewer than {MIN_USERS} users in the latest week.</p>"
    else:
        largest = max(cell.users for cell in newest)
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
                f'<td class="bar">{_bar(cell.users, largest)}</td>'
                f'<td class="weeks">{drawn}</td></tr>'
            )
        yield "</tbody></table></div>"
        if len(newest) > len(shown):
            yield f"<p>The JSON has {len(newest) - len(shown):,} more.</p>"
    yield from _all_weeks(subject, published[: -MAX_COLUMNS - 1 : -1])
    yield "</section>"


def _all_weeks(subject: Subject, weeks: Sequence[PublishedWeek]) -> Iterator[str]:
    """Return the weeks' numbers as a table, the latest first: a small screen shows only that."""
    names = {cell.name: None for week in weeks for cell in week.subjects[subject.name]}
    if not names:
        return
    yield f"<details><summary>{subject.title}: table of the latest weeks</summary>"
    heads = "".join(f'<th scope="col" class="number">{week.monday}</th>' for week in weeks)
    yield f'<div class="scrolled"><table><thead><tr><th scope="col">{subject.title}</th>{heads}'
    yield "</tr></thead><tbody>"
    for name in names:
        numbers = [_users(week.subjects[subject.name], name) for week in weeks]
        columns = "".join(
            f'<td class="number">{number:,}</td>' if number else "<td></td>" for number in numbers
        )
        yield f'<tr><th scope="row">{escape(name)}</th>{columns}</tr>'
    yield "</tbody></table></div></details>"


def _users(numbers: Sequence[Cell], name: str) -> int:
    return next((cell.users for cell in numbers if cell.name == name), 0)


def _bar(users: int, largest: int) -> str:
    """Draw a bar, hidden from screen readers because the number is next to it."""
    return (
        '<svg aria-hidden="true" width="100%" height="12">'
        f'<rect width="{100 * users / largest:.1f}%" height="12" rx="2"/></svg>'
    )


def _picture(numbers: Sequence[int], label: str, scale: int = 1) -> str:
    """Draw the numbers of weeks as columns; a week without a published number has none."""
    spoken = ", ".join(f"{number:,}" if number else "not shown" for number in numbers)
    largest = max(numbers) or 1
    height = _HEIGHT * scale
    wide = _WIDTH / max(len(numbers), 8)
    columns = "".join(
        f'<rect x="{position * wide:.1f}" y="{height - height * number / largest:.1f}" '
        f'width="{0.8 * wide:.1f}" height="{height * number / largest:.1f}"/>'
        for position, number in enumerate(numbers)
        if number
    )
    return (
        f'<svg role="img" aria-label="{escape(f"{label}: {spoken}.")}" '
        f'width="{_WIDTH * scale}" height="{height}" viewBox="0 0 {_WIDTH} {height}" '
        f'preserveAspectRatio="none">{columns}</svg>'
    )
