"""Lets ``make coverage`` measure the sender too, whose environment holds nothing of coverage's own.

`make coverage` copies this module into ``.venv``, with a ``.pth`` file that imports it at the start
of every Python of ``.venv``. It does nothing unless ``PYTHON_MEASURED``, which the sender is given
like all variables that begin so, names the checkout.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "PYTHON_MEASURED"
ENTRY = Path("dev_analytics", "process", "entry.py")

if (checkout := os.environ.get(VARIABLE)) and Path(*sys.orig_argv[-2:-1]).parts[-3:] == ENTRY.parts:
    # The sender begins in a folder of the user's.
    os.environ["COVERAGE_FILE"] = str(Path(checkout, ".venv", "coverage", "data"))
    os.environ["COVERAGE_PROCESS_START"] = str(Path(checkout, "pyproject.toml"))
    import coverage

    coverage.process_startup()
