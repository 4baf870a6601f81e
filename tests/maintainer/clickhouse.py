"""PostHog's engine in this process: its table of events, filled from lines, and HogQL run on it."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from chdb.session import Session

_SET_UP = (
    "CREATE DATABASE posthog",
    "USE posthog",
    # HogQL has it, ClickHouse calls it otherwise.
    "CREATE FUNCTION toFloat AS x -> accurateCastOrNull(x, 'Float64')",
    "SET allow_suspicious_types_in_group_by = 1, allow_suspicious_types_in_order_by = 1",
    "SET session_timezone = 'UTC', mutations_sync = 2",
)
TABLE = """
CREATE TABLE {name} (
    uuid UUID, event String, properties JSON, timestamp DateTime64(6, 'UTC'), team_id Int64,
    distinct_id String, person_id UUID, _timestamp DateTime
) ENGINE = ReplacingMergeTree(_timestamp)
PARTITION BY toYYYYMM(timestamp)
ORDER BY (team_id, toDate(timestamp), event, cityHash64(distinct_id), cityHash64(uuid))
SAMPLE BY cityHash64(distinct_id)"""
_FILL = """
INSERT INTO {name}
SELECT uuid, event, properties, parseDateTime64BestEffort(timestamp, 6, 'UTC'), 1,
    ifNull(distinct_id, ''), generateUUIDv4(), now()
FROM file('{file}', 'JSONEachRow', 'uuid UUID, event String, properties JSON, timestamp String,
    distinct_id Nullable(String)')"""


class ClickHouse:
    """One engine for a run: its process can have no second one."""

    def __init__(self) -> None:
        self._session = Session()
        for statement in _SET_UP:
            self._session.query(statement)

    def fill(self, file: Path, name: str = "events", times: int = 1) -> None:
        """Make the table anew with the records of a file; `times` leaves each so often in it."""
        self.run(f"DROP TABLE IF EXISTS {name}")
        self.run(TABLE.format(name=name))
        # Else the rows that are the same would be merged before they are asked for.
        self.run(f"SYSTEM STOP MERGES {name}")
        for _ in range(times):
            self.run(_FILL.format(name=name, file=file))

    def run(self, statement: str) -> list[dict[str, Any]]:
        """Run a statement and give the rows of its answer."""
        answer = self._session.query(statement, "JSONEachRow")
        settings = json.loads
        return [settings(line) for line in answer.bytes().splitlines() if line]

    def ask(self, hogql: str) -> list[dict[str, Any]]:
        """Ask a question: numbers are numbers, whatever JSON writes of large ones."""
        return [{name: _number(value) for name, value in row.items()} for row in self.run(hogql)]


def _number(value: Any) -> Any:
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def parse(hogql: str) -> Any:
    """Read a query as PostHog does, into its syntax tree.

    Raises
    ------
    ValueError
        It is no HogQL; the message says why.
    """
    _stand_in_for_posthog()
    from hogql_parser import parse_select_json

    tree = json.loads(parse_select_json(hogql))
    if tree.get("error"):
        raise ValueError(tree.get("message", "no HogQL"))
    return tree


def _stand_in_for_posthog() -> None:
    """Give the parser the one module of PostHog's that it imports: the classes of its errors."""
    if "posthog.hogql.errors" in sys.modules:
        return
    errors: Any = types.ModuleType("posthog.hogql.errors")
    errors.BaseHogQLError = type("BaseHogQLError", (Exception,), {})
    names = "ExposedHogQLError InternalHogQLError SyntaxError QueryError ImpossibleASTError"
    for name in (*names.split(), "NotImplementedError", "ResolutionError", "ParsingError"):
        setattr(errors, name, type(name, (errors.BaseHogQLError,), {}))
    sys.modules["posthog.hogql"] = types.ModuleType("posthog.hogql")
    sys.modules["posthog.hogql.errors"] = errors


def write(file: Path, lines: Iterable[bytes]) -> Path:
    """Write lines into a file."""
    file.write_bytes(b"".join(lines))
    return file


def names_of(rows: Sequence[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    """Give some columns of an answer, as tuples."""
    return [tuple(row[column] for column in columns) for row in rows]
