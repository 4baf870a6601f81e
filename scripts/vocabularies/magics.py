"""The magics that IPython and ipykernel register themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version

# In a process of its own: a shell changes the process it starts in.
PROGRAM = """
import importlib, json
SHELLS = (
    ("IPython.core.interactiveshell", "InteractiveShell"),
    ("IPython.terminal.interactiveshell", "TerminalInteractiveShell"),
    ("ipykernel.zmqshell", "ZMQInteractiveShell"),
)
names = {"line": set(), "cell": set()}
for module, name in SHELLS:
    shell = getattr(importlib.import_module(module), name)()
    for extension in ("autoreload", "storemagic"):
        shell.extension_manager.load_extension(extension)
    for kind, known in shell.magics_manager.magics.items():
        names[kind].update(known)
    type(shell).clear_instance()
print(json.dumps({kind: sorted(known) for kind, known in names.items()}))
"""


def described() -> str:
    """Name the source."""
    return f"IPython {version('ipython')} and ipykernel {version('ipykernel')}"


@cache
def registered() -> dict[str, list[str]]:
    """Return the names of the line magics and of the cell magics, aliases too."""
    with tempfile.TemporaryDirectory() as folder:
        shells = subprocess.run(
            (sys.executable, "-c", PROGRAM),
            env={**os.environ, "IPYTHONDIR": folder},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    names: dict[str, list[str]] = json.loads(shells.stdout.splitlines()[-1])
    return names
