"""Makes ``docs/benchmarks.md`` of the figures of one run."""

from __future__ import annotations

from typing import Any, Final

from reasons import REASONS
from rivals import LIBRARIES
from rows import ROWS

OWN: Final = "dev_analytics"
YARDSTICKS: Final = ("bare", "stdlib_logging")
NO_REASON: Final = "**nobody has written why yet**"

TABLES: Final = {
    "What it costs": (
        *("load_kernel", "first_kernel", "first_python"),
        *("event", "cell", "model", "memory"),
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
        "![Load, one event, one cell and exit: the median of each library, on a logarithmic scale]"
        "(images/benchmarks.svg)",
        "Each field has up to three lines:",
        "1. the median\n"
        "2. the first and the third quartile, if it was measured more than once\n"
        "3. how many times that of dev_analytics it is",
        "Load, cells, calls, exit and memory are told as the difference from the same process "
        "without any library.",
    ]
    for title, rows in TABLES.items():
        parts += [f"## {title}", table(rows, figures)]
    parts += [
        "## Where dev_analytics is behind",
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
    """Return one table."""
    lines = [
        f"| | {' | '.join(about.title for about in LIBRARIES.values())} |",
        "|---" * (len(LIBRARIES) + 1) + "|",
    ]
    for row in rows:
        fields = [field(row, library, figures) for library in LIBRARIES]
        lines.append(f"| {ROWS[row].title} | {' | '.join(fields)} |")
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


def ahead(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the rows and libraries whose figures are better than those of dev_analytics.

    Where the quartiles overlap, or the difference is below what is shown, nobody is ahead.
    """
    found = []
    for row, figures in content["figures"].items():
        own = figures[OWN]
        for library, other in figures.items():
            if (
                library == OWN
                or library in YARDSTICKS
                or not {"median"} <= own.keys() & other.keys()
            ):
                continue
            about = ROWS[row]
            better = (
                own["low"] > other["high"] and own["median"] - other["median"] >= 10**-about.digits
            )
            # More than there were is no better: some came twice.
            kept, own_kept = (min(one["median"], about.of) for one in (other, own))
            if kept > own_kept if about.of else better:
                found.append((row, library))
    return found


def unexplained(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Return those of `ahead` that nobody has explained."""
    return [each for each in ahead(content) if each not in REASONS]


def behind(content: dict[str, Any]) -> str:
    """Return the table of what is ahead of dev_analytics, and why."""
    lines = ["| in | ahead | by how much | why |", "|---|---|---|---|"]
    for row, library in ahead(content):
        figures, about = content["figures"][row], ROWS[row]
        own, other = (_number(figures[one]["median"], about.digits) for one in (OWN, library))
        why = REASONS.get((row, library), NO_REASON)
        lines.append(
            f"| {about.title} | {LIBRARIES[library].title} | "
            f"{other} against {own} {about.unit}".strip()
            + f" | {why} |"
        )
    if len(lines) == 2:
        return "In no row."
    return "\n".join(lines)


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
