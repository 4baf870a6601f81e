"""Why a library is ahead of dev_analytics, where one is: by row and library.

A reason is shown only where the figures show the library ahead. One that is missing is a failure.
"""

from __future__ import annotations

from typing import Final

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
_RESTED: Final = (
    " After a pause each call of the system takes several times longer, as the bare write shows. "
    "These are three: the look at consent, the check of the file, and the write."
)
_CELLS: Final = (
    " For a cell it also looks at its beginning, at the features that it used and at an error that "
    "was shown; the other records its end alone."
)
_SPANS: Final = (
    "It keeps the model's name as it was given, in a span in memory. dev_analytics looks up the "
    "name and the address among the public ones, and writes the record to disk before the call "
    "returns."
)

_MORE: Final = {
    **dict.fromkeys(("event_in_row", "backlog_10", "processes_1", "processes_4"), ""),
    "event_rested": _RESTED,
    "cell_in_row": _CELLS,
    "cell_rested": _CELLS + _RESTED,
}
_MOST: Final = {"sentry": "first 1,000", "opentelemetry": "newest 2,048"}

REASONS: Final[dict[tuple[str, str], str]] = {
    **{(row, library): _IN_MEMORY + more for row, more in _MORE.items() for library in _MOST},
    **{
        (row, library): _IN_MEMORY + _BOUNDED.format(most=most)
        for row in ("backlog_10000", "backlog_100000")
        for library, most in _MOST.items()
    },
    **{(row, "opentelemetry"): _SPANS for row in ("model_in_row", "model_rested")},
    ("exit_refusing", "scarf"): _AT_ONCE,
}
