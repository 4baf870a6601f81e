"""Functions that each system does in its own way, under common names; chosen once, at import.

Those that touch files raise OSError where the system refuses.
"""

from __future__ import annotations

import os
import sys
from typing import Final

if sys.platform == "win32":
    from dev_analytics.process import windows as own
else:
    from dev_analytics.process import unix as own

GET_MARK: Final = own.GET_MARK
SET_MARK: Final = own.SET_MARK
append_now: Final = own.append_now
control: Final = own.control
deadline: Final = own.deadline
erase: Final = own.erase
give_way: Final = own.give_way
identity: Final = own.identity
is_administrators: Final = own.is_administrators
leave_folder: Final = own.leave_folder
lock_now: Final = own.lock_now
open_now: Final = own.open_now
read_at: Final = own.read_at
replace: Final = own.replace
share_lock: Final = own.share_lock
sync_folder: Final = own.sync_folder
take_place: Final = own.take_place
unlock_now: Final = own.unlock_now

NO_LINK: Final[int] = getattr(os, "O_NOFOLLOW", 0)
"""A flag that refuses to follow a link, if the system has one."""

NO_WAIT: Final[int] = getattr(os, "O_NONBLOCK", 0)
"""A flag that refuses a named pipe instead of waiting for its other end, if there is one."""
