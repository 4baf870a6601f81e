"""The report as text: aligned, within its terminal, and harmless to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics.views.report.tables import Table, tables
from dev_analytics.views.report.text import text


def shown(found: Any, width: int = 80, dropped: dict[str, int] | None = None) -> str:
    return text(found, tables(found, dropped or {}), width)


def test_a_table_is_aligned_and_its_bars_are_to_scale(
    counted: Callable[..., Any], record: Callable[..., bytes]
) -> None:
    lines = [record("feature used", kind="line magic", name="time")] * 1200
    lines += [record("feature used", kind="shell command", name="git")] * 600
    made = shown(counted(*lines)).splitlines()
    at = made.index("FEATURES")
    assert made[at + 1] == ("1,800 in all, 2 different; most often line magic, time (1,200, 67%).")
    assert made[at + 2 : at + 5] == [
        "kind           feature  count",
        f"line magic     time     1,200  {'█' * 30}",
        f"shell command  git        600  {'█' * 15}",
    ]


def test_activity_is_by_the_hour_where_the_log_is_short_and_else_by_the_day(
    counted: Callable[..., Any], record: Callable[..., bytes]
) -> None:
    first, short, long = (
        record("cell executed", f"2026-11-{time}:59:59Z", outcome="ok")
        for time in ("01T10", "01T12", "04T10")
    )
    hours = shown(counted(first, short)).partition("ACTIVITY BY HOUR\n")[2].splitlines()
    assert hours[0] == "Records in 2 hours; the busiest is 2026-11-01 10:00 with 1."
    assert [line.split()[:3] for line in hours[2:5]] == [
        ["2026-11-01", "10:00", "1"],
        ["2026-11-01", "11:00", "0"],
        ["2026-11-01", "12:00", "1"],
    ]
    days = shown(counted(first, short, long)).partition("ACTIVITY BY DAY\n")[2].splitlines()
    assert [line.split()[:2] for line in days[2:6]] == [
        ["2026-11-01", "2"],
        ["2026-11-02", "0"],
        ["2026-11-03", "0"],
        ["2026-11-04", "1"],
    ]


def test_gaps_drops_and_broken_lines_are_shown(
    counted: Callable[..., Any], record: Callable[..., bytes]
) -> None:
    found = counted(record("x", seq=1), record("x", seq=5), b"torn\n")
    made = shown(found, dropped={"spool full": 7})
    for line in (
        "missing       3",
        "broken lines  1",
        "missing between others of a session      3",
        "dropped on this machine: spool full      7",
    ):
        assert line in made


def test_the_report_says_when_there_are_no_records(counted: Callable[..., Any]) -> None:
    assert shown(counted()).endswith("\n\nThere are no records to count.")


def test_a_foreign_log_cannot_move_the_cursor(
    counted: Callable[..., Any], record: Callable[..., bytes]
) -> None:
    odd = "\x1b[2Jgone\r\n\u202eback\x9b1mC1\ud800".encode("utf-8", "replace").decode()
    found = counted(
        record(odd),
        record("feature used", kind=odd, name=odd),
        record("error raised", exception=odd, package=odd),
        record("$ai_generation", **{"$ai_model": odd, "edit_format": odd}),
        record("cell executed", outcome=odd, duration_ms=1),
    )
    made = shown(found, dropped={odd: 1})
    assert all(letter.isprintable() or letter == "\n" for letter in made)
    assert "?[2Jgone" in made


NAMES = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=90)


@given(
    st.lists(st.tuples(NAMES, NAMES, *[st.integers(0, 10**12)] * 5), min_size=1, max_size=20),
    st.integers(20, 120),
)
def test_no_line_is_wider_than_the_terminal(rows: list[Any], width: int) -> None:
    from pathlib import Path

    from dev_analytics.views.report.tally import Tally

    columns = {name: name * 2 for name in ("provider", "model", "one", "two", "three", "four", "5")}
    part = Table("models", "Models", "It finds something", columns, rows, "one")
    made = text(Tally(Path("/a/path/" * 20)), [part], width)
    assert max(map(len, made.splitlines())) <= width


def test_a_narrow_terminal_gets_what_fits(counted: Callable[..., Any]) -> None:
    part = Table("models", "Models", "Many.", {"model": "model", "n": "n" * 60}, [("gpt-4o", 7)])
    assert f"~  {'n' * 60}\n" in text(counted(), [part], 20)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_column_that_does_not_fit_is_named(
    counted: Callable[..., Any], record: Callable[..., bytes], width: int
) -> None:
    said = {"$ai_provider": "openai", "$ai_model": "gpt-4o", "$ai_input_tokens": 10**9}
    made = shown(counted(record("$ai_generation", **said)), width)
    row = next(line for line in made.splitlines() if line.startswith("openai"))
    assert ("1,000,000,000" in row) == (width == 80)
    assert ("not shown for lack of space" in made) == (width < 80)
