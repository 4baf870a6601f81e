"""What runs: front end, versions and system, recognised by fixed signs, never by names.

Signs of a front end are variables that are set, the kernel's ancestor programs, the form of a
request, and the word of the Jupyter server that started the kernel. `docs/front-ends.md` lists what
was observed for each.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable
from typing import Any, Final

from dev_analytics.catalogue.versions import installed_version
from dev_analytics.process.request import VSCODE, cell_id

SERVERS: Final = {"lab": "jupyterlab", "notebook": "notebook", "nbclassic": "nbclassic"}
"""The front ends of the applications of a Jupyter server, by the names of the applications."""

_SERVICES: Final = {
    "DATABRICKS_RUNTIME_VERSION": "databricks",
    "KAGGLE_KERNEL_RUN_TYPE": "kaggle",
    "COLAB_RELEASE_TAG": "colab",
    "DEEPNOTE_PROJECT_ID": "deepnote",
}
"""Variables of services that own the whole machine; it is only read whether they are set."""

_APPLICATIONS: Final = {
    "VOILA_REQUEST_URL": "voila",
    "SPY_PYTHONPATH": "spyder",
    "PYCHARM_HOSTED": "pycharm",
    "VSCODE_PID": "vscode",
}
"""Variables that an application sets for the kernels that it starts."""

_HUB: Final = "JUPYTERHUB_SERVICE_PREFIX"

_PROGRAMS: Final = {
    "jupyter-console": "jupyter console",
    "jupyter_console": "jupyter console",
    "jupyter-qtconsole": "qtconsole",
    "qtconsole": "qtconsole",
    "jupyter-nbconvert": "nbconvert",
    "nbconvert": "nbconvert",
    "papermill": "papermill",
    "voila": "voila",
    "jupyter-voila": "voila",
    "spyder": "spyder",
    "spyder_kernels.console": "spyder",
    "jupyter-lab": "jupyterlab",
    "jupyterlab": "jupyterlab",
    "jupyter-notebook": "notebook",
    "notebook": "notebook",
    "jupyter-nbclassic": "nbclassic",
    "nbclassic": "nbclassic",
    "jupyterhub-singleuser": "jupyterhub",
    "jupyterhub.singleuser": "jupyterhub",
    "jupyter-labhub": "jupyterhub",
}
_KERNELS: Final = ("ipykernel_launcher", "ipykernel")
_PAGES: Final = ("jupyterlab", "notebook", "nbclassic", "jupyterhub")
"""Front ends that are pages of a Jupyter server."""

_SYSTEMS: Final = {"win32": "windows", "cygwin": "windows", "emscripten": "wasm", "wasi": "wasm"}


def launch(shell: Any, variables: Collection[str], page: str, server: str) -> dict[str, object]:
    """Return the properties of ``launched``.

    Parameters
    ----------
    shell
        The InteractiveShell.
    variables
        The names of the variables of the process.
    page
        What `page` returned for a request to run a cell; empty if there was none.
    server
        What a Jupyter server left for its kernels, as `server_word` wrote it; empty if none did.
    """
    front = "ipython terminal"
    if hasattr(shell, "kernel"):
        from dev_analytics.process.ancestors import programs

        front = frontend(variables, programs(), page, server)
    return {
        "frontend": front,
        "python": installed_version(""),
        "ipython": installed_version("ipython"),
        "os": _SYSTEMS.get(sys.platform, sys.platform),
        "version": installed_version("dev-analytics"),
    }


def page(request: Any) -> str:
    """Return the kind of page that sent `request`, by its form, in a word of this module.

    ``"vscode"`` and ``"colab"`` name cells in ways of their own, ``"cells"`` is a page that names
    them in the usual way, ``"no cells"`` one that does not name them; empty if no cell is run.
    """
    if not isinstance(request, dict):
        return ""
    header = request.get("header")
    if not isinstance(header, dict) or header.get("msg_type") != "execute_request":
        return ""
    cell = cell_id(request)
    if cell.startswith(VSCODE):
        return "vscode"
    if not cell:
        return "no cells"
    return "colab" if "cellId" not in request["metadata"] else "cells"


def frontend(variables: Collection[str], above: Iterable[str], page: str, server: str = "") -> str:
    """Return a kernel's front end; the parameters are those of `launch`.

    A Jupyter server counts as the application that it was started as: a page of another application
    that it also serves is not distinguished, except for the classic notebook, which does not name
    cells. `above` has the programs of the kernel and its ancestors, the nearest first.
    """
    for variable, name in _SERVICES.items():
        if variable in variables:
            return name
    program = _nearest(above)
    if program and program not in _PAGES:
        return program
    if page in ("vscode", "colab"):
        return page
    for variable, name in _APPLICATIONS.items():
        # A server that was started in VS Code's terminal has VS Code's variable, but other cells.
        if variable in variables and not (name == "vscode" and page == "cells"):
            return name
    if _HUB in variables:
        return "jupyterhub"
    program = program or _word(server)
    if program == "notebook" and page == "no cells":
        return "nbclassic"
    return program or "jupyter kernel"


def server_word(application: str) -> str:
    """Return what a Jupyter server leaves for its kernels: as which application it was started."""
    return f"{SERVERS.get(application, '')} {os.getpid()}"


def _word(left: str) -> str:
    """Return the word of the server that started this kernel; empty if another one left it."""
    word, _, pid = left.partition(" ")
    return word if word in _PAGES and pid == str(os.getppid()) else ""


def _nearest(above: Iterable[str]) -> str:
    """Return the nearest front end; a program that another kernel's cell started has none."""
    for number, name in enumerate(above):
        if name in _PROGRAMS:
            return _PROGRAMS[name]
        if number and name in _KERNELS:
            return ""
    return ""
