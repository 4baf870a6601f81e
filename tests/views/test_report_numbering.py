"""Numbers for identifiers, and what they and sessions take of memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from dev_analytics.views.report.activity import MAX_HOURS, Activity
from dev_analytics.views.report.numbering import Numbering
from dev_analytics.views.report.records import CellRecord, ErrorRecord
from dev_analytics.views.report.sessions import Sessions


class Colliding(str):
    """An identifier whose hash shares its low bits with thousands of others."""

    __slots__ = ()

    def __hash__(self) -> int:
        return (int(self) % 5_000 << 40) - (1 << 50)


@pytest.mark.parametrize("made", [str, Colliding])
def test_each_identifier_keeps_its_number(made: Callable[[str], str]) -> None:
    numbers = Numbering()
    names = [made(str(number)) for number in range(3_000)]
    assert [numbers.number(name) for name in names] == list(range(3_000))
    assert [numbers.number(name) for name in reversed(names)] == list(reversed(range(3_000)))
    assert len(numbers) == 3_000


def test_a_session_takes_some_fifty_bytes_at_most() -> None:
    number, at_once = 50_000, 500
    tracemalloc.start()
    try:
        sessions = Sessions()
        for first in range(0, number, at_once):
            sessions.add_all((f"{each:032x}", 1) for each in range(first, first + at_once))
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(sessions) == number
    assert taken / number < 60


@pytest.mark.parametrize("hours", [1, MAX_HOURS - 1, MAX_HOURS, 3 * MAX_HOURS])
@pytest.mark.parametrize("backwards", [False, True])
def test_hours_are_counted_completely_or_not_at_all(hours: int, backwards: bool) -> None:
    begins = datetime(2026, 11, 1, 10, tzinfo=UTC)
    times = [begins + timedelta(hours=each) for each in range(hours + 1)]
    activity = Activity()
    for time in reversed(times) if backwards else times:
        activity.span([time])
        activity.add(CellRecord, [time])
        activity.add(ErrorRecord, [time])
    assert (activity.first, activity.last) == (times[0], times[-1])
    assert {(m.cells, m.errors, m.records) for m in activity.hours().values()} <= {(1, 1, 2)}
    assert len(activity.hours()) == (len(times) if hours < MAX_HOURS else 0)
    assert sum(moment.records for moment in activity.days().values()) == 2 * len(times)
