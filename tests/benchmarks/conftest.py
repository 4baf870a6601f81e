"""The figures of the benchmarks: each beside its aim, in one table at the end of the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import quantiles
from typing import Any, NamedTuple

import pytest


class Figure(NamedTuple):
    """What one benchmark found."""

    what: str
    found: str
    reference: str
    aim: str


FIGURES = pytest.StashKey[list[Figure]]()


class Pair(NamedTuple):
    """Two things measured in turns: the µs of one call of each, in a round of the quicker ones."""

    first: float
    second: float

    @property
    def ratio(self) -> float:
        """How many times the second the first takes."""
        return self.first / self.second

    @property
    def more(self) -> float:
        """How many µs more than the second the first takes."""
        return self.first - self.second


@pytest.fixture
def figure(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Add a figure to the table at the end: what, found, reference, aim."""
    figures = pytestconfig.stash.setdefault(FIGURES, [])
    return lambda *texts: figures.append(Figure(*texts))


@pytest.fixture
def in_turns() -> Callable[..., Pair]:
    """Measure two functions in turns, so that a noisy machine is noisy for both."""
    return measure_in_turns


def measure_in_turns(
    first: Callable[[], Any], second: Callable[[], Any], *, rounds: int, loops: int = 1
) -> Pair:
    for _ in range(3 * loops):
        first()
        second()
    taken: dict[Callable[[], Any], list[float]] = {first: [], second: []}
    for number in range(rounds):
        for function in (first, second) if number % 2 else (second, first):
            taken[function].append(spent(function, loops))
    return Pair(*(quantiles(times, n=4)[0] for times in taken.values()))


def spent(function: Callable[[], Any], loops: int) -> float:
    """Return the µs of one call."""
    begin = time.perf_counter()
    for _ in range(loops):
        function()
    return (time.perf_counter() - begin) / loops * 1e6


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table."""
    if figures := config.stash.get(FIGURES, []):
        rows = [Figure("cost", "found", "reference", "aim"), *figures]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        terminalreporter.section("what the extension costs")
        for row in rows:
            line = "  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True))
            terminalreporter.write_line(line.rstrip())
