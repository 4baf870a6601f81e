"""Several notebooks of one user at once: one question, one answer for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from dev_analytics.consent.asking.question import ON

LOAD = "%load_ext dev_analytics"


# What each answer says in the other notebooks is tried without a page, with real kernels.
@pytest.mark.parametrize("front_end", ["notebook"], indirect=True)
def test_only_one_notebook_asks_and_the_answer_in_one_holds_in_all(
    open_notebook: Callable[..., Any], stored: Any, log: Any
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
    other.button("Yes").click()
    expect(other.question).to_have_count(0)
    expect(other.below(2)).to_contain_text(ON)

    expect(one.question).to_have_count(1)
    asked = len(log.records)
    one.run(1)
    expect(one.question).to_have_count(0)
    expect(one.below(0)).to_contain_text(ON)
    assert [list(output["data"]) for output in one.outputs(0)] == [["text/plain"]]
    assert stored.answer == "yes"
    assert {record["distinct_id"] for record in log.records[asked:]} == {stored.user}
