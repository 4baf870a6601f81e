"""The figures above all parts of a report, and the report as fields for a script."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from dev_analytics.views.report.tables import Table, plural, printable
from dev_analytics.views.report.tally import Tally


def overview(counted: Tally) -> dict[str, str]:
    """Return the figures that stand above all parts, as labels and texts."""
    missing = counted.sessions.gaps()[1]
    texts = {
        "records": f"{counted.records:,}",
        "sessions": f"{len(counted.sessions):,}",
        "users": f"{len(counted.users):,}",
    }
    if counted.first is not None and counted.last is not None:
        texts["from"] = f"{_minute(counted.first)} UTC"
        texts["to"] = f"{_minute(counted.last)} UTC"
    if missing:
        texts["missing"] = f"{missing:,}"
    if counted.broken:
        texts["broken lines"] = f"{counted.broken:,}"
    if counted.of_forgotten:
        left_out = plural(counted.of_forgotten, "record")
        texts["forgotten"] = f"{left_out} of those who asked for it left out"
    if counted.of_others:
        left_out = plural(counted.of_others, "record")
        texts["others"] = f"{left_out} of other libraries left out"
    if counted.since is not None:
        since = f"{_minute(int(counted.since))} UTC"
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
        "first": None if counted.first is None else _second(counted.first),
        "last": None if counted.last is None else _second(counted.last),
        **{
            part.name: [dict(zip(part.columns, row, strict=True)) for row in part.rows]
            for part in parts
        },
    }


def _minute(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
