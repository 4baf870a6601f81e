"""The attempts to deliver a batch: it is sent again, divided, or left to the next sender."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from dev_analytics.delivery.notes import Notes
from dev_analytics.delivery.permission import Changed, Permission, Stop
from dev_analytics.delivery.suspects import Suspects
from dev_analytics.delivery.work import Work
from dev_analytics.destinations.transport import (
    Receipt,
    Refused,
    Transport,
    Unacceptable,
    Unreachable,
)

FIRST_PAUSE: Final = 1.0
"""How long to wait before the second attempt, in seconds; the pause doubles every time."""

MAX_TRIES: Final = 6
"""How often a batch is sent before it is left to the next sender."""

MAX_PAUSE: Final = 60.0
"""The longest pause, in seconds, that a sender waits for if the destination asks for one."""


class Attempts:
    """Delivers batches of records, in as many attempts as it takes.

    Parameters
    ----------
    transport, permission, notes, suspects
        What makes the requests, the user's consent, the log and ledger, the refused records.
    first_pause
        How long to wait before the second attempt, in seconds.
    alive
        Called before each request, to show other senders that this one is alive.
    accepted
        Called when the destination has accepted records of a file.
    """

    def __init__(
        self,
        transport: Transport,
        permission: Permission,
        notes: Notes,
        suspects: Suspects,
        *,
        first_pause: float,
        alive: Callable[[], None],
        accepted: Callable[[Work], None],
    ) -> None:
        transport.confirm = permission.confirm
        self._transport = transport
        self._permission = permission
        self._notes = notes
        self._suspects = suspects
        self._first_pause = first_pause
        self._alive = alive
        self._accepted = accepted

    def deliver(self, work: Work, batches: deque[list[bytes]]) -> None:
        """Deliver the first of `batches`, or replace it with its halves.

        Raises
        ------
        Stop
            Nothing more can be delivered now.
        """
        for number in range(1, MAX_TRIES + 1):
            self._permission.check()
            batches[0], withdrawn = self._permission.recheck(batches[0])
            work.drop("consent withdrawn", len(withdrawn))
            if not batches[0]:
                batches.popleft()
                return
            self._alive()
            try:
                self._send(work, batches)
            except Changed:
                continue
            except Unacceptable as error:
                self._divide(work, batches, str(error))
                return
            except Refused as error:
                self._notes.failed(str(error))
                raise Stop from None
            except Unreachable as error:
                self._notes.failed(str(error), error.after)
                pause = self._first_pause * 2 ** (number - 1) * random.uniform(0.5, 1.5)  # noqa: S311
                if number == MAX_TRIES or error.after > MAX_PAUSE:
                    raise Stop from None
                time.sleep(max(pause, error.after))
            else:
                batches.popleft()
                return

    def _send(self, work: Work, batches: deque[list[bytes]]) -> None:
        """Send the first of `batches`, and leave in it only the records without an answer.

        Raises
        ------
        Unreachable
            There are such records.
        """
        batch = batches[0]
        receipt = self._transport.deliver(batch) or Receipt()
        batches[0] = [batch[index] for index in sorted(receipt.unanswered)]
        for drop, number in Counter(receipt.dropped.values()).items():
            self._notes.refused(number, drop)
            work.drop(drop, number)
        delivered = len(batch) - len(receipt.dropped) - len(receipt.unanswered)
        if delivered:
            work.deliver(delivered)
            self._accepted(work)
        if batches[0]:
            raise Unreachable(receipt.why, receipt.after)

    def _divide(self, work: Work, batches: deque[list[bytes]], why: str) -> None:
        """Replace the first of `batches` with its halves; a single record becomes a suspect."""
        batch = batches[0]
        if len(batch) == 1:
            if self._suspects.are_too_many:
                self._notes.failed(f"{why}, to everything")
                raise Stop
            self._suspects.add(work.file, batch[0])
        batches.popleft()
        middle = len(batch) // 2
        batches.extendleft(half for half in (batch[middle:], batch[:middle]) if len(batch) > 1)
