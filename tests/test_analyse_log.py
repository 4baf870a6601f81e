"""The notebook of a maintainer's questions: it runs as it is, and its answers are right."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "analyse_log.ipynb"
SAMPLE = ROOT / "docs" / "sample-analytics.jsonl"


@pytest.fixture(scope="module")
def answers(own_sockets: Callable[[], Config]) -> dict[str, str]:
    """Run it in a real kernel, and give the text of each cell's outputs."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook,
        config=own_sockets(),
        timeout=240,
        resources={"metadata": {"path": NOTEBOOK.parent}},
    )
    client.execute()
    assert not list(NOTEBOOK.parent.glob("*.sqlite"))
    return {cell["id"]: shown(cell) for cell in notebook.cells if cell.cell_type == "code"}


def shown(cell: Any) -> str:
    parts = []
    for output in cell.outputs:
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text
        parts.append(output.get("text") or output["data"]["text/plain"])
    return "\n".join(parts)


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in SAMPLE.read_text("utf-8").splitlines()]


def test_its_answers_are_those_of_the_log(
    answers: dict[str, str], records: list[dict[str, Any]]
) -> None:
    sessions = {record["properties"]["$session_id"] for record in records}
    assert answers["load"].startswith(f"1,000 records, {len(sessions)} sessions, 1 users,")
    said = [record["properties"] for record in records]
    models = Counter(each["$ai_model"] for each in said if "$ai_model" in each)
    features = Counter(each["name"] for each in said if "name" in each)
    errors = Counter(each["exception"] for each in said if "exception" in each)
    for cell, names in (
        *(("models", models), ("sql-models", models)),
        *(("features", features), ("sql-features", features)),
        *(("errors", errors), ("sql-errors", errors)),
    ):
        for name, number in names.items():
            assert re.search(rf"\b{re.escape(name)}\b.*\b{number}\b", answers[cell]), (cell, name)
    took = sorted(each["duration_ms"] for each in said if "duration_ms" in each)
    assert answers["sql-cells"].split()[-3:] == [
        *(str(len(took)), str(took[len(took) // 2 - 1]), str(took[-(-len(took) * 9 // 10) - 1])),
    ]
    assert answers["gaps"].startswith(f"0 records are missing in 0 of {len(sessions)} sessions")
    assert answers["sql-gaps"].split()[-3:] == [str(len(sessions)), "0", "0"]


def test_it_is_saved_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in cells)
    assert len({cell["id"] for cell in cells}) == len(cells)
