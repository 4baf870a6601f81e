"""The records in PostHog, whose ordinary deletion does not find ours.

PostHog deletes the records of a person, and ours have no person: it answers 202 and deletes
nothing. But our records already have the uuid of the person that PostHog would create for their
identifier. So an event that creates this person is sent first; the deletion then covers all
records up to the time of the request. PostHog deletes them later, once a week in its cloud.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from msgspec import Struct

from dev_analytics.maintainer.forget import Count, ForgetError
from dev_analytics.maintainer.project import Project

EVENT: Final = "forget"
"""The event that creates the person; it is deleted with the others."""


class _Found(Struct):
    results: list[Any]


class _Deletion(Struct):
    persons_found: Any = None
    events_queued_for_deletion: Any = None
    deletion_errors: Any = None


class InPostHog:
    """The records in a PostHog project.

    `seconds` and `pause` are how long to wait until the person exists, and between two checks.
    """

    def __init__(self, project: Project, seconds: float = 120, pause: float = 2) -> None:
        self._project = project
        self._checks = max(1, int(seconds / pause))
        self._pause = pause

    def __str__(self) -> str:
        return f"PostHog at {self._project.server.address}, project {self._project.number}"

    def count(self, user: str) -> Count:
        """Count the records of an identifier."""
        hogql = f"SELECT uniqExact(uuid), count() FROM events WHERE distinct_id = '{user}' LIMIT 1"  # noqa: S608, it is hexadecimal
        return Count.answered(self._project.query(hogql), self)

    def delete(self, user: str) -> str:
        """Create the person that the deletion needs, and delete all its records.

        Raises
        ------
        ForgetError
            PostHog does not find the person, or has not accepted the deletion.
        """
        if not self._person(user):
            self._project.capture(_person_event(user))
            for _ in range(self._checks):
                if self._person(user):
                    break
                self._project.sleep(self._pause)
            else:
                raise ForgetError(
                    f"{self}: PostHog has not created the person that the deletion needs, so "
                    "nothing was deleted: try again later"
                )
        request = {"distinct_ids": [user], "delete_events": True}
        answer: _Deletion = self._project.post("persons/bulk_delete/", request, _Deletion)
        if not answer.persons_found or not answer.events_queued_for_deletion:
            raise ForgetError(f"{self}: PostHog accepted the deletion but deletes nothing")
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


def _person_event(user: str) -> Mapping[str, Any]:
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
