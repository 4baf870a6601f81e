"""What an opt-out says last: the identifier that it deleted, once, and to a person."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_posthog import to_posthog
from pages import NotebookPage

from dev_analytics import NOTICE
from dev_analytics.consent.asking.answering import farewell, take
from dev_analytics.consent.asking.output import MARK
from dev_analytics.consent.asking.question import CONTACT, DISABLED, KEPT, WAY_BACK, Answer
from dev_analytics.consent.decision import Consent
from dev_analytics.consent.gate import Gate
from dev_analytics.consent.store import ConsentStore
from dev_analytics.destinations import ARCHIVE

TODAY = date(2026, 11, 22)
POSTHOG = to_posthog("https://eu.i.posthog.com", "phc_of_a_project")
USER_ID = "71b00c15-cdb5-4ee2-afb1-2f11ecfbebf4"


def agreed(data: Path) -> str:
    user_id = ConsentStore(data).agree(NOTICE, TODAY, recipients=[POSTHOG]).user_id
    assert user_id is not None
    return user_id


def test_it_says_how_to_have_deleted_what_was_sent() -> None:
    said = farewell(Consent(user_id=USER_ID, recipients=frozenset({ARCHIVE, POSTHOG})))
    assert said.count(USER_ID) == 1
    assert "PostHog at https://eu.i.posthog.com" in said
    assert said.endswith(f"send the identifier to {CONTACT}.")


def test_it_says_where_nothing_was_sent_that_nothing_was() -> None:
    said = farewell(Consent(user_id=USER_ID, recipients=frozenset({ARCHIVE})))
    assert said.count(USER_ID) == 1
    assert said.endswith("none was sent anywhere else.")
    assert CONTACT not in said


def test_it_says_nothing_where_there_was_no_identifier() -> None:
    assert farewell(Consent()) == farewell(Consent(opted_out=True)) == ""


def test_a_terminal_shows_it_once_and_nothing_stores_it(
    data: Path, terminal: Callable[..., Any], everything: Callable[[Path], bytes]
) -> None:
    user_id = agreed(data)
    ipython = terminal("--ext=dev_analytics")
    ipython.prompt()
    said = ipython.run("%dev_analytics disable")
    assert said.count(user_id) == 1
    assert CONTACT in said
    assert user_id not in ipython.run("%dev_analytics disable")
    assert user_id not in ipython.run("%history -o")
    ipython.leave()
    assert user_id.encode() not in everything(data.parent)


def test_the_shell_s_command_shows_it_once(data: Path) -> None:
    user_id = agreed(data)

    def disable() -> str:
        command = [sys.executable, "-m", "dev_analytics", "disable"]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        return ran.stdout

    assert disable().count(user_id) == 1
    assert user_id not in disable()


@pytest.fixture
def notebook(kernel: Callable[..., Any], data: Path) -> NotebookPage:
    agreed(data)
    return NotebookPage(kernel())


def test_a_notebook_shows_it_until_the_next_cell_and_does_not_save_it(
    notebook: NotebookPage, data: Path
) -> None:
    user_id = ConsentStore(data).read().user_id
    assert user_id is not None
    notebook.run("%load_ext dev_analytics", "a")
    assert user_id in notebook.run("%dev_analytics disable", "b")
    shown = [output for output in notebook.outputs if user_id in json.dumps(output["data"])]
    assert [output["metadata"] for output in shown] == [{MARK: True}]
    notebook.run("1 + 1", "c")
    notebook.until(lambda: notebook.below("b") == f"{DISABLED} {WAY_BACK}")
    assert user_id not in json.dumps([output["data"] for output in notebook.outputs])


def test_where_nobody_is_there_neither_the_opt_out_nor_a_view_shows_it(
    kernel: Callable[..., Any], data: Path
) -> None:
    user_id = agreed(data)
    batch = kernel()
    batch.run("%load_ext dev_analytics")
    batch.run("1 + 1")
    words = ("status", "preview", "disable")
    shown = {word: batch.run(f"%dev_analytics {word}").messages for word in words}
    assert user_id not in json.dumps(shown)
    assert "not shown in a run that nobody watches" in json.dumps(shown["preview"])
    assert DISABLED in json.dumps(shown["disable"])


def test_status_shows_it_to_a_person_and_is_not_saved_with_it(
    notebook: NotebookPage, data: Path
) -> None:
    user_id = ConsentStore(data).read().user_id
    assert user_id is not None
    notebook.run("%load_ext dev_analytics", "a")
    assert user_id in notebook.run("%dev_analytics status", "b")
    (shown,) = [output for output in notebook.outputs if output["cell"] == "b"]
    assert shown["metadata"] == {MARK: True}
    assert not re.search(user_id, os.fsdecode(json.dumps(notebook.replies, default=str)))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer.YES, "Analytics stay off: your answer could not be stored: "),
        (Answer.NO, "Analytics are off for this session; set DO_NOT_TRACK=1"),
        (Answer.KEEP, f"{KEPT} That could not be stored, so you will be asked again: "),
    ],
)
def test_an_answer_that_cannot_be_stored_says_so_and_collects_nothing(
    data: Path, answer: Answer, said: str
) -> None:
    data.write_text("a file in the place of the folder")
    gate = Gate(data, sample_percent=10, notice=NOTICE)
    assert said in take(gate, answer)
    assert not gate.decision(can_answer=True).collecting
