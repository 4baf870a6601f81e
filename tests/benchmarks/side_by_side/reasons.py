"""Why a library is ahead of dev_analytics, where one is: by row and library.

A reason is shown only where the figures show the library ahead. One that is missing is a failure.
"""

from __future__ import annotations

from typing import Final

REASONS: Final[dict[tuple[str, str], str]] = {}
