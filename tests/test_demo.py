"""The demo: it shows every event, nothing of the notebook's own, and leaves nothing behind."""

from __future__ import annotations

import ast
import builtins
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
TOUR = NOTEBOOKS / "tour.ipynb"
PUBLIC = {"diff", "gpt", "mini", "llama3", "user"}
"""Words of the notebook that the vocabularies have too: they may be shown."""
LISTS = re.compile(
    r"time +event +properties\n(?P<table>.+?)\n\n"
    r".+?:\n\n(?P<counts>.+?)\n\n"
    r".+?:\n\n(?P<record>.+?)\n\n"
    r".+?:\n\n.+?\n\nevent +records +longest_ms\n(?P<archive>.+?)\n\n"
    r".+?\n\nprovider +model +fine_tuned +edit_format +calls +tokens_in +tokens_out\n"
    r"(?P<models>.+)\n",
    re.DOTALL,
)


def demo(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, NOTEBOOKS / "demo.py", *arguments],
        env={**os.environ, "TMPDIR": str(temporary), "CI": "true", "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert list(temporary.iterdir()) == []
    return done


@pytest.fixture(scope="module")
def code_cells() -> list[str]:
    cells = nbformat.read(TOUR, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


@pytest.mark.usefixtures("hostile_machine")
def test_the_demo_shows_what_was_recorded(
    tmp_path: Path, data: Path, code_cells: list[str]
) -> None:
    done = demo(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "Allow collection of anonymous analytics" in done.stdout
    found = LISTS.search(done.stdout)
    assert found, done.stdout
    table = found["table"].splitlines()
    assert all(len(line) <= 100 for line in table)
    events = Counter(line[10:25].strip() for line in table if not line.startswith(" "))
    counts = dict(line.split(maxsplit=1)[::-1] for line in found["counts"].splitlines())
    assert counts == {event: str(number) for event, number in events.items()}
    assert set(events) == {
        "launched",
        "cell executed",
        "feature used",
        "command run",
        "error raised",
        "$ai_generation",
        "exited",
    }
    assert events["cell executed"] == len(code_cells) - 1, "all but the one that loads it"
    assert events["error raised"] == 1, "the error that was handled is none"
    for shown in (
        "outcome=error",
        "exception=ValueError, exact=False, package=user code, phase=cell",
        "kind=cell magic, name=time",
        "kind=line magic, name=timeit",
        "kind=line magic, name=precision",
        "kind=line magic, name=pwd",
        "kind=shell command, name=python",
        "command=on",
        "reason=end of process",
    ):
        assert shown in found["table"]
    record = json.loads(found["record"])
    assert record["event"] == "cell executed"
    assert record["distinct_id"] is not None
    rows = [re.split(" {2,}", line.strip()) for line in found["archive"].splitlines()]
    archived = {event: records for event, records, _ in rows}
    # What came before the yes is in no archive: the cells that load the extension and agree.
    left_out = {event: int(counts[event]) - int(archived.get(event, 0)) for event in counts}
    assert {event: number for event, number in left_out.items() if number} == {
        "launched": 1,
        "cell executed": 1,
        "feature used": 1,
        "command run": 1,
    }
    assert [line.split() for line in found["models"].strip().splitlines()] == [
        ["local", "gpt-4o", "-", "diff", "1", "8", "10"],
        ["local", "gpt-4o-mini", "1", "diff", "1", "8", "10"],
        ["local", "other", "-", "diff", "1", "8", "10"],
        ["ollama", "llama3.2", "-", "-", "1", "8", "10"],
    ]
    assert not data.exists(), "the user's own directory was touched"
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.usefixtures("hostile_machine")
def test_the_demo_shows_nothing_of_the_notebook(tmp_path: Path, code_cells: list[str]) -> None:
    done = demo(tmp_path)
    found = LISTS.search(done.stdout)
    assert found
    lists = (found[name] for name in ("table", "record", "archive", "models"))
    shown = set(re.findall(r"\w+", "".join(lists)))
    assert own_words(code_cells) & shown == set()


def own_words(cells: list[str]) -> set[str]:
    """Every name and every word of a text that the notebook's cells make up."""
    words: set[str] = set()
    for cell in cells:
        lines = [line for line in cell.splitlines() if not line.startswith(("%", "!"))]
        for node in ast.walk(ast.parse(TransformerManager().transform_cell("\n".join(lines)))):
            match node:
                case ast.Name(id=name, ctx=ast.Store()) | ast.ClassDef(name=name):
                    words.add(name)
                case ast.Constant(value=str(text)):
                    words.update(re.findall(r"\w{3,}", text))
    assert {"TideTableError", "Cuxhaven", "heights", "measurement"} <= words
    assert {"spring", "harbourmaster", "oracle"} <= words, "of questions and of private models"
    return words - set(dir(builtins)) - PUBLIC


@pytest.mark.parametrize(
    ("source", "said"),
    [("%load_ext dev_analytics\n1 / 0", "ZeroDivisionError"), ("1", "The event log is empty")],
)
def test_a_notebook_that_fails_or_records_nothing_fails_the_demo(
    tmp_path: Path, source: str, said: str
) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbformat.write(notebook, tmp_path / "other.ipynb")
    done = demo(tmp_path, str(tmp_path / "other.ipynb"))
    assert done.returncode == 1
    assert said in done.stderr


def test_the_tour_is_stored_without_outputs_and_is_valid() -> None:
    notebook = nbformat.read(TOUR, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
