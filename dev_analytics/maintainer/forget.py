"""Forgetting: what one identifier sent is counted, deleted, and counted again until it is gone.

PostHog's ordinary deletion finds records by a person, and ours have none: it answers 202 and
deletes nothing. The person whom it would make for an identifier has the very uuid that the records
carry already, so one event that makes this person comes first; then the deletion takes all records
up to the time of the request. It is PostHog that deletes then, once a week in its cloud.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import uuid4

from msgspec import Struct

from dev_analytics.destinations.archive_file import count_of, delete_of
from dev_analytics.destinations.transport import Unreachable
from dev_analytics.maintainer.http import RequestError, Server
from dev_analytics.maintainer.project import Project
from dev_analytics.views.report.tables import printable

IDENTIFIER: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
EVENT: Final = "forget"
"""The event that makes the person; it is deleted with the others."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class ForgetError(Exception):
    """It cannot be done; the message says why, in one line."""


class Count(Struct, frozen=True):
    """How many records there are of an identifier.

    Attributes
    ----------
    records
        Different ones, by uuid.
    stored
        Rows: a record may be stored more than once.
    """

    records: int
    stored: int

    def __str__(self) -> str:
        twice = f", stored in {self.stored:,} rows" if self.stored != self.records else ""
        return f"{self.records:,} record{'' if self.records == 1 else 's'}{twice}"


class Place(Protocol):
    """Where records may be."""

    def __str__(self) -> str:
        """Return its name, for a person."""

    def count(self, user: str) -> Count:
        """Count the records of an identifier."""

    def delete(self, user: str) -> str:
        """Delete them, and say when they will be gone if that is not at once."""

    def is_done(self, user: str) -> bool:
        """Return whether a deletion that was asked for is over."""


def identifier(said: str) -> str:
    """Return the identifier that somebody wrote.

    Raises
    ------
    ValueError
        It is none.
    """
    user = said.strip().lower()
    if not IDENTIFIER.fullmatch(user):
        raise ValueError("an identifier has 32 hexadecimal digits: 8-4-4-4-12")
    return user


def forget(
    place: Place,
    user: str,
    *,
    seconds: float,
    pause: float = 5.0,
    tell: Callable[[str], None] = lambda text: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Count:
    """Delete what an identifier sent, and give what is left of it.

    Parameters
    ----------
    place
        Where.
    user
        The identifier.
    seconds, pause
        How long to wait for the end, and how long between two looks.
    tell
        Is told what goes on, a line at a time.
    clock, sleep
        Time, and how to let it pass.

    Raises
    ------
    ForgetError
        It is refused.
    """
    try:
        left = place.count(user)
        # What was asked for before and is not over yet is not asked for again.
        if left.stored and place.is_done(user):
            when = place.delete(user)
            tell(f"{place}: the deletion is asked for{f'; {when}' if when else ''}.")
        until = clock() + seconds
        while (left := place.count(user)).stored and clock() < until:
            sleep(pause)
            if place.is_done(user):
                left = place.count(user)
                break
        return left
    except RequestError as error:
        raise ForgetError(str(error)) from None


class _Found(Struct):
    results: list[Any]


class _Deletion(Struct):
    persons_found: Any = None
    events_queued_for_deletion: Any = None
    deletion_errors: Any = None


class InPostHog:
    """The records in a project of PostHog's.

    Parameters
    ----------
    project
        Which one.
    seconds, pause
        How long to wait for the person to be made, and how long between two looks.
    """

    def __init__(self, project: Project, seconds: float = 120, pause: float = 2) -> None:
        self._project = project
        self._looks = max(1, int(seconds / pause))
        self._pause = pause

    def __str__(self) -> str:
        return f"PostHog at {self._project.server.address}, project {self._project.number}"

    def count(self, user: str) -> Count:
        """Count the records of an identifier."""
        hogql = f"SELECT uniqExact(uuid), count() FROM events WHERE distinct_id = '{user}' LIMIT 1"  # noqa: S608, it is hexadecimal
        return _count(self._project.query(hogql), self)

    def delete(self, user: str) -> str:
        """Create the person that the deletion needs, and delete all its records.

        Raises
        ------
        ForgetError
            PostHog does not find the person, or has not taken up the deletion.
        """
        if not self._person(user):
            self._project.capture(_making_a_person(user))
            for _ in range(self._looks):
                if self._person(user):
                    break
                self._project.sleep(self._pause)
            else:
                raise ForgetError(
                    f"{self}: no person was made for the identifier, so nothing would be deleted"
                )
        asked = {"distinct_ids": [user], "delete_events": True}
        answer: _Deletion = self._project.post("persons/bulk_delete/", asked, _Deletion)
        if not answer.persons_found or not answer.events_queued_for_deletion:
            raise ForgetError(f"{self}: PostHog says yes to the deletion and deletes nothing")
        if answer.deletion_errors:
            raise ForgetError(f"{self}: PostHog could not delete everything")
        return "PostHog deletes once a week, in its cloud on Sundays at 05:00 UTC"

    def is_done(self, user: str) -> bool:
        """Return whether no deletion is pending."""
        person = self._project.person_of(user)
        return not self._found(f"persons/deletion_status/?person_uuid={person}&status=pending")

    def _person(self, user: str) -> bool:
        return self._found(f"persons/?distinct_id={user}")

    def _found(self, path: str) -> bool:
        answer: _Found = self._project.get(path, _Found)
        return bool(answer.results)


class InClickHouse:
    """The records in the ClickHouse of a PostHog of one's own.

    Parameters
    ----------
    server
        Its HTTP interface.
    team
        The number of the project.
    database, cluster
        Where the tables are; no cluster if there is one server only.

    Raises
    ------
    ForgetError
        A name is none.
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
        return _count([answer.split()], self)

    def delete(self, user: str) -> str:
        """Delete them from the table in which they are, on every server."""
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


class InArchive:
    """The records in an archive.

    Parameters
    ----------
    file
        Which one.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def __str__(self) -> str:
        return str(self._file)

    def count(self, user: str) -> Count:
        """Count the records of an identifier."""
        with _Readable(self._file):
            number = count_of(self._file, user)
        return Count(number, number)

    def delete(self, user: str) -> str:
        """Delete them, and what SQLite would keep of them."""
        with _Readable(self._file):
            delete_of(self._file, user)
        return ""

    def is_done(self, user: str) -> bool:
        """Return True: it is done at once."""
        return True


class _Readable:
    """Turns what an archive fails with into one line."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Unreachable):
            raise ForgetError(f"{self._file}: {error}") from None


def _count(rows: Sequence[Sequence[Any]], place: Place) -> Count:
    """Return the numbers that a server answers with.

    Raises
    ------
    ForgetError
        They are none.
    """
    try:
        ((records, stored),) = rows
        return Count(int(records), int(stored))
    except (ValueError, TypeError):
        raise ForgetError(f"{place} answers with no numbers: {printable(str(rows))[:80]}") from None


def _making_a_person(user: str) -> Mapping[str, Any]:
    return {
        "event": EVENT,
        "distinct_id": user,
        "uuid": str(uuid4()),
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "properties": {
            "$process_person_profile": True,
            "$geoip_disable": True,
            "$ip": "0.0.0.0",  # noqa: S104, no address to listen on but one that names nobody
        },
    }
