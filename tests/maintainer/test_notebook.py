"""The notebook of a maintainer's questions: its answers are the truths that were put in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

from dev_analytics.maintainer.questions import questions

FOLDER = Path(__file__).parents[2] / "notebooks"


def test_the_notebook_s_answers_are_those_of_the_population(
    population: Any, own_sockets: Callable[[], Config]
) -> None:
    """Every question is asked, has its picture if it has one, and its answer is what was put in."""
    notebook = nbformat.read(FOLDER / "maintainer.ipynb", as_version=4)
    resources = {"metadata": {"path": FOLDER}}
    NotebookClient(notebook, config=own_sockets(), timeout=240, resources=resources).execute()
    said, tables = {}, {}
    pictures = set()
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        said[cell["id"]] = "".join(output.get("text", "") for output in outputs)
        shown = [output.get("data", {}) for output in outputs]
        tables[cell["id"]] = "".join(data.get("text/html", "") for data in shown)
        pictures |= {cell["id"] for data in shown if "image/png" in data}
    every = questions()
    for question in every:
        assert tables[question.name].count("<tr>") > 1, f"{question.name} has no answer"
    assert pictures == {each.name for each in every if each.drawing.kind != "table"}
    truth = population.Population(300)
    lines = list(truth.lines())
    assert said["load"].startswith(f"{len(lines):,} records")
    assert f"newest week: {population.RISING} " in said["models_by_week"]
    per_thousand = 1000 / population.CELLS_FOR_AN_ERROR[population.BAD_VERSION]
    version, _, rate = said["error_rate"].partition("version ")[2].partition(" (")
    assert version == population.BAD_VERSION
    assert int(rate.split()[0]) == pytest.approx(per_thousand, abs=3)
    assert f"fails most: {population.BAD_FORMAT} (25 per hundred)" in said["edit_formats"]
    life = {line.split()[0]: line.split()[1::2] for line in said["feature_life"].splitlines()}
    begins = population.BEGINS + timedelta(weeks=1)
    assert life[population.COMES[1]][0] > begins.date().isoformat()
    ends = population.BEGINS + timedelta(weeks=population.WEEKS - 1)
    assert life[population.GOES[1]][1] < ends.date().isoformat()
    back = float(said["retention"].split(":")[1].split()[0])
    assert back == pytest.approx(100 * population.STAYS, abs=10)
    for model, number in truth.truth.requests.items():
        assert (
            f"<td>{model}</td><td>{len(truth.truth.users_of_model[model])}</td><td>{number}"
            in (tables["models"])
        )
