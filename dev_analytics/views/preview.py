"""The preview: the exact records of this session, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, json

from dev_analytics.analytics import Analytics
from dev_analytics.delivery.backlog import Backlog


class _Uuid(Struct):
    uuid: str


def preview(analytics: Analytics) -> str:
    """Give every record that is in memory, each below a line that says what became of it."""
    if not analytics.preview:
        decision, _ = analytics.gate.now()
        off = "" if decision.collecting else f" Analytics are off: {decision.reason}."
        return f"No records in this session.{off}"
    return "\n\n".join(f"# {fate}\n{record.decode()}" for fate, record in fates(analytics))


def fates(analytics: Analytics) -> Iterator[tuple[str, bytes]]:
    """Give each record of this session, the oldest first, and what became of it.

    ``waiting``: in the spool. ``sent``: was in it, and is no more: delivered, or dropped for a
    reason that ``status`` counts. ``would have been sent``: nobody had agreed to it.
    """
    waiting = {_uuid(record) for record in Backlog(analytics.gate.store.data).records()}
    for record, accepted in analytics.preview:
        if not accepted:
            yield "would have been sent", record
        else:
            yield "waiting" if _uuid(record) in waiting else "sent", record


def _uuid(record: bytes) -> str:
    return json.decode(record, type=_Uuid).uuid
