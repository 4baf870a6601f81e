"""What a notebook's file keeps of what is marked: nothing, and everything else stays."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ipywidgets.widgets.widget import _instances

from dev_analytics.consent.asking.dialog import CLASS, HIDE, SEE, Dialog
from dev_analytics.consent.asking.output import MARK
from dev_analytics.consent.asking.question import FIRST
from dev_analytics.consent.asking.saving import leave_out_marked
from dev_analytics.drops import DropLedger

QUESTION = {"output_type": "display_data", "data": {"text/plain": "?"}, "metadata": {MARK: True}}
OTHERS: list[dict[str, Any]] = [
    {"output_type": "stream", "name": "stdout", "text": "printed"},
    {"output_type": "display_data", "data": {"text/plain": "1"}, "metadata": {}},
    {"output_type": "execute_result", "data": {}, "metadata": {"mine": 1}, "execution_count": 1},
    {"output_type": "error", "ename": "E", "evalue": "", "traceback": []},
]


WIDGETS = "application/vnd.jupyter.widget-state+json"


def notebook(outputs: list[dict[str, Any]]) -> dict[str, Any]:
    code = {"cell_type": "code", "source": "1", "metadata": {}, "outputs": outputs}
    text = {"cell_type": "markdown", "source": "# A title", "metadata": {}}
    return {"type": "notebook", "content": {"cells": [text, code], "metadata": {}}}


@given(st.lists(st.sampled_from([*OTHERS, QUESTION])))
def test_the_question_is_left_out_and_all_else_stays(outputs: list[dict[str, Any]]) -> None:
    model = notebook(copy.deepcopy(outputs))
    leave_out_marked(model=model, path="n.ipynb")
    assert model == notebook([output for output in outputs if output is not QUESTION])


@pytest.fixture
def saved() -> Callable[[], dict[str, Any]]:
    """Return a notebook as a page saves it that is told to save the state of its widgets."""
    of_other_tests = set(_instances)

    def saved() -> dict[str, Any]:
        widgets = [each for name, each in _instances.items() if name not in of_other_tests]
        state = ipywidgets.Widget.get_manager_state(drop_defaults=True, widgets=widgets)
        model = notebook([])
        metadata = {"mine": 1, "widgets": {WIDGETS: json.loads(json.dumps(state))}}
        model["content"]["metadata"] = metadata
        return model

    return saved


@pytest.fixture
def question() -> Iterator[Dialog]:
    """An open question, as the page knows it too."""
    dialog = Dialog(FIRST, lambda answer: "", lambda: "<p>a record</p>", DropLedger(), bool)
    yield dialog
    dialog.end("")


@pytest.fixture
def slider() -> Iterator[ipywidgets.Widget]:
    """A widget of the user's, in a box with a class of its own."""
    inside = ipywidgets.IntSlider(3)
    box = ipywidgets.VBox([inside])
    box.add_class("mine")
    yield box
    for widget in (inside.style, inside.layout, inside, box.layout, box):
        widget.close()


def press(dialog: Dialog, *labels: str) -> None:
    for label in labels:
        (button,) = [each for each in dialog._box.children[1].children if each.description == label]
        button.click()


@pytest.mark.parametrize("pressed", [(), (SEE,), (SEE, HIDE)], ids=["asked", "seen", "hidden"])
def test_the_widgets_of_the_question_are_left_out_and_those_of_the_user_stay(
    saved: Callable[[], dict[str, Any]],
    slider: ipywidgets.Widget,
    question: Dialog,
    pressed: tuple[str, ...],
) -> None:
    press(question, *pressed)
    model = saved()
    assert ("a record" in str(model)) == (pressed == (SEE,))
    leave_out_marked(model=model)
    question.end("")
    assert model == saved(), "as if there had been no question"
    assert slider.model_id in model["content"]["metadata"]["widgets"][WIDGETS]["state"]


def test_no_entry_for_widgets_is_left_where_the_question_had_the_only_ones(
    saved: Callable[[], dict[str, Any]], question: Dialog
) -> None:
    model = saved()
    leave_out_marked(model=model)
    assert model["content"]["metadata"] == {"mine": 1}


def test_an_entry_for_widgets_that_is_not_of_the_question_stays_as_it_is(
    saved: Callable[[], dict[str, Any]],
) -> None:
    model = saved()
    leave_out_marked(model=model)
    assert model == saved()


NAMES = ("cells", "outputs", "metadata", MARK, "widgets", WIDGETS, "state", "_dom_classes")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(("x", CLASS, "IPY_MODEL_x")),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from((*NAMES, "x")), inner),
)


@given(ANYTHING)
def test_whatever_a_client_sends_can_be_saved(content: Any) -> None:
    leave_out_marked(model={"type": "notebook", "content": content})


@pytest.mark.parametrize(
    "content",
    [
        "x",
        {"cells": None},
        {"cells": ["a"]},
        {"cells": [{"outputs": "x"}, {"outputs": ["x", {"metadata": 1}]}]},
        {"cells": [], "metadata": {"widgets": ["x"]}},
        {"cells": [], "metadata": {"widgets": {WIDGETS: {"state": {"x": {"state": "x"}}}}}},
    ],
)
def test_what_is_no_notebook_of_ours_stays_as_it_is(content: Any) -> None:
    model = {"type": "notebook", "content": content}
    before = copy.deepcopy(model)
    leave_out_marked(model=model)
    assert model == before


@pytest.mark.parametrize(
    "model",
    [
        {"type": "file", "content": "text", "format": "text"},
        {"type": "directory"},
        {"type": "notebook", "content": None},
        {"type": "notebook"},
    ],
)
def test_what_is_no_notebook_is_left_as_it_is(model: dict[str, Any]) -> None:
    before = copy.deepcopy(model)
    leave_out_marked(model=model)
    assert model == before
