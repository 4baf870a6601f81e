"""Why a library is ahead of dev_analytics, where one is: by row and library.

A reason is shown only where the figures show the library ahead. One that is missing is a failure.
"""

from __future__ import annotations

from typing import Final

EVENTS: Final = (
    *("event", "backlog_10", "backlog_10000", "backlog_100000"),
    *("processes_1", "processes_4"),
)

_IN_MEMORY: Final = (
    "It appends to a list in memory that a thread empties: what waits is lost with the process "
    "(`kill -9` below keeps none). dev_analytics looks whether consent still holds, takes the "
    "vocabulary's words only, and has the record on disk when the call returns."
)
_BOUNDED: Final = (
    " What waits is bounded there too: it keeps the {most} and drops the rest, so nothing more "
    "waits in this row than that, where dev_analytics has all of it; and a batch that the host "
    "refuses is given up."
)
_SPANS: Final = (
    "It keeps the model's name as it was given, in a span in memory. dev_analytics looks the name "
    "and the address up among the public ones, and writes the record to disk before the call "
    "returns."
)

REASONS: Final[dict[tuple[str, str], str]] = {
    **{(row, "sentry"): _IN_MEMORY for row in ("cell", *EVENTS)},
    **{(row, "opentelemetry"): _IN_MEMORY for row in ("cell", *EVENTS)},
    **{
        (row, "sentry"): _IN_MEMORY + _BOUNDED.format(most="first 1,000")
        for row in ("backlog_10000", "backlog_100000")
    },
    **{
        (row, "opentelemetry"): _IN_MEMORY + _BOUNDED.format(most="newest 2,048")
        for row in ("backlog_10000", "backlog_100000")
    },
    ("model", "opentelemetry"): _SPANS,
}
