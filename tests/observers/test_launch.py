"""What runs is told from closed signs, and each session begins and ends once."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import IPython
import pytest

from dev_analytics import __version__
from dev_analytics.catalogue.events import FRONTENDS, SYSTEMS
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.observers.launch import frontend, launch, page, server_word

MARK = "zqxmark"
SIGNS = {
    "DATABRICKS_RUNTIME_VERSION": "databricks",
    "KAGGLE_KERNEL_RUN_TYPE": "kaggle",
    "COLAB_RELEASE_TAG": "colab",
    "DEEPNOTE_PROJECT_ID": "deepnote",
    "SPY_PYTHONPATH": "spyder",
    "PYCHARM_HOSTED": "pycharm",
    "VSCODE_PID": "vscode",
    "VOILA_REQUEST_URL": "voila",
    "JUPYTERHUB_SERVICE_PREFIX": "jupyterhub",
}
PROGRAMS = {
    "jupyter-lab": "jupyterlab",
    "jupyter-notebook": "notebook",
    "jupyter-nbclassic": "nbclassic",
    "jupyter-console": "jupyter console",
    "jupyter-qtconsole": "qtconsole",
    "jupyter-nbconvert": "nbconvert",
    "papermill": "papermill",
    "voila": "voila",
    "spyder_kernels.console": "spyder",
    "jupyterhub-singleuser": "jupyterhub",
}
OWN = "ipykernel_launcher"


@pytest.mark.parametrize(("variable", "name"), SIGNS.items())
def test_a_front_end_is_recognised_by_a_variable_that_it_sets(variable: str, name: str) -> None:
    assert frontend({variable: MARK}, [], "") == name
    assert frontend({variable: ""}, [OWN, "bash", "jupyter-lab"], "") == name


@pytest.mark.parametrize(("program", "name"), PROGRAMS.items())
def test_a_front_end_is_recognised_by_the_nearest_ancestor_program(program: str, name: str) -> None:
    assert frontend({}, [OWN, MARK, program, "jupyter-lab", "jupyter-notebook"], "") == name


def test_what_a_cell_starts_is_not_in_the_front_end_of_the_cell() -> None:
    above = [OWN, "ipykernel_launcher", "jupyter-lab"]
    assert frontend({}, above, "no cells") == "jupyter kernel"
    assert frontend({}, [OWN, "papermill", *above], "no cells") == "papermill"


def test_a_page_is_recognised_by_its_way_to_name_cells() -> None:
    """A kernel elsewhere has no variable of VS Code's, and a server above it."""
    assert frontend({}, [OWN, "jupyter-lab"], "vscode") == "vscode"
    assert frontend({"VSCODE_PID": MARK}, [OWN, "jupyter-lab"], "cells") == "jupyterlab"
    assert frontend({}, [OWN, "jupyter-notebook"], "no cells") == "nbclassic"
    assert frontend({}, [OWN, "jupyter-notebook"], "cells") == "notebook"


def test_a_request_that_runs_no_cell_has_no_page() -> None:
    asks = {"msg_type": "execute_request"}
    given: list[object] = [None, [], {}, {"header": None}, {"header": {"msg_type": "comm_msg"}}]
    assert {page(request) for request in given} == {""}
    assert page({"header": asks, "metadata": {}}) == "no cells"
    assert page({"header": asks, "metadata": {"cellId": "7"}}) == "cells"


def test_a_server_s_word_counts_for_its_own_kernels_only(monkeypatch: pytest.MonkeyPatch) -> None:
    word = server_word("lab")
    monkeypatch.setattr(os, "getppid", os.getpid)
    assert frontend((), [], "cells", word) == "jupyterlab"
    assert frontend((), ["jupyter-console"], "no cells", word) == "jupyter console"
    assert frontend((), [], "cells", server_word(MARK)) == "jupyter kernel"
    assert frontend((), [], "", f"{MARK} {os.getpid()}") == "jupyter kernel"
    monkeypatch.undo()
    assert frontend((), [], "cells", word) == "jupyter kernel", "another's kernel"


def test_a_front_end_without_a_sign_is_recognised_by_its_shell() -> None:
    assert frontend({"HOME": MARK}, [MARK], "cells") == "jupyter kernel"
    for variable in ("HOME", "VSCODE_PID"):
        assert launch(SimpleNamespace(), {variable}, "", "")["frontend"] == "ipython terminal"


def test_the_vocabulary_has_exactly_the_front_ends_that_can_be_recognised() -> None:
    told = {*SIGNS.values(), *PROGRAMS.values(), "jupyter kernel", "ipython terminal"}

    assert told == FRONTENDS.members - {OTHER}


@pytest.mark.parametrize(
    ("name", "system"),
    [
        ("linux", "linux"),
        ("darwin", "darwin"),
        ("win32", "windows"),
        ("cygwin", "windows"),
        ("emscripten", "wasm"),
        ("wasi", "wasm"),
    ],
)
def test_the_system_is_one_of_four(monkeypatch: pytest.MonkeyPatch, name: str, system: str) -> None:
    monkeypatch.setattr(sys, "platform", name)

    assert launch(SimpleNamespace(), (), "", "")["os"] == system
    assert system in SYSTEMS.members


def launched(log: Any) -> dict[str, Any]:
    one: dict[str, Any]
    (one,) = log.of("launched")
    return one


def test_a_kernel_records_one_launch_and_one_exit(kernel: Any, log: Any) -> None:
    notebook = kernel({"DEV_ANALYTICS_LOG": str(log.path)})
    notebook.run("%load_ext dev_analytics")
    for code in ("x = 1", "1 / 0", "", "%%capture\nx = 2", "x ="):
        notebook.run(code)
    notebook.stop()

    assert launched(log) == {
        "frontend": "jupyter kernel",
        "python": platform.python_version(),
        "ipython": IPython.__version__,
        "os": sys.platform,
        "version": __version__,
    }
    (exited,) = log.of("exited")
    assert exited.pop("duration") >= 0
    assert exited == {"reason": "end of process", "cells": 4}
    assert log.events[0] == "launched"
    assert log.events[-1] == "exited"
    assert [record["properties"]["seq"] for record in log.records] == [
        *range(1, len(log.records) + 1)
    ]
    assert len({record["properties"]["$session_id"] for record in log.records}) == 1


def test_a_terminal_records_one_launch_and_one_exit(terminal: Any, log: Any) -> None:
    session = terminal("--DevAnalytics.sample_percent=0", env={"DEV_ANALYTICS_LOG": str(log.path)})
    session.prompt()
    session.run("%load_ext dev_analytics")
    session.run("x = 1")
    session.leave()

    assert launched(log)["frontend"] == "ipython terminal"
    (exited,) = log.of("exited")
    # "exit" is a cell too.
    assert (exited["reason"], exited["cells"]) == ("end of process", 2)
    assert log.events[-1] == "exited"


def test_a_child_that_a_kernel_forks_adds_no_end(kernel: Any, log: Any) -> None:
    notebook = kernel({"DEV_ANALYTICS_LOG": str(log.path)})
    notebook.run("%load_ext dev_analytics")

    # What the end of a process runs; IPython's part of it empties the namespace.
    ran = notebook.run(
        "import atexit, os\n"
        "def end(run=atexit._run_exitfuncs, leave=os._exit):\n"
        "    try:\n"
        "        run()\n"
        "    finally:\n"
        "        leave(0)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    end()\n"
        "print(os.waitpid(child, 0)[1])"
    )
    # From Python 3.12 on a fork beside threads is a warning, which may come before or after.
    assert "0" in ran.text.splitlines()
    assert "exited" not in log.events
    notebook.stop()

    assert log.events.count("exited") == 1


def test_a_child_that_a_script_forks_adds_no_end(log: Any, tmp_path: Path) -> None:
    script = tmp_path / "script.ipy"
    script.write_text(
        "%load_ext dev_analytics\n"
        "import os, sys\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    sys.exit()\n"
        "os.waitpid(child, 0)\n"
    )

    environment = {**os.environ, "DEV_ANALYTICS_LOG": str(log.path)}
    subprocess.run(
        [sys.executable, "-m", "IPython", str(script)], check=True, env=environment, timeout=240
    )

    assert log.events.count("launched") == 1
    assert log.events.count("exited") == 1
    assert log.records[-1]["properties"]["seq"] == len(log.records)
