"""Acme Charts in real sessions: asked about, recorded, previewed, delivered, switched off."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

import pytest
from scopes import scopes

from dev_analytics import NOTICE
from dev_analytics.consent.store import ConsentStore
from dev_analytics.views.report.source import Source
from dev_analytics.views.report.tables import tables
from dev_analytics.views.report.tally import tally

WANTS = (
    'Acme Charts, by the package acme-charts, would also like to record: "chart made", with 3 '
    "properties and 3 possible words."
)
CHART = "import acme; drawn = acme.chart('bar')"


@pytest.fixture(autouse=True)
def _installed(tools: Path) -> None:
    """Both packages are installed for every session."""


UNDRAWN = {"CI": "1"}
"""Where it is set nobody is asked who does not ask for it, whatever is drawn."""


def test_from_the_question_in_a_terminal_to_the_archive(
    terminal: Callable[..., Any],
    data: Path,
    delivered: Any,
    until: Callable[[Callable[[], bool]], None],
) -> None:
    ipython = terminal(env=UNDRAWN)
    ipython.prompt()
    ipython.run("%load_ext dev_analytics")
    ipython.type("%dev_analytics on")
    asked = ipython.until("[Yes]: ").replace("\r", "")
    assert "personal\ninfo.\nFor more info: " in asked
    assert WANTS in asked
    assert "broken" not in asked
    ipython.run("y")
    assert ConsentStore(data).read().tools == scopes("acme")
    ipython.run(CHART)
    assert '"event": "acme: chart made"' in ipython.run("%dev_analytics preview")
    assert "1 acme: chart made" in ipython.run("%dev_analytics status")
    ipython.leave()
    until(lambda: any(event == "acme: chart made" for event, _ in delivered()))
    (made,) = [json.loads(said) for event, said in delivered() if event == "acme: chart made"]
    assert made["kind"] == "bar"
    (part,) = [part for part in tables(tally(Source(None, data)), {}) if part.name == "tools"]
    assert part.rows == [("Acme Charts", "acme: chart made", 1)]


def test_a_tool_that_came_after_the_yes_is_asked_about_once_it_is_used(
    terminal: Callable[..., Any], data: Path
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    ipython = terminal()
    ipython.prompt()
    ipython.run("%load_ext dev_analytics")
    ipython.run("1 + 1")
    ipython.type(CHART)
    asked = ipython.until("[Keep]: ")
    assert WANTS in asked
    assert "You agreed to dev's anonymous analytics" in asked
    ipython.run("yes")
    assert ConsentStore(data).read().tools == scopes("acme")
    ipython.run(CHART)
    status = ipython.run("%dev_analytics status")
    assert "1 acme: chart made" in status or "2 acme: chart made" in status
    assert "1 withheld by notice" in status
    ipython.leave()


def test_a_question_that_is_kept_as_it_is_does_not_come_again(
    terminal: Callable[..., Any], data: Path
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    for number in range(2):
        ipython = terminal()
        ipython.prompt()
        ipython.run("%load_ext dev_analytics")
        ipython.type(CHART)
        if number == 0:
            ipython.until("[Keep]: ")
            ipython.press_enter()
        ipython.prompt()
        assert "withheld until you agree to it" in ipython.run("%dev_analytics status")
        ipython.leave()
    assert ConsentStore(data).read().tools == {}
    assert ConsentStore(data).read().user_id


def test_the_dialog_names_the_tool_and_its_yes_covers_it(
    page: Callable[[], Any], data: Path
) -> None:
    notebook = page()
    notebook.run("%load_ext dev_analytics", "a")
    notebook.run("%dev_analytics on", "b")
    notebook.asked()
    assert "Allow collection of anonymous analytics" in notebook.html()
    assert f"<li>{escape(WANTS)}" in notebook.html()
    notebook.click("Yes")
    notebook.until(lambda: not notebook.dialogs)
    assert ConsentStore(data).read().tools == scopes("acme")


def test_the_dialog_appears_below_the_cell_that_used_the_tool(
    page: Callable[[], Any], data: Path
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    notebook = page()
    notebook.run("%load_ext dev_analytics", "a")
    notebook.run("1 + 1", "b")
    assert notebook.dialogs == []
    notebook.run(CHART, "c")
    assert notebook.asked()["cell"] == "c"
    assert f"<li>{escape(WANTS)}" in notebook.html()
    notebook.click("Yes")
    notebook.until(lambda: not notebook.dialogs)
    assert ConsentStore(data).read().tools == scopes("acme")


def test_a_tool_used_in_a_kernel_is_asked_about_after_the_cell(
    kernel: Callable[..., Any], data: Path
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    notebook = kernel()
    notebook.run("%load_ext dev_analytics", answers=())
    assert notebook.run("1 + 1", answers=()).text == "2"
    asked = notebook.run(CHART, answers=())
    assert "%dev_analytics on shows what is new" in asked.text
    said = notebook.run("%dev_analytics on", answers=("y",))
    assert WANTS in said.text
    assert ConsentStore(data).read().tools == scopes("acme")
    notebook.run(CHART)
    shown = notebook.run("%dev_analytics preview", answers=()).text
    # The one before the answer was a rehearsal.
    assert shown.count('"event": "acme: chart made"') == 1
    assert "# waiting\n" in shown


def test_records_of_a_session_are_not_sent_after_the_tool_is_off(
    kernel: Callable[..., Any],
    data: Path,
    delivered: Any,
    until: Callable[[Callable[[], bool]], None],
) -> None:
    ConsentStore(data).agree(NOTICE, date.today(), scopes("acme"))
    notebook = kernel()
    notebook.run("%load_ext dev_analytics")
    notebook.run(CHART)
    assert "switched off for good" in notebook.run("%dev_analytics disable acme").text
    notebook.run(CHART)
    notebook.stop()
    until(lambda: any(event == "exited" for event, _ in delivered()))
    assert [event for event, _ in delivered() if event.startswith("acme")] == []
    assert ConsentStore(data).read().user_id
