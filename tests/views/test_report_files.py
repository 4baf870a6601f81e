"""The report as files: whole, harmless to a spreadsheet, and never over somebody's own."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev_analytics.views.report.files import write_csv, write_page
from dev_analytics.views.report.page import page
from dev_analytics.views.report.source import ReportError
from dev_analytics.views.report.tables import Table, tables


@pytest.fixture
def found(counted: Callable[..., Any], record: Callable[..., bytes]) -> Any:
    features = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", 'a "quoted", name', "new\nline"]
    return counted(*(record("feature used", kind="kind", name=name) for name in features))


def test_each_table_is_written_to_a_file_and_read_back(found: Any, tmp_path: Path) -> None:
    parts = tables(found, {})
    files = write_csv(tmp_path / "new" / "folder", parts)
    assert [file.name for file in files] == [f"{part.name}.csv" for part in parts]
    assert sorted(tmp_path.glob("new/folder/*")) == sorted(files)
    for file, part in zip(files, parts, strict=True):
        with file.open(newline="") as opened:
            head, *rows = csv.reader(opened)
        assert head == list(part.columns)
        assert len(rows) == len(part.rows)


def test_no_name_can_be_a_formula(found: Any, tmp_path: Path) -> None:
    write_csv(tmp_path, tables(found, {}))
    with (tmp_path / "features.csv").open(newline="") as opened:
        names = {row["name"] for row in csv.DictReader(opened)}
    assert names == {
        *("'=1+1", "'+1", "'-1", "'@SUM(A1)", "?x", 'a "quoted", name', "new?line"),
    }


def test_an_older_report_is_replaced_and_other_files_stay(found: Any, tmp_path: Path) -> None:
    parts = tables(found, {})
    (tmp_path / "notes.txt").write_text("mine")
    write_csv(tmp_path, parts)
    shorter = [Table(each.name, "", "", each.columns, each.rows[:1]) for each in parts]
    write_csv(tmp_path, shorter)
    assert (tmp_path / "features.csv").read_text().count("\n") == 2
    assert (tmp_path / "notes.txt").read_text() == "mine"
    write_page(tmp_path / "report.html", page(found, parts, {}))
    write_page(tmp_path / "report.html", page(found, shorter, {}))
    assert not list(tmp_path.glob("*.new")) + list(tmp_path.glob(".*"))


def test_a_file_that_is_not_a_report_is_not_overwritten(found: Any, tmp_path: Path) -> None:
    parts = tables(found, {})
    (tmp_path / "gaps.csv").write_text("what,when\nmine,now\n")
    (tmp_path / "page.html").write_text("<!doctype html><title>mine</title>")
    for write in (
        lambda: write_csv(tmp_path, parts),
        lambda: write_page(tmp_path / "page.html", page(found, parts, {})),
    ):
        with pytest.raises(ReportError, match="exists and is not a report: nothing was written"):
            write()
    assert sorted(path.name for path in tmp_path.glob("*.[ch]*")) == ["gaps.csv", "page.html"]
    assert (tmp_path / "gaps.csv").read_text() == "what,when\nmine,now\n"


def test_an_unwritable_file_is_one_clear_line(found: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for write in (
        lambda: write_csv(tmp_path / "file", tables(found, {})),
        lambda: write_page(tmp_path / "no" / "such" / "folder.html", "page"),
        lambda: write_page(tmp_path, "page"),
    ):
        with pytest.raises(ReportError, match=r"^[^\n]+$"):
            write()
