"""The shapes of requests that front ends are documented to send, and how each is asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from pages import NotebookPage

from dev_analytics import NOTICE
from dev_analytics.apps.commands import OPEN
from dev_analytics.consent.asking.output import COLUMNS
from dev_analytics.consent.asking.presence import Presence, presence
from dev_analytics.consent.asking.question import DISABLED, FIRST, ON
from dev_analytics.consent.store import ConsentStore
from dev_analytics.observers.launch import page as told_page

LOAD = "%load_ext dev_analytics"
MARK = "zqxmark"
COLABTOOLS = os.environ.get("COLABTOOLS", "")
"""A copy of Colab's own sources, where there is one: its kernel is started, too."""


def in_vscode(cell: str) -> dict[str, Any]:
    return {"cellId": f"vscode-notebook-cell:/home/{MARK}/secret.ipynb#{cell}"}


def in_colab(cell: str) -> dict[str, Any]:
    return {"colab": {"base_uri": "https://colab.example/", "cell_id": cell, "source": {}}}


CLIENTS: dict[str, tuple[dict[str, Any], bool, Presence, str]] = {
    "jupyterlab": (
        {"cellId": "a", "deletedCells": [], "recordTiming": False, "trusted": True},
        True,
        "notebook",
        "cells",
    ),
    "vscode": (in_vscode("W0sZmlsZQ=="), True, "console", "vscode"),
    "vscode interactive": (
        {"cellId": "vscode-interactive:/Interactive-1.interactive#a"},
        True,
        "console",
        "vscode",
    ),
    "colab": (in_colab("x1Y"), True, "notebook", "colab"),
    "spyder": ({}, True, "console", "no cells"),
    "qtconsole": ({}, True, "console", "no cells"),
    "jupyter console": ({}, True, "console", "no cells"),
    "nbclient": ({}, False, "nobody", "no cells"),
    "papermill": ({}, False, "nobody", "no cells"),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_who_is_there_is_told_from_the_shape_of_a_request(client: str) -> None:
    metadata, allow_stdin, present, page = CLIENTS[client]
    request = {
        "header": {"msg_type": "execute_request", "msg_id": "1"},
        "metadata": metadata,
        "content": {"allow_stdin": allow_stdin},
    }
    shell = SimpleNamespace(kernel=None, get_parent=lambda: request)
    assert presence(shell) is present
    assert told_page(request) == page


def test_a_kernel_whose_shell_tells_of_no_request_has_nobody() -> None:
    assert presence(SimpleNamespace(kernel=None)) == "nobody"
    request = {"metadata": {"cellId": "a"}, "content": {"allow_stdin": True}}
    kernel = SimpleNamespace(get_parent=lambda: request)
    assert presence(SimpleNamespace(kernel=kernel)) == "notebook"


def asked_in(kernel: Callable[..., Any], log: Any, *arguments: str, **environment: str) -> Any:
    ours = {"DEV_ANALYTICS": "on", "DEV_ANALYTICS_LOG": str(log.path)}
    return kernel({**ours, **environment}, *arguments)


@pytest.mark.parametrize(("typed", "said"), [("y", ON), ("n", DISABLED), ("", FIRST.unanswered)])
def test_in_vscode_nothing_is_shown_below_a_cell_that_has_ended_and_no_widget_is_made(
    kernel: Callable[..., Any], log: Any, data: Any, typed: str, said: str
) -> None:
    page = NotebookPage(
        kernel({"DEV_ANALYTICS": "on", "DEV_ANALYTICS_LOG": str(log.path)}), in_vscode
    )
    assert _wrapped(page.run(LOAD, "a")) == FIRST.notice
    cells = {"b": "%dev_analytics on", "next": "2", "failing": "1 / 0", "last": "3"}
    sent = {page.send(code, cell) for cell, code in cells.items()}
    assert FIRST.words in page.typed(typed)
    page.until(lambda: sent <= page._idle and len(page.replies) == 5)
    assert said in _wrapped(page.below("b").rpartition(FIRST.lines)[2]), (
        "Escape sends an empty line"
    )
    assert FIRST.possible not in page.below("b"), "and asks no second time"
    numbers = [reply["content"]["execution_count"] for reply in page.replies]
    assert numbers == [1, 2, 3, 4, 5], "each cell is saved with its number"
    assert page.run("1", "c") == "1"
    page.settle()
    assert (page.late, page.models, page.dialogs) == ([], {}, [])
    assert "comm_open" not in {kind for kind, _ in page.times}
    assert {one["frontend"] for one in log.of("launched")} == {"vscode"}
    assert MARK not in log.path.read_text("utf-8")
    assert ConsentStore(data).read().opted_out is (typed == "n")


@pytest.mark.parametrize("cell", ["a", ""], ids=["vscode", "a console"])
def test_the_line_that_says_how_to_answer_stands_below_what_the_cell_printed(
    kernel: Callable[..., Any], cell: str
) -> None:
    page = NotebookPage(kernel({"DEV_ANALYTICS": "on"}), in_vscode)
    shown = page.run(f"{LOAD}\nprint('printed')", cell)
    assert shown.replace("\n", " ") == f"printed {FIRST.notice}"


def test_a_cell_that_loads_and_asks_asks_no_second_time(kernel: Callable[..., Any]) -> None:
    page = NotebookPage(kernel(), in_vscode)
    sent = page.send(f"{LOAD}\n%dev_analytics on", "a")
    page.typed("q")
    page.until(lambda: sent in page._idle)
    shown = " ".join(page.below("a").split())
    assert FIRST.unanswered in shown
    assert FIRST.notice not in shown


def _wrapped(text: str) -> str:
    """Check that each line of a text is whole in VS Code, and return it as other pages get it."""
    assert max(map(len, text.split("\n"))) <= COLUMNS, text
    return text.replace("\n", " ")


def test_in_vscode_the_identifier_goes_with_the_next_cell_and_as_its_output(
    kernel: Callable[..., Any], data: Any
) -> None:
    ConsentStore(data).agree(NOTICE, date.today(), {}, ())
    user = ConsentStore(data).read().user_id
    assert user is not None
    page = NotebookPage(kernel(), in_vscode)
    page.run(LOAD, "a")
    page.run("%dev_analytics disable", "b")
    assert user in _wrapped(page.below("b"))
    (before,) = [output["metadata"] for output in page.outputs if output["cell"] == "b"]
    page.run("1", "c")
    assert DISABLED in page.below("b")
    assert user not in page.below("b")
    (after,) = [output["metadata"] for output in page.outputs if output["cell"] == "b"]
    assert before == after == {}, "where they differ, VS Code may replace the text by nothing"
    assert page.late == []


def test_in_colab_the_question_stands_below_the_cell(kernel: Callable[..., Any], log: Any) -> None:
    page = NotebookPage(
        kernel({"DEV_ANALYTICS": "on", "DEV_ANALYTICS_LOG": str(log.path)}), in_colab
    )
    page.run(LOAD, "a")
    assert page.asked()["cell"] == "a"
    assert OPEN in page.run("%dev_analytics status", "b"), "the status tells that it is open"
    page.click("Yes")
    page.until(lambda: not page.dialogs)
    assert page.below("a") == ON
    assert OPEN not in page.run("%dev_analytics status", "b")
    page.run("!git --version", "c")
    page.run("pwd", "d")
    page.run("1 / 0", "e")
    assert {one["frontend"] for one in log.of("launched")} == {"colab"}
    assert log.of("feature used")[-2:] == [
        {"kind": "shell command", "name": "git"},
        {"kind": "line magic", "name": "pwd"},
    ]
    assert [one["exception"] for one in log.of("error raised")] == ["ZeroDivisionError"]
    page.settle()
    assert page.models == {}
