"""Notebooks run with nobody there: the file has the same bytes with the extension and without."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dev_analytics import NOTICE
from dev_analytics.consent.store import ConsentStore

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
# Only Jupyter's own commands read where the kernels of a test listen.
CONFIG = (
    "import json, os; from pathlib import Path; from traitlets.config import Config;"
    "file = Path(os.environ['JUPYTER_CONFIG_DIR'], 'jupyter_config.json');"
    "c = Config(json.loads(file.read_text()));"
)
RUNNERS = {
    "nbconvert": (
        *("-m", "nbconvert", "--execute", "--to", "notebook", "--allow-errors", "--inplace"),
        *("--ExecutePreprocessor.record_timing=False", "n.ipynb"),
    ),
    "nbclient": (
        "-c",
        f"{CONFIG} import nbformat, nbclient; n = nbformat.read('n.ipynb', 4);"
        "nbclient.NotebookClient(n, config=c, allow_errors=True, record_timing=False).execute();"
        "nbformat.write(n, 'n.ipynb')",
    ),
    "papermill": (
        "-c",
        f"{CONFIG} import papermill;"
        "papermill.execute_notebook('n.ipynb', 'n.ipynb', config=c,"
        "progress_bar=False, request_save_on_cell_execute=False)",
    ),
}
TIME = re.compile(rb'"\d{4}-\d\d-\d\dT[^"]+"|(?<="duration": )[\d.]+')
"""When and how long it ran, which papermill writes into the file; the others are told not to."""

_without: dict[str, bytes] = {}


def run(folder: Path, home: Path, runner: str, code: str) -> tuple[bytes, str]:
    """Run the notebook in kernels that run `code` first.

    Gives the bytes of the file that was written, but for its times, and what the runner printed.
    """
    startup = home / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "50.py").write_text(code)
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
    written = (folder / "n.ipynb").read_bytes()
    return TIME.sub(b"null", written), done.stdout + done.stderr


@pytest.fixture
def without(tmp_path: Path) -> Callable[[str], bytes]:
    """Return the file that a runner writes without the extension."""

    def without(runner: str) -> bytes:
        if runner not in _without:
            _without[runner], _ = run(tmp_path / "out", tmp_path / "home out", runner, "")
        return _without[runner]

    return without


@pytest.mark.parametrize("runner", RUNNERS)
def test_the_file_is_the_same_with_the_extension_and_without(
    tmp_path: Path, data: Path, without: Callable[[str], bytes], runner: str
) -> None:
    with_it, said = run(tmp_path / "with", tmp_path / "home with", runner, STARTUP)
    assert b'"shown\\n"' in with_it, "the notebook was run"
    assert with_it == without(runner), "byte for byte"
    assert_silent(with_it, said)
    assert not data.exists(), "nobody was there, so nothing was stored"


@pytest.mark.parametrize("code", ["", "import newer\n"], ids=["agreed", "to an older notice"])
def test_the_file_is_the_same_where_the_user_agreed(
    tmp_path: Path,
    data: Path,
    log: Any,
    monkeypatch: pytest.MonkeyPatch,
    newer_catalogue: dict[str, str],
    without: Callable[[str], bytes],
    code: str,
) -> None:
    before = ConsentStore(data).agree(NOTICE, date.today())
    monkeypatch.setenv("DEV_ANALYTICS_LOG", str(log.path))
    monkeypatch.setenv("PYTHONPATH", newer_catalogue["PYTHONPATH"])
    with_it, said = run(tmp_path / "with", tmp_path / "home with", "nbclient", code + STARTUP)
    # The comparison would hold of an extension that is not there, so look for its log.
    assert log.events.count("cell executed") == len(CELLS)
    assert {record["distinct_id"] for record in log.records} == {before.user_id}
    assert with_it == without("nbclient"), "byte for byte"
    assert_silent(with_it, said)
    assert ConsentStore(data).read() == before, "nobody was asked, and nobody answered"


def assert_silent(written: bytes, said: str) -> None:
    """Find no word of ours in the file, nor in what the runner printed, and no widget."""
    assert b'"widgets"' not in written
    for word in ("analytics", "privacy"):
        assert word not in said
        assert word.encode() not in written


@pytest.mark.parametrize("off", ["DEV_ANALYTICS", "c.DevAnalytics.enabled"])
def test_a_batch_run_undoes_no_off_that_stood_outside_and_somebody_may(
    kernel: Callable[..., Any], data: Path, off: str
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    if off == "DEV_ANALYTICS":
        notebook = kernel({off: "off"})
    else:
        notebook = kernel(None, "--DevAnalytics.enabled=False")
    notebook.run("%load_ext dev_analytics")
    reason = f"switched off for this session by {off}, and nobody here can undo that"
    assert notebook.run("%dev_analytics on").text == f"Analytics stay off: {reason}.\n"
    for code in (
        "%dev_analytics off\n%dev_analytics on",
        "%config DevAnalytics.enabled = True",
        "%config DevAnalytics.enabled = None",
        "%env DEV_ANALYTICS=on",
        "%reload_ext dev_analytics",
    ):
        notebook.run(code)
        shown = notebook.run("%dev_analytics").text
        assert f"off: switched off for this session by {off}" in shown, code
    assert not (data / "spool").exists()
    notebook.run("%dev_analytics on", answers=())
    assert "on: you agreed" in notebook.run("%dev_analytics").text
