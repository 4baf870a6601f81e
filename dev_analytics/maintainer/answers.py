"""Answers the questions on this machine: DuckDB runs the same files as PostHog.

DuckDB's SQL differs from HogQL. HogQL's functions are defined as macros, and syntax that DuckDB
does not have is rewritten, by rules that do not depend on the question.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from dev_analytics.maintainer.questions import Question
from dev_analytics.views.report.forgotten import Forgotten
from dev_analytics.views.report.packed import database
from dev_analytics.views.report.source import Lines

_TABLE: Final = """
CREATE TABLE events
(uuid VARCHAR, event VARCHAR, distinct_id VARCHAR, "timestamp" TIMESTAMP, properties JSON)"""
_INSERT: Final = """
INSERT INTO events
SELECT line->>'uuid', line->>'event', line->>'distinct_id',
    TRY_CAST(line->>'timestamp' AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS time,
    CASE json_type(line, '$.properties')
        WHEN 'VARCHAR' THEN TRY_CAST(line->>'properties' AS JSON) ELSE line->'properties'
    END
FROM (SELECT TRY_CAST(unnest(string_split(?, chr(10))) AS JSON) AS line)
WHERE json_type(line) = 'OBJECT' AND time IS NOT NULL"""
_MACROS: Final = (
    "toString(x) AS CAST(x AS VARCHAR)",
    "toFloat(x) AS TRY_CAST(x AS DOUBLE)",
    "toDate(x) AS CAST(x AS DATE)",
    "toMonday(x) AS CAST(date_trunc('week', x) AS DATE)",
    "toDateTime(x, zone) AS CAST(x AS TIMESTAMP)",
    "intDiv(x, y) AS x // y",
    "uniqExact(x) AS count(DISTINCT x)",
    "uniqExactIf(x, condition) AS count(DISTINCT x) FILTER (condition)",
    "countIf(condition) AS count(*) FILTER (condition)",
    "arrayJoin(x) AS unnest(x)",
    "arrayElement(x, place) AS coalesce(x[place], '')",
    "tupleElement(x, place) AS struct_extract(x, place)",
    "extractAll(x, pattern) AS regexp_extract_all(x, pattern)",
)
_REWRITTEN: Final = (
    # A dollar would begin a parameter.
    (r"properties\.(\$?\w+)", r"""json_extract_string(properties, '$."\1"')"""),
    (r"quantileExact\(([\d.]+)\)\((\w+)\)", r"quantile_disc(\2, \1)"),
)


class Answer(Struct, frozen=True):
    """The answer to a question: the names of its columns, and its rows."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def column(self, name: str) -> list[Any]:
        """Return the values of a column."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]


class Records:
    """Records in memory that can be queried, without those of forgotten identifiers.

    Raises
    ------
    PackedError
        DuckDB is missing.
    ReportError
        They cannot be read.
    """

    def __init__(self, source: Lines, forgotten: Forgotten) -> None:
        self._database = database("An answer")
        self._database.execute("RESET memory_limit")
        self._database.execute(_TABLE)
        for macro in _MACROS:
            self._database.execute(f"CREATE MACRO {macro}")
        for block in source.blocks():
            self._database.execute(_INSERT, [block.decode("utf-8", "replace")])
        users = self._rows("SELECT DISTINCT distinct_id FROM events")
        for (user,) in users:
            if user in forgotten:
                self._database.execute("DELETE FROM events WHERE distinct_id = ?", [user])

    def __len__(self) -> int:
        ((number,),) = self._rows("SELECT count(*) FROM events")
        return int(number)

    def ask(
        self, question: Question, begin: datetime | None = None, end: datetime | None = None
    ) -> Answer:
        """Answer a question for the time from `begin` to before `end`, each optional."""
        query = question.between(begin, end)
        for pattern, replacement in _REWRITTEN:
            query = re.sub(pattern, replacement, query)
        result = self._database.execute(query)
        return Answer([column[0] for column in result.description], result.fetchall())

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._database.execute(query).fetchall()
        return rows
