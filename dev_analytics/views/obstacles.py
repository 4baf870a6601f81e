"""What prevents records from being stored, counted or delivered, in words for the status."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dev_analytics.delivery.locks import missing_locks
from dev_analytics.process.messages import plain

_ELSEWHERE: Final = "set DEV_ANALYTICS_DIR to a folder on a local disk"


def obstacles(data: Path) -> dict[str, str]:
    """Return what is wrong with the data directory, and what to do, by the label of its row.

    The check writes nothing, so it cannot find everything: a quota only shows when it is exceeded.
    """
    try:
        if not data.is_dir():
            return {}
        rows = {"spool": _no_locks(data) or _no_writing(data), "files": _foreign(data)}
    except OSError as error:
        rows = {"spool": f"keeps no record: {error.strerror}"}
    return {label: text for label, text in rows.items() if text}


def _no_locks(data: Path) -> str:
    for file in (data / "ledger.lock", data / "consent" / "consent.json"):
        if why := missing_locks(file):
            return f"keeps no record, as files in it cannot be locked ({why}): {_ELSEWHERE}"
    return ""


def _no_writing(data: Path) -> str:
    for folder in (data, data / "spool"):
        if not folder.is_dir() or not hasattr(os, "statvfs"):
            continue
        name = "the data directory" if folder == data else "the folder spool"
        disk = os.statvfs(folder)
        if disk.f_flag & os.ST_RDONLY:
            return f"keeps no record, as the disk is read-only: {_ELSEWHERE}"
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            return f"keeps no record, as you may not write to {name}: chmod u+rwx it"
        if not disk.f_bavail or (disk.f_files and not disk.f_favail):
            return "keeps no record, as the disk is full: make room on it"
    return ""


def _foreign(data: Path) -> str:
    """Return what cannot be opened in the folders, as another user's session left it there."""
    names = sorted(_closed(data))
    if not names:
        return ""
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (
        f"you may not write to {shown} in the data directory, so records may not be "
        "delivered or counted: chown or delete what another user's session left"
    )


def _closed(data: Path) -> Iterator[str]:
    for folder in (data, data / "spool"):
        if not os.access(folder, os.R_OK | os.X_OK):
            continue
        for file in folder.iterdir():
            is_file = stat.S_ISREG(file.lstat().st_mode)
            if is_file and not os.access(file, os.R_OK | os.W_OK):
                yield plain(file.relative_to(data))
