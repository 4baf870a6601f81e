"""The rows of the comparison: what is measured, how often, and how one place is measured once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from measure import Hosts, arrived, place
from rivals import LIBRARIES, NOTHING

PARALLEL: Final = 4
QUICK_ROUNDS, QUICK_MS = 5, 500.0

Found = dict[str, list[float]]
Measure = Callable[[Hosts, str], Found]


class Row(NamedTuple):
    """A line of a table.

    Attributes
    ----------
    title, unit
        In words.
    digits
        Decimals that are shown.
    above
        It is counted from what the process without any library takes.
    of
        How many there are at most, where more is better; 0 where less is.
    who
        Whom it makes sense for, beside dev_analytics.
    otherwise
        What is said of the others.
    """

    title: str
    unit: str
    digits: int = 1
    above: bool = False
    of: int = 0
    who: frozenset[str] = frozenset(LIBRARIES)
    otherwise: str = ""


DELIVERS: Final = frozenset(name for name, about in LIBRARIES.items() if about.delivers)
MODELS: Final = frozenset(name for name, about in LIBRARIES.items() if about.models)
DECLARES: Final = frozenset(name for name, about in LIBRARIES.items() if about.declares)

ROWS: Final = {
    "load_kernel": Row("loading adds to a kernel", "ms", above=True),
    "first_kernel": Row("loading and the first event add to a kernel", "ms", above=True),
    "first_python": Row("loading and the first event add to a new Python", "ms", above=True),
    "event_in_row": Row("one event, right after another", "µs"),
    "event_rested": Row("one event, after a pause", "µs", digits=0),
    "cell_in_row": Row("one cell, right after another, takes longer by", "µs", digits=0),
    "cell_rested": Row("one cell, after a pause, takes longer by", "µs", digits=0),
    "model_in_row": Row(
        "a call to a model, right after another, takes longer by",
        *("µs", 0),
        who=MODELS,
        otherwise="has none",
    ),
    "model_rested": Row(
        "a call to a model, after a pause, takes longer by",
        *("µs", 0),
        who=MODELS,
        otherwise="has none",
    ),
    "exit_refusing": Row(
        "exit with 100 events waiting, the host refuses",
        *("ms", 0),
        above=True,
        who=DELIVERS,
        otherwise="sends nothing",
    ),
    "exit_silent": Row(
        "exit with 100 events waiting, the host never answers",
        *("ms", 0),
        above=True,
        who=DELIVERS,
        otherwise="sends nothing",
    ),
    "kill": Row("events kept of 1,000 after `kill -9`", "", digits=0, of=1000),
    "fork_hard": Row("events kept of 100 in a forked child, `os._exit`", "", digits=0, of=100),
    "fork_normal": Row("events kept of 100 in a forked child, normal exit", "", digits=0, of=100),
    "memory": Row("loading and 10,000 events add to the memory", "MiB"),
    "backlog_10": Row("one event, dead host, 10 waiting", "µs"),
    "backlog_10000": Row("one event, dead host, 10,000 waiting", "µs"),
    "backlog_100000": Row("one event, dead host, 100,000 waiting", "µs"),
    "processes_1": Row("one event, 1 process", "µs"),
    "processes_4": Row("one event, 4 processes at once", "µs"),
    "declared_10": Row(
        "one event, 10 kinds declared", "µs", who=DECLARES, otherwise="declares nothing"
    ),
    "declared_1000": Row(
        "one event, 1,000 kinds declared", "µs", who=DECLARES, otherwise="declares nothing"
    ),
}


class Task(NamedTuple):
    """Something that is done in each round and fills one row or more.

    Attributes
    ----------
    rows
        The rows that it fills.
    rounds
        How often.
    measure
        Does it once for a library.
    """

    rows: tuple[str, ...]
    rounds: int
    measure: Measure

    def concerns(self, library: str) -> bool:
        """Return whether it makes sense for `library`."""
        rows = [ROWS[row] for row in self.rows]
        return any(library in row.who or (library == NOTHING and row.above) for row in rows)


def in_kernel(hosts: Hosts, library: str) -> Found:
    with place(library) as where:
        load, first = where.load_in_kernel(hosts.good)
        return {"load_kernel": [load], "first_kernel": [first]}


def program(name: str, *more: str, host: str = "good") -> Measure:
    """Measure with a program of the driver alone."""

    def measure(hosts: Hosts, library: str) -> Found:
        with place(library, 10 if host == "good" else 0) as where:
            return where.run(name, getattr(hosts, host), *more).found

    return measure


def exit_with(host: str) -> Measure:
    """Measure the exit with a dead host."""

    def measure(hosts: Hosts, library: str) -> Found:
        taken: list[float] = []
        # What is quick varies by as much as it takes: it is done more often.
        while len(taken) < QUICK_ROUNDS and max(taken, default=0.0) < QUICK_MS:
            with place(library, 0) as where:
                ended = where.run("exit", getattr(hosts, host))
                taken.append((ended.at - ended.found["ended"][0]) * 1000)
        return {f"exit_{host}": taken}

    return measure


def killed(hosts: Hosts, library: str) -> Found:
    hosts.forget()
    with place(library) as where:
        where.wait(where.start("kill", hosts.good), killed=True)
        if LIBRARIES[library].delivers:
            where.run("restart", hosts.good)
        return {"kill": [arrived(hosts, where)]}


def forked(row: str) -> Measure:
    """Count the events of a child; the parent's one is not counted."""

    def measure(hosts: Hosts, library: str) -> Found:
        hosts.forget()
        with place(library) as where:
            where.run("fork", hosts.good, "--row", row)
            if library == "glean":
                where.run("restart", hosts.good)  # what is left over leaves at the next start
            return {row: [arrived(hosts, where) - 1]}

    return measure


def beside_each_other(number: int) -> Measure:
    """Measure `number` processes at once; they share a home, as kernels of one user do."""

    def measure(hosts: Hosts, library: str) -> Found:
        row = f"processes_{number}"
        with place(library) as where:
            at = str(time.monotonic() + 2 + number)
            more = ("--row", row, "--chunks", "40", "--at", at)
            started = [
                where.start("event", hosts.good, *more, result=f"{one}.json")
                for one in range(number)
            ]
            ended = [where.wait(process, f"{one}.json") for one, process in enumerate(started)]
            return {row: [taken for one in ended for taken in one.found[row]]}

    return measure


TASKS: Final[Sequence[Task]] = (
    Task(("load_kernel", "first_kernel"), 4, in_kernel),
    Task(("first_python",), 5, program("load")),
    Task(("event_in_row", "event_rested"), 4, program("event")),
    Task(("cell_in_row", "cell_rested"), 2, program("cell")),
    Task(("model_in_row", "model_rested"), 2, program("model")),
    Task(("exit_refusing",), 2, exit_with("refusing")),
    Task(("exit_silent",), 2, exit_with("silent")),
    Task(("kill",), 1, killed),
    Task(("fork_hard",), 1, forked("fork_hard")),
    Task(("fork_normal",), 1, forked("fork_normal")),
    Task(("memory",), 2, program("memory")),
    Task(("backlog_10", "backlog_10000", "backlog_100000"), 1, program("backlog", host="refusing")),
    Task(("processes_1",), 1, beside_each_other(1)),
    Task(("processes_4",), 1, beside_each_other(PARALLEL)),
    Task(("declared_10",), 2, program("declared", "--declared", "10")),
    Task(("declared_1000",), 2, program("declared", "--declared", "1000")),
)
