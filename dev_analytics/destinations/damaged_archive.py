"""Damaged archives, which are put aside under another name, so that a new one can be begun."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

_MARK: Final = ".damaged-"
_BESIDE: Final = ("-journal", "-wal", "-shm")
"""The endings of the names of SQLite's files beside a database."""


def put_aside(archive: Path) -> None:
    """Rename a damaged archive: the day is added to its name.

    The files beside it are renamed first: SQLite would take its journal for that of the next
    archive.
    """
    name = f"{archive.name}{_MARK}{date.today().isoformat()}"
    other, number = archive.with_name(name), 1
    while other.exists():
        number += 1
        other = archive.with_name(f"{name}-{number}")
    for suffix in (*_BESIDE, ""):
        part = archive.with_name(f"{archive.name}{suffix}")
        if part.exists():
            part.replace(other.with_name(f"{other.name}{suffix}"))


def damaged(data: Path) -> list[Path]:
    """Return the archives that were put aside in a data directory, by name."""
    found = data.glob(f"*{_MARK}*")
    return sorted(file for file in found if not file.name.endswith(_BESIDE))
