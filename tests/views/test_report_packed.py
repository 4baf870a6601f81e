"""The report over anything: compressed files, Parquet, PostHog's exports, folders of them all."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard

from dev_analytics.apps.jupyter import main
from dev_analytics.destinations.archive_file import Archive
from dev_analytics.views.report.overview import fields
from dev_analytics.views.report.source import MAX_LINE, ReportError, source_of
from dev_analytics.views.report.tables import tables
from dev_analytics.views.report.tally import tally

SAMPLE = Path(__file__).parents[2] / "docs" / "sample-analytics.jsonl"
LINES = SAMPLE.read_bytes()
AS_TEXT = "{uuid: 'VARCHAR', event: 'VARCHAR', distinct_id: 'VARCHAR', timestamp: 'VARCHAR'"
COLUMNS = "{uuid: 'VARCHAR', event: 'VARCHAR', distinct_id: 'VARCHAR', timestamp: 'TIMESTAMPTZ'"


def report(*files: Path) -> dict[str, object]:
    """Return the report on files as a dictionary, without the files' names."""
    counted = tally(source_of(files, SAMPLE.parent))
    return {**fields(counted, tables(counted, {})), "source": ""}


def with_duckdb(statement: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(statement)


def as_parquet(file: Path, properties: str, of: str) -> None:
    """Write the sample as PostHog exports it, or with its properties taken apart."""
    read = f"read_ndjson('{SAMPLE}', columns = {COLUMNS}, properties: '{of}'}})"
    with_duckdb(
        f"COPY (SELECT * REPLACE ({properties} AS properties), now() AS created_at FROM {read})"
        f" TO '{file}' (FORMAT parquet)"
    )


def exported(file: Path) -> None:
    """Write lines as an export has them: properties in a text, more columns, a space in times."""
    with file.open("w") as opened:
        for line in LINES.splitlines():
            record = json.loads(line)
            record["properties"] = json.dumps(record["properties"])
            record["timestamp"] = record["timestamp"].replace("T", " ").replace("+", ".000000+")
            more = {"team_id": 1, "person_id": record["uuid"], "elements_chain": ""}
            opened.write(json.dumps({**record, **more}) + "\n")


MADE: dict[str, Callable[[Path], Any]] = {
    "log.jsonl": lambda file: file.write_bytes(LINES),
    "log.jsonl.gz": lambda file: file.write_bytes(gzip.compress(LINES)),
    "log.jsonl.bz2": lambda file: file.write_bytes(bz2.compress(LINES)),
    "log.jsonl.xz": lambda file: file.write_bytes(lzma.compress(LINES)),
    "log.jsonl.zst": lambda file: with_duckdb(
        f"COPY (SELECT * FROM read_ndjson('{SAMPLE}', columns = {AS_TEXT}, properties: 'JSON'}}))"
        f" TO '{file}' (FORMAT json, COMPRESSION zstd)"
    ),
    "export.jsonl": exported,
    "text.parquet": lambda file: as_parquet(file, "CAST(properties AS VARCHAR)", "JSON"),
    "map.parquet": lambda file: as_parquet(file, "properties", "MAP(VARCHAR, JSON)"),
    "archive.sqlite": lambda file: Archive(file.parent).deliver(LINES.splitlines()),
}


@pytest.mark.parametrize("name", MADE)
def test_the_same_records_give_the_same_report(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    MADE[name](file)
    assert report(file) == report(SAMPLE)
    assert report(tmp_path) == report(SAMPLE), "and as all that a folder has"


def test_all_files_with_records_in_a_folder_are_read(tmp_path: Path) -> None:
    half = len(LINES.splitlines()) // 2
    first, second = LINES.splitlines(keepends=True)[:half], LINES.splitlines(keepends=True)[half:]
    (tmp_path / "2026" / "11").mkdir(parents=True)
    (tmp_path / "2026" / "11" / "a.jsonl.gz").write_bytes(gzip.compress(b"".join(first)))
    (tmp_path / "b.JSONL").write_bytes(b"".join(second))
    (tmp_path / "notes.txt").write_text("mine")
    assert report(tmp_path) == report(SAMPLE)
    assert report(tmp_path / "2026", tmp_path / "b.JSONL") == report(SAMPLE)
    assert report(tmp_path, tmp_path / "b.JSONL") == report(SAMPLE), "each file once"


def test_progress_never_goes_back(tmp_path: Path) -> None:
    for number, name in enumerate(("a.jsonl", "b.jsonl.gz", "c.parquet")):
        file = tmp_path / name
        MADE[{0: "log.jsonl", 1: "log.jsonl.gz", 2: "text.parquet"}[number]](file)
    source = source_of([tmp_path], tmp_path)
    told: list[float] = []
    for _ in source.blocks():
        assert source.done is not None
        told.append(source.done)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1, abs=0.01)


def test_the_progress_in_empty_files_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    source = source_of([tmp_path], tmp_path)
    assert list(source.blocks()) == [b""]
    assert source.done is None


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("cut.jsonl.gz", gzip.compress(LINES)[:5_000], "cut off or damaged"),
        ("cut.jsonl.xz", lzma.compress(LINES)[:5_000], "cut off or damaged"),
        ("cut.jsonl.zst", b"\x28\xb5\x2f\xfd and so on", "cut.jsonl.zst"),
        ("cut.parquet", b"PAR1 and so on", "cut.parquet"),
    ],
)
def test_a_damaged_file_is_one_clear_line(
    name: str, content: bytes, says: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ReportError, match=r"^[^\n]+$") as refused:
        report(tmp_path / name)
    assert says in str(refused.value)


def test_a_parquet_file_of_something_else_and_an_empty_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="has no file"):
        report(tmp_path)
    with_duckdb(f"COPY (SELECT 1 AS one) TO '{tmp_path / 'other.parquet'}' (FORMAT parquet)")
    with pytest.raises(ReportError, match="has no column"):
        report(tmp_path)


def test_a_row_that_holds_no_record_is_counted(tmp_path: Path) -> None:
    with_duckdb(
        "COPY (SELECT 'launched' AS event, now() AS timestamp, 'x' AS distinct_id, p AS properties"
        f" FROM (VALUES ('{{}}'), ('no json'), (NULL)) AS rows_(p)) TO '{tmp_path / 'a.parquet'}'"
        " (FORMAT parquet)"
    )
    counted = tally(source_of([tmp_path / "a.parquet"], tmp_path))
    assert (counted.records, counted.broken) == (1, 2)


ROW = "'launched' AS event, 'x' AS distinct_id, '{\n}' AS properties"


def test_an_invalid_time_is_one_broken_row(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    times = "('2026-11-22T10:00:00Z'), ('soon'), (NULL)"
    with_duckdb(
        f"COPY (SELECT {ROW}, t AS timestamp FROM (VALUES {times}) AS rows_(t)) TO '{file}'"
        " (FORMAT parquet)"
    )
    counted = tally(source_of([file], tmp_path))
    assert (counted.records, counted.broken) == (1, 2)


def test_a_file_name_is_not_a_pattern_and_does_not_decide_the_format(tmp_path: Path) -> None:
    """DuckDB takes signs in a path for other files, and words in it for columns."""
    place = tmp_path / "event=other" / "distinct_id=nobody"
    place.mkdir(parents=True)
    for name in ("a1.parquet", "ab.parquet"):
        with_duckdb(f"COPY (SELECT {ROW}, now() AS timestamp) TO '{place / name}' (FORMAT parquet)")
    content = (place / "a1.parquet").read_bytes()
    odd = [place / name for name in ("a*.parquet", "a?.parquet", "a[1].parquet", "[!a].parquet")]
    for file in odd:
        file.write_bytes(content)
        counted = tally(source_of([file], tmp_path))
        assert (counted.records, counted.events) == (1, {("launched",): 1}), file.name
    whole = tally(source_of([tmp_path], tmp_path))
    assert (whole.records, len(whole.users)) == (6, 1)
    name = os.fsdecode(b"\xff.parquet")
    (place / name).write_bytes(content)
    with pytest.raises(ReportError, match="rename it"):
        tally(source_of([place / name], tmp_path))


def test_a_line_without_a_record_is_counted_in_zstd_too(tmp_path: Path) -> None:
    bad = [b'{"torn', b"with \x01 in \x01 it", b"x" * (MAX_LINE + 10), b"\xff\xfe"]
    lines = LINES.splitlines()[:2]
    text = tmp_path / "a.jsonl"
    text.write_bytes(b"\n".join([lines[0], *bad, lines[1]]))
    packed = tmp_path / "a.jsonl.zst"
    packed.write_bytes(zstandard.compress(text.read_bytes()))
    for file in (text, packed):
        counted = tally(source_of([file], tmp_path))
        assert (counted.records, counted.broken) == (2, len(bad))


def test_a_file_is_read_once_however_many_names_it_has(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(LINES)
    (folder / "linked.jsonl").symlink_to("a.jsonl")
    os.link(folder / "a.jsonl", folder / "hard.jsonl")
    (folder / "around").symlink_to(folder)
    (folder / "nowhere.jsonl").symlink_to("nowhere.jsonl")
    os.mkfifo(folder / "pipe.jsonl")
    assert report(folder) == report(SAMPLE)
    assert report(folder / "a.jsonl", folder / "around" / "hard.jsonl") == report(SAMPLE)


def test_an_unreadable_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES)
    closed = tmp_path / "closed"
    closed.mkdir()
    scan = os.scandir

    # Root may read everything: who runs the tests may be.
    def refuse(path: Any) -> Any:
        if os.fspath(path) == str(closed):
            raise PermissionError(13, "Permission denied", str(closed))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ReportError, match="closed: Permission denied"):
        report(tmp_path)


def test_without_duckdb_it_says_what_to_install_and_plain_files_need_none(tmp_path: Path) -> None:
    MADE["text.parquet"](tmp_path / "a.parquet")
    code = (
        "import sys; sys.modules['duckdb'] = None\n"
        "from dev_analytics.apps.jupyter import main\n"
        f"assert main(['report', {str(SAMPLE)!r}, '--json']) == 0\n"
        f"sys.exit(main(['report', {str(tmp_path / 'a.parquet')!r}]))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr.endswith('Parquet needs DuckDB: pip install "dev-analytics[maintainer]"\n')


def test_the_command_takes_several(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    MADE["log.jsonl.gz"](tmp_path / "a.jsonl.gz")
    assert main(["report", str(SAMPLE), str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["records"], told["source"]) == (2_000, "2 files")
