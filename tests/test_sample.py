"""The sample of records: made by really running the notebooks, and by nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dev_analytics.catalogue.events import EVENTS
from dev_analytics.catalogue.schema import schema

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "docs" / "sample-analytics.jsonl"
MAKE = ROOT / "notebooks" / "sample.py"
NUMBER = 1000


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in SAMPLE.read_text("utf-8").splitlines()]


def test_there_are_a_thousand_records_and_each_fits_its_schema(
    records: list[dict[str, Any]],
) -> None:
    assert len(records) == NUMBER
    validators = {each.wire: Draft202012Validator(schema(each)) for each in EVENTS.values()}
    for record in records:
        validators[record["event"]].validate(record)


def test_nothing_in_it_is_outside_a_vocabulary(records: list[dict[str, Any]]) -> None:
    """Nothing became ``other`` but the tour's private model: it uses public things only."""
    other = [each for each in records if "other" in each["properties"].values()]
    assert {each["event"] for each in other} == {"$ai_generation"}
    assert {
        name for each in other for name, value in each["properties"].items() if value == "other"
    } == {"$ai_model"}


def test_it_is_one_user_who_agreed(records: list[dict[str, Any]]) -> None:
    assert len({record["distinct_id"] for record in records} - {None}) == 1
    without = [record["event"] for record in records if record["distinct_id"] is None]
    assert set(without) <= {"launched"}, "only the first launch came before the yes"


def test_it_is_whole_sessions_of_kernels_and_of_no_test(records: list[dict[str, Any]]) -> None:
    """A test run would add sessions that are cut short, or that do something else."""
    sessions = defaultdict(list)
    for record in records:
        sessions[record["properties"]["$session_id"]].append(record)
    _, *whole = sessions.values()  # the first one is cut where the thousand begin
    what = set()
    for session in whole:
        # A call to a model may be recorded by a thread, beside the cell's own record.
        numbers = sorted(each["properties"]["seq"] for each in session)
        assert numbers == list(range(1, len(session) + 1))
        assert (session[0]["event"], session[-1]["event"]) == ("launched", "exited")
        assert session[0]["properties"]["frontend"] == "jupyter kernel"
        what.add(tuple(sorted(each["event"] for each in session)))
    assert len(what) <= len(list((ROOT / "notebooks").glob("*.ipynb")))


def test_no_program_but_its_own_names_the_file() -> None:
    """Documents link to it, and a notebook reads it; nothing else can write it."""
    programs = [ROOT / "Makefile", *ROOT.glob("dev_analytics/**/*.py"), *ROOT.glob("*/*.py")]
    named = {path for path in programs if SAMPLE.name in path.read_text("utf-8")}
    assert named == {MAKE, Path(__file__), ROOT / "tests" / "test_analyse_log.py"}


@pytest.mark.usefixtures("hostile_machine")
def test_it_is_made_by_running_the_notebooks(tmp_path: Path, data: Path) -> None:
    before = SAMPLE.read_bytes()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, MAKE, tmp_path / "sample.jsonl", "25"],
        env={**os.environ, "TMPDIR": str(temporary), "CI": "true", "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert "the last 25 of " in done.stdout
    made = [json.loads(line) for line in (tmp_path / "sample.jsonl").read_text().splitlines()]
    assert len(made) == 25
    assert made[-1]["event"] == "exited"
    assert SAMPLE.read_bytes() == before
    assert list(temporary.iterdir()) == [], "something was left behind"
    assert not data.exists(), "the user's own directory was touched"
