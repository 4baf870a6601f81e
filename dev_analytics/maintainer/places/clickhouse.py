"""The records in the ClickHouse of a self-hosted PostHog."""

from __future__ import annotations

import re
from typing import Final

from dev_analytics.maintainer.forget import Count, ForgetError
from dev_analytics.maintainer.http import Server

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class InClickHouse:
    """The records of a project (`team`) in the ClickHouse of a self-hosted PostHog.

    There is no cluster if there is one server only.

    Raises
    ------
    ForgetError
        A name is not valid.
    """

    def __init__(
        self, server: Server, team: int, database: str = "posthog", cluster: str = ""
    ) -> None:
        if not all(_NAME.fullmatch(name) for name in (database, cluster or "_")):
            raise ForgetError("a database and a cluster have letters, digits and _ only")
        self._server = server
        self._team = team
        self._database = database
        self._cluster = f" ON CLUSTER {cluster}" if cluster else ""

    def __str__(self) -> str:
        return f"ClickHouse at {self._server.address}, team {self._team}"

    def count(self, user: str) -> Count:
        """Count the records of an identifier."""
        answer = self._run(
            f"SELECT uniqExact(uuid), count() FROM {self._database}.events {self._where(user)}"  # noqa: S608
        )
        return Count.answered([answer.split()], self)

    def delete(self, user: str) -> str:
        """Delete them from the table that stores them, on every server."""
        self._run(
            f"ALTER TABLE {self._database}.sharded_events{self._cluster} DELETE {self._where(user)}"
        )
        return "ClickHouse does it in the background"

    def is_done(self, user: str) -> bool:
        """Return whether no deletion of the identifier is pending."""
        pending = self._run(
            "SELECT count() FROM system.mutations WHERE NOT is_done"  # noqa: S608
            f" AND database = '{self._database}' AND table = 'sharded_events'"
            f" AND position(command, '{user}') > 0"
        )
        return pending.strip() == "0"

    def _where(self, user: str) -> str:
        return f"WHERE team_id = {self._team} AND distinct_id = '{user}'"

    def _run(self, statement: str) -> str:
        answer = self._server.send("POST", "/", statement.encode(), "text/plain")
        return answer.decode("utf-8", "replace")
