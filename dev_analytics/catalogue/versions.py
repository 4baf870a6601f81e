"""The versions of what is installed, as up to three numbers."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Final

from dev_analytics import __version__
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.process.native import open_file

MAX_DIGITS: Final = 4
"""A longer number in a version is a date or a hash."""

_OURS: Final = "dev-analytics"

_LIBRARY: Final = os.path.dirname(os.__file__)  # noqa: PTH120
_STANDARD: Final = (_LIBRARY, f"{_LIBRARY}{os.sep}lib-dynload")
"""The folders of the standard library, where nothing else is installed."""


@cache
def installed_version(distribution: str) -> str:
    """Return up to three leading numbers of what a distribution, or Python, says of itself."""
    if not distribution:
        return ".".join(map(str, sys.version_info[:3]))
    if distribution == _OURS:
        # What runs, whatever is installed beside it.
        return _leading_numbers(__version__)
    try:
        said = _header_version(distribution)
        if not said:
            from importlib.metadata import version

            said = version(distribution)
        return _leading_numbers(said) or OTHER
    except Exception:
        # Its metadata is missing, has no version, or is broken in a way of its own.
        return OTHER


def _leading_numbers(version: str) -> str:
    """Return up to three numbers, of four digits at most, that a version begins with.

    Compiling a pattern takes longer than the versions of all that is recorded.
    """
    numbers: list[str] = []
    for part in version.split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not 0 < len(digits) <= MAX_DIGITS:
            break
        numbers.append(str(int(digits)))
        if digits != part:
            break
    return ".".join(numbers)


def _header_version(distribution: str) -> str:
    """Return the version in the header of the installed metadata; empty if it is not found.

    ``importlib.metadata`` imports ``email``, which takes longer than loading the extension.
    """
    parts = distribution.lower().replace("-", "_").replace(".", "_").split("_")
    begin = f"/{'_'.join(part for part in parts if part)}-"
    for folder in sys.path:
        if folder in _STANDARD:
            continue
        try:
            entries = os.listdir(folder or os.curdir)  # noqa: PTH208, quicker than objects
            # One search in all names, as a loop over them takes fifteen times as long.
            names = f"/{'/'.join(entries).lower()}"
            at = names.find(begin)
            while at >= 0:
                entry = entries[names.count("/", 0, at)]
                if entry.endswith(".dist-info") and (
                    said := _said_in(os.path.join(folder, entry, "METADATA"))  # noqa: PTH118
                ):
                    return said
                at = names.find(begin, at + 1)
        except (OSError, ValueError):
            continue
    return ""


def _said_in(file: str) -> str:
    """Return the version in the header of `file`; empty if there is none.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with open_file(file, encoding="utf-8") as metadata:
        for line in metadata:
            if line.lower().startswith("version:"):
                return line[len("version:") :].strip()
            if not line.strip():
                break
    return ""
