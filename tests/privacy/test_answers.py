"""No identifier and no record before a yes; nothing of either after a no."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.consent.asking.question import Answer
from dev_analytics.observers.cells import Cells
from dev_analytics.testing.marks import Marks

IDENTIFIER = re.compile(rb"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
Everything = Callable[[Path], bytes]


def test_before_a_yes_there_is_no_identifier_and_no_record(
    data: Path, log: Any, everything: Everything
) -> None:
    analytics = Analytics(data, sample_percent=100, delivery=None)
    analytics.log_to(log.path)
    analytics.event("command_run", command="status")
    assert not data.exists()

    assert analytics.gate.claim_question()
    analytics.gate.answer(Answer.NONE)
    analytics.event("command_run", command="status")

    assert [path.name for path in sorted(data.rglob("*"))] == [
        "consent",
        "consent.json",
        "consent.lock",
    ]
    stored = json.loads((data / "consent" / "consent.json").read_bytes())
    assert set(stored) == {"version", "draw", "asked_on"}
    assert IDENTIFIER.search(everything(data)) is None
    records = [json.loads(one.record) for one in analytics.pipeline.preview] + log.records
    assert [record["distinct_id"] for record in records] == [None] * 4
    analytics.stop_log()


def test_after_an_opt_out_nothing_identifying_is_left(data: Path, everything: Everything) -> None:
    analytics = Analytics(data, delivery=None)
    user_id = analytics.gate.store.agree(NOTICE, date.today()).user_id
    assert user_id is not None
    analytics.event("command_run", command="status")
    (data / "archive.sqlite").write_bytes(analytics.pipeline.preview[-1].record)
    (data / "quarantine").write_bytes(analytics.pipeline.preview[-1].record)
    assert everything(data).count(user_id.encode()) >= 4

    analytics.gate.store.opt_out()
    analytics.event("command_run", command="status")

    assert user_id.encode() not in everything(data)
    assert IDENTIFIER.search(everything(data)) is None
    assert not analytics.pipeline.preview


WRITTEN = {
    "a variable's name": "@",
    "a path": "open('/@')",
    "a file's name": "exec(compile('1/0', '/@.py', 'exec'))",
    "a message": "raise ValueError('@')",
    "a class": "class @(ValueError): ...\nraise @",
    "a magic": "%@",
    "a command": "!/@ 2> /dev/null",
    "a model": "event('message_send', model='ft:gpt-4o:@', provider='openai')",
    "a host": "event('message_send', model='gpt-4o', provider='@.example')",
    "a property": "event('message_send', @='@')",
    "an event": "event('@')",
}


@pytest.mark.parametrize("what", WRITTEN)
def test_what_a_cell_says_of_its_writer_is_a_word_of_ours(
    shell: Any, data: Path, log: Any, marks: Marks, foreign: Callable[[bytes], list[str]], what: str
) -> None:
    """One cell for each thing that may not get through, so that a failure says which did."""
    analytics = Analytics(data, delivery=None)
    analytics.log_to(log.path)
    shell.user_ns["event"] = analytics.event
    cells = Cells(analytics, shell)
    cells.register()
    shell.run(WRITTEN[what].replace("@", marks(what)))
    cells.unregister()
    analytics.stop_log()
    assert marks.found_in(log.path.read_bytes()) == []
    assert [wrong for line in log.path.read_bytes().splitlines() for wrong in foreign(line)] == []
    assert len(log.of("cell executed")) == 1
    said = {"a property": 1, "an event": 1}.get(what, 2)
    assert len(log.records) == said + (what == "a magic")
