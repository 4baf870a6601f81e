"""The report over an event log and over an archive: what it counts, and what it does not hide."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec import json

from dev_analytics.analytics import Analytics
from dev_analytics.commands.jupyter import main
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.archive import NAME, Archive
from dev_analytics.views.report import ReportError, report, report_fields, tally


@pytest.fixture
def events(analytics: Analytics, data: Path) -> Analytics:
    """A session with some of everything."""
    ConsentStore(data).agree(1, date.today())
    for _ in range(3):
        analytics.event("cell_executed", outcome="ok", duration_ms=1)
    analytics.event("feature_used", kind="line magic", name="time")
    analytics.event(
        "error_raised", exception="KeyError", exact=True, package="pandas", phase="cell"
    )
    for tokens in (10, 20):
        analytics.event(
            "message_send",
            provider="openai",
            model="gpt-4o",
            input_tokens=tokens,
            output_tokens=1,
            edit_format="diff",
        )
    return analytics


EXPECTED = {
    "records": 7,
    "broken_lines": 0,
    "sessions": 1,
    "events": {"cell executed": 3, "$ai_generation": 2, "feature used": 1, "error raised": 1},
    "features": [{"kind": "line magic", "name": "time", "count": 1}],
    "errors": [{"exception": "KeyError", "package": "pandas", "count": 1}],
    "models": [
        {
            "provider": "openai",
            "model": "gpt-4o",
            "requests": 2,
            "input_tokens": 30,
            "output_tokens": 2,
        }
    ],
    "edit_formats": {"diff": 2},
}


def without_source(fields: dict[str, object]) -> dict[str, object]:
    return {name: fields[name] for name in EXPECTED}


def test_a_log_and_an_archive_give_the_same_report(
    events: Analytics, log: Any, data: Path, kept: Any
) -> None:
    assert without_source(report_fields(tally(log.path, data))) == EXPECTED
    Archive(data).deliver(kept.records)
    assert without_source(report_fields(tally(None, data))) == EXPECTED
    assert without_source(report_fields(tally(data / NAME, data))) == EXPECTED


def test_the_tables_are_aligned(events: Analytics, log: Any, data: Path) -> None:
    shown = report(tally(log.path, data)).splitlines()
    assert shown[1].startswith("7 records in 1 sessions from ")
    table = shown[shown.index("provider  model   requests  tokens in  tokens out") :]
    assert table[1] == "openai    gpt-4o         2         30           2"


def test_broken_lines_are_counted_and_told(events: Analytics, log: Any, data: Path) -> None:
    with log.path.open("ab") as opened:
        opened.write(b'{"event": "torn\n[]\n\xff\n\n{"event": 7}\n')
    counted = tally(log.path, data)
    assert (counted.records, counted.broken) == (7, 4)
    assert "4 broken lines left out" in report(counted)


def test_a_log_of_anybody_s_moves_no_cursor(tmp_path: Path, data: Path) -> None:
    file = tmp_path / "log"
    odd = {"event": "\x1b[2Jgone", "timestamp": "t", "properties": {"$session_id": ["list"]}}
    file.write_bytes(json.encode(odd) + b"\n")
    shown = report(tally(file, data))
    assert "\x1b" not in shown
    assert "?[2Jgone" in shown


def test_it_reads_a_stream_however_long(tmp_path: Path, data: Path, log: Any, events: Any) -> None:
    import tracemalloc

    file = tmp_path / "long.jsonl"
    content = log.path.read_bytes()
    with file.open("wb") as opened:
        for _ in range(3000):
            opened.write(content)
    tracemalloc.start()
    counted = tally(file, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counted.records == 21_000
    assert peak < file.stat().st_size / 10


@pytest.mark.parametrize("what", ["missing", "folder", "no archive", "damaged archive"])
def test_what_cannot_be_read_is_one_clear_line(
    tmp_path: Path, data: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file: Path | None = {"missing": tmp_path / "nothing", "folder": tmp_path}.get(what)
    if what == "damaged archive":
        file = tmp_path / "archive"
        file.write_bytes(b"SQLite format 3\0 and nothing more")
    with pytest.raises(ReportError) as refused:
        tally(file, data)
    assert "\n" not in str(refused.value)
    assert main(["report", *([str(file)] if file else [])]) == 1
    assert capsys.readouterr().err == f"jupyter dev-analytics report: {refused.value}\n"


def test_the_archive_is_not_changed_by_reading(events: Analytics, data: Path, kept: Any) -> None:
    Archive(data).deliver(kept.records)
    before = (data / NAME).read_bytes()
    tally(None, data)
    assert (data / NAME).read_bytes() == before
    assert sorted(path.name for path in data.iterdir() if path.name.startswith(NAME)) == [NAME]
