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
    "It appends to a list in memory that a thread empties. What waits is lost with the process: "
    "it keeps none after `kill -9`. dev_analytics looks whether consent still holds, takes only "
    "the vocabulary's words, and has the record on disk when the call returns."
)
_BOUNDED: Final = (
    " It keeps the {most} and drops the rest, so no more than that waits in this row, where "
    "dev_analytics has all of it. It also gives up a batch that the host refuses."
)
_AT_ONCE: Final = (
    "It sends each event while the caller waits, so that none waits at exit: what the host "
    "refused is lost. dev_analytics sends afterwards, and keeps what was refused."
)
_SPANS: Final = (
    "It keeps the model's name as it was given, in a span in memory. dev_analytics looks up the "
    "name and the address among the public ones, and writes the record to disk before the call "
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
    ("exit_refusing", "scarf"): _AT_ONCE,
}
