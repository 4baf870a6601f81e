"""Functions that each system does in its own way, under common names; chosen once, at import."""

from __future__ import annotations

import os
import sys
from typing import Final

if sys.platform == "win32":
    from dev_analytics.process.windows import (
        GET_MARK,
        SET_MARK,
        append_now,
        ask,
        deadline,
        erase,
        give_way,
        identity,
        is_administrators,
        leave_folder,
        lock_now,
        open_now,
        read_at,
        replace,
        share_lock,
        sync_folder,
        take_place,
        unlock_now,
    )
else:
    from dev_analytics.process.unix import (
        GET_MARK,
        SET_MARK,
        append_now,
        ask,
        deadline,
        erase,
        give_way,
        identity,
        is_administrators,
        leave_folder,
        lock_now,
        open_now,
        read_at,
        replace,
        share_lock,
        sync_folder,
        take_place,
        unlock_now,
    )

__all__ = [
    "GET_MARK",
    "NO_LINK",
    "NO_WAIT",
    "SET_MARK",
    "append_now",
    "ask",
    "deadline",
    "erase",
    "give_way",
    "identity",
    "is_administrators",
    "leave_folder",
    "lock_now",
    "open_now",
    "read_at",
    "replace",
    "share_lock",
    "sync_folder",
    "take_place",
    "unlock_now",
]

NO_LINK: Final[int] = getattr(os, "O_NOFOLLOW", 0)
"""A flag that refuses to follow a link, if the system has one."""

NO_WAIT: Final[int] = getattr(os, "O_NONBLOCK", 0)
"""A flag that refuses a named pipe instead of waiting for its other end, if there is one."""
