"""The questions asked of DuckDB: the text that PostHog is asked answers what the records say."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from answers import EXPECTED, Record, losses, ours, same

from dev_analytics.maintainer.answers import Answer, Records
from dev_analytics.maintainer.questions import Question, questions
from dev_analytics.views.report.forgotten import Forgotten
from dev_analytics.views.report.source import source_of

QUESTIONS = questions()
TWICE = 2


def ids(question: Question) -> str:
    return question.name


@pytest.fixture(scope="module")
def lines(made: tuple[Path, Any]) -> list[bytes]:
    """The records of a population, each twice, others' beside them, and lines that are none."""
    own = made[0].read_bytes().splitlines()
    others = []
    for number, line in enumerate(own[:200]):
        record = json.loads(line)
        record |= {"uuid": f"other {number}", "distinct_id": "visitor"}
        record["properties"]["$lib"] = "web"
        others.append(json.dumps(record).encode())
    return [*own, *own, *others, b"{torn", b"[]", b"\xff", b'{"event": "x"}']


@pytest.fixture(scope="module")
def records(
    lines: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Records, list[Record]]:
    """These records in DuckDB: a part as a log, a part as PostHog's export has them."""
    folder = tmp_path_factory.mktemp("answers")
    half = len(lines) // 3
    (folder / "log.jsonl").write_bytes(b"\n".join(lines[half:]))
    exported = []
    for line in lines[:half]:
        record = json.loads(line)
        record["properties"] = json.dumps(record["properties"])
        record["timestamp"] = record["timestamp"].replace("T", " ").replace("+", ".000000+")
        exported.append(json.dumps(record).encode())
    (folder / "export.jsonl.gz").write_bytes(gzip.compress(b"\n".join(exported)))
    asked = Records(source_of([folder], folder), Forgotten(folder / "list"))
    return asked, ours(lines[:-4])


def rows(answer: Answer) -> list[dict[str, Any]]:
    """Return the rows by column; what is a number in the records is one here."""
    return [
        {
            name: int(value) if str(value).isdigit() else value
            for name, value in zip(*both, strict=True)
        }
        for both in ((answer.columns, row) for row in answer.rows)
    ]


def is_right(question: Question, answer: Answer, records: list[Record]) -> bool:
    if question.name == "losses":
        return same(rows(answer), losses(records, TWICE))
    return same(rows(answer), EXPECTED[question.name](records))


@pytest.mark.parametrize("question", QUESTIONS, ids=ids)
def test_the_answer_is_what_the_records_say(
    question: Question, records: tuple[Records, list[Record]], population: Any
) -> None:
    asked, there = records
    answer = asked.ask(question)
    assert is_right(question, answer, there)
    drawn = {question.drawing.x, question.drawing.by, *question.drawing.y} - {""}
    assert drawn <= set(answer.columns)
    begin = population.BEGINS + timedelta(weeks=8)
    end = begin + timedelta(weeks=4)
    within = [
        record for record in there if begin <= datetime.fromisoformat(record["timestamp"]) < end
    ]
    assert 0 < len(within) < len(there)
    assert is_right(question, asked.ask(question, begin, end), within)


def test_forgotten_users_are_in_no_answer(lines: list[bytes], tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_bytes(b"\n".join(lines[:500]))
    there = [json.loads(line) for line in lines[:500]]
    gone = there[0]["distinct_id"]
    forgotten = Forgotten(tmp_path / "list")
    forgotten.add(gone)
    asked = Records(source_of([file], tmp_path), forgotten)
    assert len(asked) == sum(record["distinct_id"] != gone for record in there) < 500
