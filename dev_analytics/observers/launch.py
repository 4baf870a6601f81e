"""What runs: front end, versions and system, told from closed signs and never from names."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any, Final

from dev_analytics.catalogue.values import installed_version

_SIGNS: Final = (
    ("DATABRICKS_RUNTIME_VERSION", "databricks"),
    ("KAGGLE_KERNEL_RUN_TYPE", "kaggle"),
    ("COLAB_RELEASE_TAG", "colab"),
    ("DEEPNOTE_PROJECT_ID", "deepnote"),
    ("SPY_PYTHONPATH", "spyder"),
    ("PYCHARM_HOSTED", "pycharm"),
    ("VSCODE_PID", "vscode"),
)
"""Variables that front ends set, and whose; only whether they are set is read."""

_SYSTEMS: Final = {"win32": "windows", "cygwin": "windows", "emscripten": "wasm", "wasi": "wasm"}


def launch(shell: Any, variables: Collection[str]) -> dict[str, object]:
    """Give the properties of ``launched``."""
    return {
        "frontend": frontend(is_kernel=hasattr(shell, "kernel"), variables=variables),
        "python": installed_version(""),
        "ipython": installed_version("ipython"),
        "os": _SYSTEMS.get(sys.platform, sys.platform),
        "version": installed_version("dev-analytics"),
    }


def frontend(*, is_kernel: bool, variables: Collection[str]) -> str:
    """Name the front end; a Jupyter kernel cannot tell JupyterLab from Jupyter Notebook."""
    if not is_kernel:
        return "ipython terminal"
    for variable, name in _SIGNS:
        if variable in variables:
            return name
    return "jupyter kernel"
