"""What the answers to the questions are, counted in plain Python from the records themselves."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

Record = dict[str, Any]
Rows = list[dict[str, Any]]
NONE = "not given"
ASKED = ("$ai_generation", "$ai_embedding")


def ours(lines: Iterable[bytes]) -> list[Record]:
    """Give the records of this package, each uuid once."""
    records = {record["uuid"]: record for record in map(json.loads, lines)}
    return [
        record for record in records.values() if record["properties"].get("$lib") == "dev-analytics"
    ]


def _of(records: Sequence[Record], *events: str) -> list[Record]:
    return [record for record in records if record["event"] in events]


def _said(record: Record, *names: str) -> tuple[str, ...]:
    return tuple(str(record["properties"].get(name, NONE)) for name in names)


def _monday(record: Record) -> str:
    at = datetime.fromisoformat(record["timestamp"]).astimezone(UTC).date()
    return (at - timedelta(days=at.weekday())).isoformat()


def _grouped(
    records: Sequence[Record], key: Callable[[Record], tuple[Any, ...]]
) -> dict[tuple[Any, ...], list[Record]]:
    groups = defaultdict(list)
    for record in records:
        groups[key(record)].append(record)
    return groups


def _users(records: Iterable[Record]) -> int:
    return len({record["distinct_id"] for record in records})


def _sum(records: Iterable[Record], name: str) -> int:
    return sum(record["properties"].get(name, 0) for record in records)


def _failed(records: Iterable[Record]) -> int:
    return sum(record["properties"].get("$ai_is_error") is True for record in records)


def _percent(part: int, whole: int, of: int = 100) -> float:
    return round(of * part / whole, 1)


def _quantile(records: Iterable[Record], name: str, part: float) -> float | None:
    values = sorted(r["properties"][name] for r in records if name in r["properties"])
    return values[min(int(part * len(values)), len(values) - 1)] if values else None


def models(records: Sequence[Record]) -> Rows:
    return [
        {
            "model": model,
            "users": _users(group),
            "requests": len(group),
            "failures": _failed(group),
            "input_tokens": _sum(group, "$ai_input_tokens"),
            "output_tokens": _sum(group, "$ai_output_tokens"),
        }
        for (model,), group in _grouped(
            _of(records, *ASKED), lambda r: _said(r, "$ai_model")
        ).items()
    ]


def models_by_week(records: Sequence[Record]) -> Rows:
    groups = _grouped(_of(records, *ASKED), lambda r: (_monday(r), *_said(r, "$ai_model")))
    return [
        {"week": week, "model": model, "users": _users(group), "requests": len(group)}
        for (week, model), group in groups.items()
    ]


def edit_formats(records: Sequence[Record]) -> Rows:
    groups = _grouped(_of(records, *ASKED), lambda r: _said(r, "edit_format", "$ai_model"))
    return [
        {
            "edit_format": edit_format,
            "model": model,
            "users": _users(group),
            "requests": len(group),
            "failures": _failed(group),
            "failed_percent": _percent(_failed(group), len(group)),
        }
        for (edit_format, model), group in groups.items()
    ]


def features(records: Sequence[Record]) -> Rows:
    groups = _grouped(_of(records, "feature used"), lambda r: _said(r, "kind", "name"))
    return [
        {"kind": kind, "feature": name, "users": _users(group), "uses": len(group)}
        for (kind, name), group in groups.items()
    ]


def commands(records: Sequence[Record]) -> Rows:
    groups = _grouped(_of(records, "command run"), lambda r: _said(r, "command"))
    return [
        {"command": name, "users": _users(group), "uses": len(group)}
        for (name,), group in groups.items()
    ]


def feature_life(records: Sequence[Record]) -> Rows:
    groups = _grouped(_of(records, "feature used"), lambda r: _said(r, "kind", "name"))
    return [
        {
            "kind": kind,
            "feature": name,
            "first_used": min(r["timestamp"] for r in group)[:10],
            "last_used": max(r["timestamp"] for r in group)[:10],
            "users": _users(group),
        }
        for (kind, name), group in groups.items()
    ]


def errors(records: Sequence[Record]) -> Rows:
    def key(record: Record) -> tuple[str, ...]:
        place = (record["properties"].get("frames") or [""])[-1]
        return (*_said(record, "exception", "package", "$lib_version"), place)

    return [
        {
            "exception": exception,
            "package": package,
            "version": version,
            "place": place,
            "users": _users(group),
            "errors": len(group),
        }
        for (exception, package, version, place), group in _grouped(
            _of(records, "error raised"), key
        ).items()
    ]


def error_rate(records: Sequence[Record]) -> Rows:
    both = _of(records, "cell executed", "error raised")
    rows = []
    for (version,), group in _grouped(both, lambda r: _said(r, "$lib_version")).items():
        cells, raised = len(_of(group, "cell executed")), len(_of(group, "error raised"))
        rate = _percent(raised, cells, 1000) if cells else None
        row = {"version": version, "users": _users(group), "cells": cells, "errors": raised}
        rows.append({**row, "errors_per_1000_cells": rate})
    return rows


def failures(records: Sequence[Record]) -> Rows:
    groups = _grouped(_of(records, *ASKED), lambda r: _said(r, "$ai_provider", "$ai_model"))
    return [
        {
            "provider": provider,
            "model": model,
            "users": _users(group),
            "requests": len(group),
            "failures": _failed(group),
            "failed_percent": _percent(_failed(group), len(group)),
            "latency_p50": _quantile(group, "$ai_latency", 0.5),
            "latency_p90": _quantile(group, "$ai_latency", 0.9),
            "first_token_p50": _quantile(group, "$ai_time_to_first_token", 0.5),
        }
        for (provider, model), group in groups.items()
    ]


def failure_reasons(records: Sequence[Record]) -> Rows:
    failed = [r for r in _of(records, *ASKED) if r["properties"].get("$ai_is_error") is True]
    groups = _grouped(
        failed,
        lambda r: (
            *_said(r, "$ai_provider", "$ai_error"),
            r["properties"].get("$ai_http_status", "none"),
        ),
    )
    return [
        {
            "provider": provider,
            "reason": reason,
            "status": status,
            "users": _users(group),
            "failures": len(group),
        }
        for (provider, reason, status), group in groups.items()
    ]


def engagement(records: Sequence[Record]) -> Rows:
    rows = []
    for (week,), group in _grouped(records, lambda r: (_monday(r),)).items():
        users = _grouped(group, lambda r: (r["distinct_id"],)).values()
        sessions = [len({r["properties"]["$session_id"] for r in each}) for each in users]
        cells = [len(_of(each, "cell executed")) for each in users]
        days = [len({r["timestamp"][:10] for r in each}) for each in users]
        row = {"week": week, "users": len(users)}
        row |= {"all_sessions": sum(sessions), "all_cells": sum(cells)}
        for name, values in (("sessions", sessions), ("cells", cells), ("days", days)):
            row[f"{name}_per_user"] = round(sum(values) / len(values), 2)
        rows.append(row)
    return rows


def retention(records: Sequence[Record]) -> Rows:
    weeks = defaultdict(set)
    for record in records:
        weeks[record["distinct_id"]].add(datetime.fromisoformat(_monday(record)))
    counts = Counter(
        (min(active).date().isoformat(), (week - min(active)).days // 7)
        for active in weeks.values()
        for week in active
    )
    return [
        {"first_week": first, "weeks_later": later, "users": number}
        for (first, later), number in counts.items()
    ]


def platforms(records: Sequence[Record]) -> Rows:
    rows = []
    for what, name in (
        *(("version", "version"), ("python", "python"), ("ipython", "ipython")),
        *(("system", "os"), ("front end", "frontend")),
    ):
        for (said,), group in _grouped(
            _of(records, "launched"), lambda r, name=name: _said(r, name)
        ).items():
            users = _users(group)
            rows.append({"what": what, "name": said, "users": users, "launches": len(group)})
    return rows


def losses(records: Sequence[Record], stored: int = 1) -> Rows:
    """Count what is missing; every record is in the table `stored` times."""
    rows: dict[str, dict[str, Any]] = {}
    for group in _grouped(records, lambda r: _said(r, "$session_id")).values():
        version = max(r["properties"].get("$lib_version", "") for r in group)
        numbers = [r["properties"]["seq"] for r in group]
        missing = max(numbers) - min(numbers) + 1 - len(numbers)
        row = rows.setdefault(version, {"version": version, **dict.fromkeys(_LOST, 0)})
        row["sessions"] += 1
        row["sessions_with_gaps"] += missing > 0
        row["missing_between"] += missing
        row["sessions_without_beginning"] += min(numbers) > 1
        row["sessions_without_end"] += not _of(group, "exited")
        row["stored_twice"] += (stored - 1) * len(group)
    return list(rows.values())


_LOST = (
    *("sessions", "sessions_with_gaps", "missing_between"),
    *("sessions_without_beginning", "sessions_without_end", "stored_twice"),
)
EXPECTED: dict[str, Callable[[Sequence[Record]], Rows]] = {
    each.__name__: each
    for each in (
        *(models, models_by_week, edit_formats, features, commands, feature_life, errors),
        *(error_rate, failures, failure_reasons, engagement, retention, platforms, losses),
    )
}


def same(found: Rows, expected: Rows) -> bool:
    """Compare answers; a rounded number may lie on either side of a half."""
    if len(found) != len(expected):
        return False
    for one, other in zip(_sorted(found), _sorted(expected), strict=True):
        if one.keys() != other.keys():
            return False
        for name, value in one.items():
            close = isinstance(value, float) and isinstance(other[name], int | float)
            if abs(value - other[name]) > 0.1001 if close else value != other[name]:
                return False
    return True


def _sorted(rows: Rows) -> Rows:
    def key(row: dict[str, Any]) -> list[str]:
        return [str(value) for value in row.values() if isinstance(value, str)] + [
            str(value) for name, value in row.items() if name in ("weeks_later", "status")
        ]

    return sorted(rows, key=key)
