"""Makes ``docs/benchmarks.md`` of the figures of one run."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from reasons import REASONS
from rivals import LIBRARIES
from rows import ROWS

OWN: Final = "dev_analytics"
YARDSTICKS: Final = ("bare", "stdlib_logging")
NO_REASON: Final = "**nobody has written why yet**"
NO_DIFFERENCE: Final = "The difference is within what differs from one time to the next."

TABLES: Final = {
    "What it costs": (
        *("load_kernel", "first_kernel", "first_python"),
        *("event_in_row", "event_rested", "cell_in_row", "cell_rested"),
        *("model_in_row", "model_rested", "memory"),
    ),
    "How it ends": ("exit_refusing", "exit_silent"),
    "What is kept": ("kill", "fork_hard", "fork_normal"),
    "How it grows": (
        *("backlog_10", "backlog_10000", "backlog_100000"),
        *("processes_1", "processes_4", "declared_10", "declared_1000"),
    ),
}
"""Every row, in the tables where it stands."""


def document(content: dict[str, Any]) -> str:
    """Return the whole page."""
    figures, machine = content["figures"], content["machine"]
    parts = [
        "# Benchmarks",
        "What does dev_analytics cost, compared with other libraries?",
        "The others are what the maker of a tool would choose instead, each in its release on "
        "PyPI. Two yardsticks stand beside them: the bare write of the same bytes, and `logging` "
        "to a file. The yardsticks ask nobody and send nothing.",
        "![Load, exit, events and cells: the median of each library, on a logarithmic scale]"
        "(images/benchmarks.svg)",
        "The bars are on a logarithmic scale: one that is a little longer stands for far more.",
        "Each field has up to three lines:",
        "1. the median\n"
        "2. the first and the third quartile, if it was measured more than once\n"
        "3. how many times that of dev_analytics it is",
        "Load, cells, calls, exit and memory are told as the difference from the same process "
        "without any library. A pause is one of 10 ms, after which the processor's caches hold "
        "other things, as they do when a user runs a cell. Rows that do not say it are of events "
        "right after one another.",
    ]
    for title, rows in TABLES.items():
        parts += [f"## {title}", table(rows, figures)]
    parts += [
        "## Where dev_analytics is behind",
        "These have a better median. The yardsticks, which are quicker in most rows, are left out.",
        behind(content),
        "## How it was measured",
        f"`make bench` made this page on {content['day']}, in one run of {content['minutes']} "
        "minutes. Run it again to make the page of your machine. This one has:",
        f"- {machine['cores']} cores, {machine['memory']} GiB of memory\n"
        f"- {machine['system']}, {machine['kernel']}, Python {machine['python']}\n"
        f"- load average {machine['load']} at the beginning",
        "Servers and libraries are processes of their own, and nothing leaves the machine. The "
        "libraries take turns in every row.",
        setups(content),
    ]
    return "\n\n".join(parts) + "\n"


def table(rows: tuple[str, ...], figures: dict[str, Any]) -> str:
    """Return one table, with a line for each library: there are more of them than of `rows`."""
    lines = [
        f"| | {' | '.join(ROWS[row].title for row in rows)} |",
        "|---" * (len(rows) + 1) + "|",
    ]
    for library, about in LIBRARIES.items():
        fields = [field(row, library, figures) for row in rows]
        lines.append(f"| {about.title} | {' | '.join(fields)} |")
    return "\n".join(lines)


def field(row: str, library: str, figures: dict[str, Any]) -> str:
    """Return one field: median, spread, ratio; or words."""
    found, own = figures[row][library], figures[row][OWN]
    if "median" not in found:
        return str(found["words"] if "words" in found else f"failed: {found['failed']}")
    about = ROWS[row]
    lines = [f"{_number(found['median'], about.digits)} {about.unit}".strip()]
    if found["number"] > 1:
        low, high = (_number(found[name], about.digits) for name in ("low", "high"))
        lines.append(f"{low} to {high}")
    if about.of and found["median"] > about.of:
        lines.append("some of them twice")
    if library != OWN and own.get("median", 0) > 0 and found["median"] >= 0:
        lines.append("" if about.of else f"{_times(found['median'] / own['median'])}x")
    return "<br>".join(filter(None, lines))


class Lead(NamedTuple):
    """A row in which a library's median is better than that of dev_analytics.

    Attributes
    ----------
    row, library
        Which ones.
    certain
        The quartiles do not overlap.
    """

    row: str
    library: str
    certain: bool


def leads(content: dict[str, Any]) -> list[Lead]:
    """Return where others are ahead, by as much as is shown at least."""
    found = []
    for row, figures in content["figures"].items():
        own, about = figures[OWN], ROWS[row]
        for library, other in figures.items():
            if (
                library == OWN
                or library in YARDSTICKS
                or not {"median"} <= own.keys() & other.keys()
            ):
                continue
            # More than there were is no better: some came twice.
            kept, own_kept = (min(one["median"], about.of) for one in (other, own))
            better = own["median"] - other["median"] >= 10**-about.digits
            if kept > own_kept if about.of else better:
                found.append(Lead(row, library, bool(about.of) or own["low"] > other["high"]))
    return found


def unexplained(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Return where others are certainly ahead and nobody has written why."""
    found = [(lead.row, lead.library) for lead in leads(content) if lead.certain]
    return [each for each in found if each not in REASONS]


def behind(content: dict[str, Any]) -> str:
    """Return the table of what is ahead of dev_analytics, and why."""
    found: dict[tuple[str, str], list[str]] = {}
    for row, library, certain in leads(content):
        figures, about = content["figures"][row], ROWS[row]
        own, other = (_number(figures[one]["median"], about.digits) for one in (OWN, library))
        much = f"{about.title}: {other} against {own} {about.unit}".strip()
        why = REASONS.get((row, library), NO_REASON if certain else NO_DIFFERENCE)
        rows = found.setdefault((LIBRARIES[library].title, why), [])
        rows.append(much if certain else f"{much} (the quartiles overlap)")
    lines = [f"| {title} | {'<br>'.join(rows)} | {why} |" for (title, why), rows in found.items()]
    return "\n".join(["| ahead | in | why |", "|---|---|---|", *lines]) if lines else "In no row."


def setups(content: dict[str, Any]) -> str:
    """Return the versions, and how each library was set up."""
    lines = ["| library | version | how it is set up |", "|---|---|---|"]
    for library, about in LIBRARIES.items():
        lines.append(f"| {about.title} | {content['versions'].get(library, '')} | {about.how} |")
    return "\n".join(lines)


def _times(ratio: float) -> str:
    """Return two significant digits, without an exponent."""
    return f"{float(f'{ratio:.2g}'):,g}"


def _number(value: float, digits: int) -> str:
    return f"{value:z,.{digits}f}"
