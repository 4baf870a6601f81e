"""What is read of a Jupyter server's events; ``tests/privacy/test_server.py`` runs a real one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dev_analytics.catalogue.events import FILE_KINDS
from dev_analytics.observers import server
from dev_analytics.observers.server import file_kind


def test_the_import_in_every_server_is_tiny() -> None:
    """Nothing but the package itself, beside Python's own."""
    code = "import sys, dev_analytics; dev_analytics._jupyter_server_extension_points(); "
    code += "print(sorted(name for name in sys.modules if name.startswith('dev_analytics')), "
    code += "[name for name in ('IPython', 'traitlets', 'msgspec') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['dev_analytics'] []\n"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a/b.ipynb", "notebook"),
        ("B.PY", "python"),
        ("README.md", "markdown"),
        ("data.tar.gz", "archive"),
        ("v1.2/folder", "other"),
        (".env", "other"),
        ("noending", "other"),
        ("x.", "other"),
        ("", "other"),
    ],
)
def test_the_kind_of_a_file_is_read_from_its_ending(path: str, kind: str) -> None:
    assert file_kind(path) == kind


def test_every_kind_that_is_looked_up_is_in_the_catalogue() -> None:
    assert set(server._KINDS.values()) | {"other"} == FILE_KINDS.members
