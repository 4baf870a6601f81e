"""The key figures of a report: each is shown where there is something to say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from dev_analytics.views.report.forgotten import Forgotten
from dev_analytics.views.report.overview import overview
from dev_analytics.views.report.tables import tables
from dev_analytics.views.report.tally import Tally

Count = Callable[..., Tally]
Record = Callable[..., bytes]


def test_an_empty_log_has_no_more_than_three_figures(counted: Count) -> None:
    assert overview(counted()) == {"records": "0", "sessions": "0", "users": "0"}


def test_everything_that_is_missing_or_left_out_has_a_figure(
    counted: Count, record: Record, tmp_path: Path
) -> None:
    forgotten = Forgotten(tmp_path / "list")
    forgotten.add("gone")
    log = counted(
        record("launched", seq=1),
        record("launched", seq=4),
        record("launched", user="gone"),
        record("launched", **{"$lib": "web"}),
        record("launched", time="2020-01-01T00:00:00Z"),
        b"{torn\n",
        since=datetime(2021, 1, 1, tzinfo=UTC),
        forgotten=forgotten,
    )
    figures = overview(log)
    del figures["from"], figures["to"]
    assert figures == {
        "records": "2",
        "sessions": "1",
        "users": "1",
        "missing": "2",
        "broken lines": "1",
        "forgotten": "1 record of users who asked to be forgotten left out",
        "others": "1 record of other libraries left out",
        "since": "2021-01-01 00:00 UTC; 1 older record left out",
    }


def test_days_without_a_record_are_left_out_of_a_log_of_years(
    counted: Count, record: Record
) -> None:
    times = ("2020-01-01T00:00:00Z", "2020-01-03T00:00:00Z", "2026-01-01T00:00:00Z")
    (activity,) = [
        part
        for part in tables(counted(*(record("launched", time=each) for each in times)), {})
        if part.name == "activity"
    ]
    assert [row[0] for row in activity.rows] == ["2020-01-01", "2020-01-03", "2026-01-01"]
