"""The commands on an unsupported system: each says so in one line, and does nothing else.

This module does not import what the real commands need, as some of it does not exist there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, Final

from dev_analytics import __version__
from dev_analytics.consent.asking.presence import presence
from dev_analytics.process import line, why_unserved

_NAME: Final = "dev_analytics"


def load(shell: Any) -> None:
    """Register a magic that says why analytics are off, and say so now if a person is there."""
    if _NAME not in shell.magics_manager.magics["line"]:
        shell.register_magic_function(_magic, "line", _NAME)
    if presence(shell) != "nobody":
        print(line(why_unserved()))


def unload(shell: Any) -> None:
    """Remove the magic."""
    shell.magics_manager.magics["line"].pop(_NAME, None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``jupyter dev-analytics``: it shows a status, and every other command fails."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    word = next((each for each in given if not each.startswith("-")), "status")
    if "--version" in given:
        print(__version__)
    elif "--help" in given or "-h" in given:
        print(line(why_unserved()))
    elif word != "status":
        print(line(why_unserved()), file=sys.stderr)
        return 1
    elif "--json" in given:
        fields = {"collecting": False, "reason": why_unserved(), "version": __version__}
        print(json.dumps(fields, indent=2))
    else:
        print(_status())
    return 0


def _magic(words: str) -> None:
    """Say that analytics are off here, and why."""
    print(_status() if words.strip() in ("", "status") else line(why_unserved()))


def _status() -> str:
    return f"analytics  off: {why_unserved()}\nversion    {__version__}"
