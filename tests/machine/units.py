"""Which tests stay together on one of the workers that share a run: those of a file, mostly."""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadScopeScheduling

TOGETHER: Final = ("tests/browser/",)
"""Folders of which one worker runs everything: a server and a browser cost more than they save."""

APART: Final = (
    "tests/apps/test_autoload.py",
    "tests/apps/test_jupyter.py",
    "tests/consent/asking/test_notebook.py",
    "tests/consent/asking/test_without_a_person.py",
    "tests/consent/test_policy.py",
    "tests/delivery/test_launcher.py",
    "tests/delivery/test_sender.py",
    "tests/delivery/test_survival.py",
    "tests/machine/test_guard.py",
    "tests/observers/llm/test_hooks.py",
    "tests/observers/llm/test_methods.py",
    "tests/observers/llm/test_methods_apart.py",
    "tests/privacy/test_server.py",
)
"""Long files whose tests share nothing, not even a result: whoever is free takes a function."""


def unit(test: str) -> str:
    """Return what a test is run together with, by its identifier."""
    file, _, function = test.partition("::")
    for folder in TOGETHER:
        if file.startswith(folder):
            return folder
    return f"{file}::{function.partition('[')[0]}" if file in APART else file


class Units(LoadScopeScheduling):  # type: ignore[misc]
    """Hand workers one unit after another, in the order of the tests."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)
