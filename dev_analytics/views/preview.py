"""The preview: the exact records of this session, and the fate of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, json

from dev_analytics.analytics import Analytics
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.views.markup import escape, exact, many, view
from dev_analytics.views.reading import Reading, read

MAX_SHOWN: Final = 100
"""How many of the newest records are shown in a notebook, as it saves what it shows."""

_HEADS: Final = ("number", "event", "fate", "time, UTC", "properties; opens to the exact record")


class _Uuid(Struct):
    uuid: str


def preview(analytics: Analytics, most: int | None = None) -> str:
    """Return the records in memory, or the newest `most` of them, each below its fate."""
    shown = [f"# {fate}\n{record.decode()}" for fate, record in fates(analytics)]
    more = 0 if most is None else max(0, len(shown) - most)
    title = [f"# {_more(more)}"] if more else []
    return "\n\n".join([*title, *shown[more:]]) or _nothing(analytics)


def preview_html(analytics: Analytics) -> str:
    """Return the newest records as a table, the newest first, each of which opens to its bytes."""
    records = list(fates(analytics))
    if not records:
        return view([f"<p>{escape(_nothing(analytics))}</p>"])
    shown = records[: -MAX_SHOWN - 1 : -1]
    title = f"Records of this session, the newest first: {len(shown)}"
    if more := len(records) - len(shown):
        title += f". {_more(more)}"
    heads = "".join(f'<th scope="col">{head}</th>' for head in _HEADS)
    table = [
        f'<table class="dev-analytics-records"><caption>{escape(title)}</caption>',
        f"<thead><tr>{heads}</tr></thead><tbody>\n",
        *(_row(fate, read(record)) for fate, record in shown),
        "</tbody></table>",
    ]
    return view([many("Records of this session", table)])


def fates(analytics: Analytics) -> Iterator[tuple[str, bytes]]:
    """Return each record of this session with its fate, the oldest first.

    ``waiting``: in the spool. ``sent``: no longer in the spool, because it was delivered, or
    dropped for a reason that ``status`` counts. ``would have been sent``: nobody had agreed to it.
    """
    waiting = {_uuid(record) for record in Backlog(analytics.gate.store.data).records()}
    for kept in tuple(analytics.pipeline.preview):
        if not kept.accepted:
            yield "would have been sent", kept.record
        else:
            yield "waiting" if _uuid(kept.record) in waiting else "sent", kept.record


def _more(number: int) -> str:
    return (
        f"{number} older ones are not shown here. To have every record from now on in a file, use "
        "%dev_analytics log FILE."
    )


def _nothing(analytics: Analytics) -> str:
    decision = analytics.gate.now()[0]
    off = "" if decision.collecting else f" Analytics are off: {decision.reason}."
    return f"No records in this session.{off}"


def _row(fate: str, reading: Reading) -> str:
    said = ", ".join(f"{name}: {value}" for name, value in reading.own.items())
    clock = reading.time.partition("T")[2].partition("+")[0]
    return (
        f'<tr><th scope="row">{reading.seq}</th><td>{escape(reading.event)}</td><td>{fate}</td>'
        f'<td><time datetime="{escape(reading.time)}">{escape(clock)}</time></td>'
        f"<td>{exact(escape(said or 'no properties of its own'), reading)}</td></tr>\n"
    )


def _uuid(record: bytes) -> str:
    return json.decode(record, type=_Uuid).uuid
