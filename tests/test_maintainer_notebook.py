"""The notebook of a maintainer's questions: its answers are the truths that were put in."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

FOLDER = Path(__file__).parent.parent / "notebooks"


@pytest.fixture(scope="module")
def population() -> Any:
    """The module that makes a population."""
    spec = importlib.util.spec_from_file_location("population", FOLDER / "population.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["population"] = module
    spec.loader.exec_module(module)
    return module


def test_its_answers_are_the_truths(population: Any, own_sockets: Callable[[], Config]) -> None:
    notebook = nbformat.read(FOLDER / "maintainer.ipynb", as_version=4)
    resources = {"metadata": {"path": FOLDER}}
    NotebookClient(notebook, config=own_sockets(), timeout=240, resources=resources).execute()
    said, plots = {}, 0
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        plots += sum("image/png" in output.get("data", {}) for output in outputs)
        said[cell["id"]] = "".join(output.get("text", "") for output in outputs)
    assert plots == 4
    truth = population.Population(300)
    lines = list(truth.lines())
    assert said["load"].startswith(
        f"{len(lines):,} records of 300 users in {population.WEEKS} weeks"
    )
    assert f"newest week: {population.RISING} " in said["models"]
    every = 1000 / population.CELLS_FOR_AN_ERROR[population.BAD_VERSION]
    version, _, rate = said["errors"].partition("version ")[2].partition(" (")
    assert version == population.BAD_VERSION
    assert int(rate.split()[0]) == pytest.approx(every, abs=3)
    assert f"fails most: {population.BAD_FORMAT} (25 in" in said["formats"]
    life = {line.split()[0]: line.split()[1::2] for line in said["features"].splitlines()}
    begins = population.BEGINS.date().isoformat()
    assert life[population.COMES[1]][0] > begins
    assert life[population.GOES[1]][1] < max(last for _, last in life.values())
    back = float(said["retention"].split(":")[1].split()[0])
    assert back == pytest.approx(100 * population.STAYS, abs=10)
