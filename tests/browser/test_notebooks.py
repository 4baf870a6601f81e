"""Several notebooks of one user at once: one question, one answer for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from dev_analytics.consent.asking.question import DISABLED, ON

LOAD = "%load_ext dev_analytics"


@pytest.mark.parametrize(
    ("front_end", "name", "there", "here"),
    [
        ("lab", "Yes", ON, ON),
        ("notebook", "No", DISABLED, "Analytics stay off: you opted out permanently."),
    ],
    indirect=["front_end"],
    ids=["lab", "notebook"],
)
def test_only_one_notebook_asks_and_the_answer_in_one_holds_in_all(
    open_notebook: Callable[..., Any],
    stored: Any,
    log: Any,
    name: str,
    there: str,
    here: str,
) -> None:
    one = open_notebook(LOAD, "1 + 1")
    one.run(0)
    expect(one.question).to_have_count(1)

    other = open_notebook(LOAD, "2 + 2", "%dev_analytics on")
    other.run(0, 1)
    expect(other.below(1)).to_have_text("4")
    assert other.question.count() == 0, "one question at a time"
    other.run(2)
    expect(other.question).to_have_count(1)
    assert not other.text_below(0)
    other.button(name).click()
    expect(other.question).to_have_count(0)
    expect(other.below(2)).to_contain_text(there)

    expect(one.question).to_have_count(1)
    asked = len(log.records)
    one.run(1)
    expect(one.question).to_have_count(0)
    expect(one.below(0)).to_contain_text(here)
    assert [list(output["data"]) for output in one.outputs(0)] == [["text/plain"]]
    assert stored.answer == name.lower()
    assert {record["distinct_id"] for record in log.records[asked:]} == {stored.user}
