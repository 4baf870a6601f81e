"""The key figures above the parts of a report, and the report as fields for a script."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from dev_analytics.process.messages import printable
from dev_analytics.views.report.tables import Table, plural
from dev_analytics.views.report.tally import Tally


def overview(counted: Tally) -> dict[str, str]:
    """Return the key figures above the parts, as labels and texts."""
    missing = counted.sessions.gaps()[1]
    texts = {
        "records": f"{counted.records:,}",
        "sessions": f"{len(counted.sessions):,}",
        "users": f"{len(counted.users):,}",
    }
    first, last = counted.activity.first, counted.activity.last
    if first is not None and last is not None:
        texts["from"] = f"{_minute(first)} UTC"
        texts["to"] = f"{_minute(last)} UTC"
    if missing:
        texts["missing"] = f"{missing:,}"
    if counted.broken:
        texts["broken lines"] = f"{counted.broken:,}"
    if counted.of_forgotten:
        left_out = plural(counted.of_forgotten, "record")
        texts["forgotten"] = f"{left_out} of users who asked to be forgotten left out"
    if counted.of_others:
        left_out = plural(counted.of_others, "record")
        texts["others"] = f"{left_out} of other libraries left out"
    if counted.since is not None:
        since = f"{_minute(counted.since)} UTC"
        texts["since"] = f"{since}; {plural(counted.earlier, 'older record')} left out"
    return texts


def fields(counted: Tally, parts: Sequence[Table]) -> dict[str, object]:
    """Return the report as fields, for a script."""
    sessions, missing = counted.sessions.gaps()
    return {
        "source": printable(str(counted.source)),
        "records": counted.records,
        "broken_lines": counted.broken,
        "older_records": counted.earlier,
        "forgotten_records": counted.of_forgotten,
        "records_of_others": counted.of_others,
        "sessions": len(counted.sessions),
        "sessions_with_gaps": sessions,
        "missing_records": missing,
        "users": len(counted.users),
        "records_without_user": counted.nobody,
        "first": _second(counted.activity.first),
        "last": _second(counted.activity.last),
        **{
            part.name: [dict(zip(part.columns, row, strict=True)) for row in part.rows]
            for part in parts
        },
    }


def _minute(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _second(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="seconds")
