"""The question and the user's cells: neither is in the other's way."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from dev_analytics.consent.asking.question import DISABLED, ON

LOAD = "%load_ext dev_analytics"
CLEAR = "from IPython.display import clear_output\nclear_output()"
SECONDS = re.compile(r"^[0-9.]+\s*$")


# How a cell waits is its kernel's affair, and no front end's: each has one way.
@pytest.mark.parametrize(
    ("front_end", "imported", "sleep", "at_once"),
    [
        ("lab", "time", "time.sleep(0.1)", False),
        ("notebook", "asyncio", "await asyncio.sleep(0.1)", True),
    ],
    indirect=["front_end"],
    ids=["lab-sleep", "notebook-await"],
)
def test_an_answer_during_a_long_cell_neither_waits_in_vain_nor_holds_the_cell_up(
    open_notebook: Callable[..., Any],
    stored: Any,
    log: Any,
    until: Callable[[Callable[[], bool]], None],
    tmp_path: Path,
    imported: str,
    sleep: str,
    at_once: bool,
) -> None:
    # The user's cell is as long as the test wants it to be; how it waits is what is tried.
    begun, end = tmp_path / "begun", tmp_path / "end"
    wait = f"begun.touch()\nwhile not end.exists():\n    {sleep}"
    long = f"start = monotonic()\n{wait}\nprint(monotonic() - start)"
    paths = f"begun, end = Path({str(begun)!r}), Path({str(end)!r})"
    first = f"import {imported}\nfrom pathlib import Path\nfrom time import monotonic\n{paths}"
    notebook = open_notebook(LOAD, first, long, "1 + 1")
    notebook.run(0, 1)
    expect(notebook.question).to_have_count(1)
    notebook.start(2)
    until(begun.exists)
    notebook.button("Yes").click()
    if at_once:
        until(lambda: stored.answer == "yes")
    assert notebook.runs(), "the cell goes on, and the answer holds where it can be heard"
    end.touch()
    notebook.wait()
    expect(notebook.below(2)).to_have_text(SECONDS)
    seconds = float(notebook.text_below(2))
    expect(notebook.below(0)).to_have_text(ON)
    user = stored.user
    notebook.run(3)
    expect(notebook.below(3)).to_have_text("2")
    assert log.records[-1]["distinct_id"] == user
    *_, slept, _ = log.of("cell executed")
    assert slept["outcome"] == "ok"
    assert slept["duration_ms"] >= 950 * seconds, "rounded to two digits"


# A front end clears outputs, and only the kernel captures them.
@pytest.mark.parametrize(
    ("front_end", "cell", "left"),
    [(front_end, f"{LOAD}\nprint('gone')\n{CLEAR}", "") for front_end in ("lab", "notebook")]
    + [("lab", f"%%capture kept\n{LOAD}\nprint('captured')", "'captured\\n'")],
    indirect=["front_end"],
    ids=["lab-clear_output", "notebook-clear_output", "lab-capture"],
)
def test_a_cell_that_takes_its_outputs_away_leaves_the_question(
    open_notebook: Callable[..., Any], stored: Any, log: Any, cell: str, left: str
) -> None:
    notebook = open_notebook(cell, "kept.stdout if 'kept' in dir() else None")
    notebook.run(0, 1)
    expect(notebook.question).to_have_count(1)
    # What it took away is its own, and never the question.
    expect(notebook.below(1)).to_have_text([left] if left else [])
    notebook.button("No").click()
    expect(notebook.below(0)).to_contain_text(DISABLED)
    assert [list(output["data"]) for output in notebook.outputs(0)] == [["text/plain"]]
    assert stored.answer == "no"
    assert {record["distinct_id"] for record in log.records} == {None}
