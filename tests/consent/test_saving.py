"""What a notebook's file keeps of an open question: nothing, and everything else stays."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics.consent.dialog import MARK
from dev_analytics.consent.saving import leave_out_question

QUESTION = {"output_type": "display_data", "data": {"text/plain": "?"}, "metadata": {MARK: True}}
OTHERS: list[dict[str, Any]] = [
    {"output_type": "stream", "name": "stdout", "text": "printed"},
    {"output_type": "display_data", "data": {"text/plain": "1"}, "metadata": {}},
    {"output_type": "execute_result", "data": {}, "metadata": {"mine": 1}, "execution_count": 1},
    {"output_type": "error", "ename": "E", "evalue": "", "traceback": []},
]


def notebook(outputs: list[dict[str, Any]]) -> dict[str, Any]:
    code = {"cell_type": "code", "source": "1", "metadata": {}, "outputs": outputs}
    text = {"cell_type": "markdown", "source": "# A title", "metadata": {}}
    return {"type": "notebook", "content": {"cells": [text, code], "metadata": {}}}


@given(st.lists(st.sampled_from([*OTHERS, QUESTION])))
def test_the_question_is_left_out_and_all_else_stays(outputs: list[dict[str, Any]]) -> None:
    model = notebook(copy.deepcopy(outputs))
    leave_out_question(model=model, path="n.ipynb")
    assert model == notebook([output for output in outputs if output is not QUESTION])


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
    leave_out_question(model=model)
    assert model == before
