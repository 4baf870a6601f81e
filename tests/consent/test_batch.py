"""Notebooks run with nobody there: what is written is the same with the extension and without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

CELLS = (
    "1 + 1",
    "print('shown'); import sys; print('seen', file=sys.stderr)",
    "from IPython.display import HTML, display\ndisplay(HTML('<b>bold</b>'))",
    "%%capture held\nprint('held')",
    "from IPython.display import clear_output\nprint('gone'); clear_output(); print('kept')",
    "!echo from the shell",
    "%timeit -n1 -r1 -q pass",
    "import asyncio\nawait asyncio.sleep(0.01)",
    "def broken(): raise ValueError('broken')\nbroken()",
    "x = 'after the error'\nx",
)
STARTUP = "get_ipython().extension_manager.load_extension('dev_analytics')\n"
RUNNERS = {
    "nbconvert": (
        *("-m", "nbconvert", "--execute", "--to", "notebook", "--allow-errors", "--inplace"),
        *("--ExecutePreprocessor.record_timing=False", "n.ipynb"),
    ),
    "nbclient": (
        "-c",
        "import nbformat, nbclient; n = nbformat.read('n.ipynb', 4);"
        "nbclient.NotebookClient(n, allow_errors=True, record_timing=False).execute();"
        "nbformat.write(n, 'n.ipynb')",
    ),
    "papermill": (
        *("-m", "papermill", "--no-progress-bar", "--no-request-save-on-cell-execute"),
        *("n.ipynb", "n.ipynb"),
    ),
}
TIMES = "execution", "papermill"


def run(folder: Path, home: Path, runner: str, *, loaded: bool) -> tuple[dict[str, Any], str]:
    """Run the notebook, and give the file that was written and what the runner printed."""
    startup = home / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "50.py").write_text(STARTUP if loaded else "")
    folder.mkdir()
    # papermill ends at the first error, and writes a cell of its own about it.
    codes = CELLS[:-2] if runner == "papermill" else CELLS
    cells = [new_markdown_cell("# A notebook"), *map(new_code_cell, codes)]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    notebook = new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "p", "language": "python"}
    nbformat.write(notebook, folder / "n.ipynb")
    done = subprocess.run(
        [sys.executable, *RUNNERS[runner]],
        cwd=folder,
        env={**os.environ, "IPYTHONDIR": str(home / "ipython"), "DEV_ANALYTICS": "on"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads((folder / "n.ipynb").read_text("utf-8")), done.stdout + done.stderr


def without_times(notebook: dict[str, Any]) -> dict[str, Any]:
    """Leave out what tells when and how long each cell ran."""
    for part in (notebook, *notebook["cells"]):
        for name in TIMES:
            part["metadata"].pop(name, None)
    return notebook


@pytest.mark.parametrize("runner", RUNNERS)
def test_the_file_is_the_same_with_the_extension_and_without(
    tmp_path: Path, data: Path, runner: str
) -> None:
    with_it, said = run(tmp_path / "with", tmp_path / "home with", runner, loaded=True)
    without, said_without = run(tmp_path / "out", tmp_path / "home out", runner, loaded=False)
    assert '"shown\\n"' in json.dumps(with_it), "the notebook was run"
    assert without_times(with_it) == without_times(without)
    assert "widgets" not in with_it["metadata"]
    for word in ("analytics", "privacy"):
        assert word not in said
        assert word not in said_without
    assert not data.exists(), "nobody was there, so nothing was stored"


def test_the_extension_was_loaded_in_these_runs(
    tmp_path: Path, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison would hold of an extension that is not there, so look for its log."""
    monkeypatch.setenv("DEV_ANALYTICS_LOG", str(log.path))
    run(tmp_path / "with", tmp_path / "home", "nbclient", loaded=True)
    assert log.events.count("cell executed") == len(CELLS)
