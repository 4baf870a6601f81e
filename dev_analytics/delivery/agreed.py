"""Lets a file of the spool go only to a recipient that the user's yes names.

A process spools for no other recipient. Files for others exist where the consent was replaced
since, as by restoring a home directory, or where an older version wrote them. They are renamed for
the archive: each of their records is delivered there, or counted as one that another yes covered,
so that no later yes sends what was recorded before it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection

from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import READY, destination_of, spool_name
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.locks import holding
from dev_analytics.delivery.progress import rename
from dev_analytics.destinations import ARCHIVE


def allowed(destination: str, recipients: Collection[str]) -> str:
    """Return the destination of a file for `destination` under a yes that names `recipients`."""
    return destination if destination in map(spool_name, recipients) else ARCHIVE


def give_to_archive(backlog: Backlog, store: ConsentStore) -> None:
    """Hand every ready file for a destination that was not agreed to over to the archive."""
    for file in backlog.ready():
        destination = destination_of(file)
        if destination == ARCHIVE:
            continue
        with holding(file) as held, contextlib.suppress(OSError):
            # The consent is read only now, after the process that wrote the file had read it.
            consent = store.read()
            agreed = held and consent.user_id is not None
            if agreed and allowed(destination, consent.recipients) == ARCHIVE:
                random = file.name.partition("-")[0]
                rename(backlog.data, file, file.with_name(f"{random}-{ARCHIVE}{READY}"))
