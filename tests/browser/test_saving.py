"""What outlives the question: files, pages and kernels show no remains of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from dev_analytics.consent.asking.question import DISABLED, ON

LOAD = "%load_ext dev_analytics"
KILL = "import os\nos.kill(os.getpid(), 9)"


@pytest.mark.parametrize(
    ("front_end", "answered", "killed"),
    # The file is written before its kernel ends, and both front ends write it with the same code.
    [("lab", True, True), ("notebook", False, False)],
    indirect=["front_end"],
    ids=["lab-answered, killed", "notebook-open"],
)
def test_a_saved_notebook_holds_no_widget_and_opens_without_an_error(
    open_notebook: Callable[..., Any],
    stored: Any,
    log: Any,
    answered: bool,
    killed: bool,
) -> None:
    """It holds no record of a preview either, so that no identifier outlives an opt-out."""
    notebook = open_notebook(LOAD, "1 + 1", "%dev_analytics preview", KILL)
    notebook.run(0)
    expect(notebook.question).to_have_count(1)
    if answered:
        notebook.button("Yes").click()
        expect(notebook.below(0)).to_have_text(ON)
        notebook.run(1, 2)
        assert stored.user in json.dumps(notebook.outputs(2))
    else:
        notebook.run(1)
    saved = notebook.saved()
    assert_no_widget(saved)
    left = ["".join(output["data"]["text/plain"]) for output in saved["cells"][0]["outputs"]]
    assert left == ([ON] if answered else [])
    assert [len(cell["outputs"]) for cell in saved["cells"]] == [answered, 1, 0, 0]
    if answered:
        assert stored.user not in json.dumps(saved)
        expect(notebook.below(2)).to_contain_text("cell executed")
    assert notebook.question.count() == (0 if answered else 1), "to save changes nothing in view"
    if killed:
        notebook.run_to_the_kernel_s_end(3)
    else:
        notebook.end_kernel()
    notebook.open()
    notebook.run(1)
    expect(notebook.below(0)).to_have_text([ON] if answered else [])
    expect(notebook.below(1)).to_have_text("2")
    assert_no_error(notebook)
    assert_no_widget(notebook.saved())
    assert stored.answer == ("yes" if answered else None)
    assert "cell executed" in log.events


@pytest.fixture
def saving_widgets(server: Any, loaded_anew: None) -> Iterator[None]:
    """Make pages save the state of all widgets, which is a user setting."""
    settings = server.settings.parents[1] / "@jupyter-widgets" / "jupyterlab-manager"
    settings.mkdir(parents=True, exist_ok=True)
    file = settings / "plugin.jupyterlab-settings"
    file.write_text('{"saveState": true}')
    yield
    file.unlink()


@pytest.mark.usefixtures("saving_widgets")
@pytest.mark.parametrize("front_end", ["lab"], indirect=True)
def test_a_page_that_saves_widgets_saves_the_user_s_and_none_of_the_question(
    open_notebook: Callable[..., Any],
) -> None:
    notebook = open_notebook(LOAD, "import ipywidgets\nipywidgets.IntSlider(description='mine')")
    notebook.run(0, 1)
    notebook.button("See what would be sent").click()
    expect(notebook.question).to_contain_text("cell executed")
    saved = notebook.saved()
    assert notebook.question.count() == 1
    (widgets,) = saved["metadata"]["widgets"].values()
    names = [model["model_name"] for model in widgets["state"].values()]
    assert sorted(names) == ["IntSliderModel", "LayoutModel", "SliderStyleModel"]
    assert "cell executed" not in json.dumps(saved)


# Both front ends have the widget manager of JupyterLab: a load in one and a restart in the other.
@pytest.mark.usefixtures("loaded_anew")
@pytest.mark.parametrize("front_end", ["lab"], indirect=True)
def test_a_page_that_was_loaded_anew_is_asked_below_the_next_cell(
    open_notebook: Callable[..., Any], stored: Any, log: Any
) -> None:
    notebook = open_notebook(LOAD, "1 + 1")
    notebook.run(0)
    expect(notebook.question).to_have_count(1)
    notebook.saved()
    notebook.reload()
    assert notebook.text_below(0) == ""
    assert_no_error(notebook)
    notebook.run(1)
    expect(notebook.question).to_have_count(1)
    assert notebook.text_below(0) == ""
    expect(notebook.below(1).last).to_contain_text("Allow collection")
    notebook.button("No").click()
    expect(notebook.below(1).last).to_contain_text(DISABLED)
    assert notebook.text_below(0) == ""
    assert_no_error(notebook)
    assert_no_widget(notebook.saved())
    assert stored.answer == "no"
    assert {record["distinct_id"] for record in log.records} == {None}


@pytest.mark.parametrize("front_end", ["notebook"], indirect=True)
def test_a_restarted_kernel_leaves_no_dead_dialog(
    open_notebook: Callable[..., Any], stored: Any, log: Any
) -> None:
    notebook = open_notebook(LOAD, "1 + 1", "%dev_analytics on")
    notebook.run(0, 1)
    expect(notebook.question).to_have_count(1)
    notebook.restart_kernel()
    expect(notebook.question).to_have_count(0)
    assert notebook.button("Yes").count() == 0, "nobody can press what does nothing"
    assert_no_error(notebook)
    assert_no_widget(notebook.saved())
    notebook.run(0, 1)
    assert notebook.question.count() == 0, "asked today, so it does not come by itself"
    notebook.run(2)
    expect(notebook.question).to_have_count(1)
    notebook.button("Yes").click()
    expect(notebook.below(2)).to_have_text(ON)
    assert stored.answer == "yes"
    assert {record["distinct_id"] for record in log.records} == {None, stored.user}


def assert_no_widget(notebook: dict[str, Any]) -> None:
    """Find neither a view of a widget nor the state of one in the content of a file."""
    assert "widgets" not in notebook["metadata"]
    outputs = [output for cell in notebook["cells"] for output in cell["outputs"]]
    assert {kind for output in outputs for kind in output["data"]} <= {"text/plain"}
    assert "widget" not in json.dumps(notebook)


def assert_no_error(notebook: Any) -> None:
    """Find nothing on the page that says that something is missing."""
    for words in ("Error displaying widget", "Loading widget", "model not found"):
        assert notebook.page.get_by_text(words).filter(visible=True).count() == 0
