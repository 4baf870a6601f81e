"""The interface for delivery to a recipient, and the outcomes of delivering a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from dev_analytics.reasons import Drop


class Unreachable(Exception):  # noqa: N818, a state and no error of the program
    """The batch did not arrive, or was not acknowledged: send it again later.

    Parameters
    ----------
    why
        The reason in plain words, with nothing of any event.
    after
        The pause that the destination asked for, in seconds.
    """

    def __init__(self, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.after = after


class Refused(Exception):  # noqa: N818
    """The destination takes nothing from here: stop, and keep the records."""


class Unacceptable(Exception):  # noqa: N818
    """The destination does not take this batch because of its content or its size."""


class Receipt(Struct, frozen=True):
    """The outcome for each record of a batch, by its index.

    Attributes
    ----------
    dropped
        The records that the destination will never take, and why.
    unanswered
        The records that were not acknowledged and must be sent again. All others were.
    why
        Why there are such records, in plain words.
    after
        The pause before that, for which the destination asked, in seconds.
    """

    dropped: Mapping[int, Drop] = {}
    unanswered: frozenset[int] = frozenset()
    why: str = ""
    after: float = 0.0


class Transport(Protocol):
    """Delivers records to one recipient.

    Attributes
    ----------
    confirm
        Called when everything is ready, before any record leaves; if it raises, nothing is sent.
        The sender sets it, as consent may end while a connection is made.
    """

    batch_size: int
    """How many records it takes at once."""

    confirm: Callable[[], None]

    def deliver(self, records: Sequence[bytes]) -> Receipt | None:
        """Deliver a batch, and return the outcome; None acknowledges every record.

        Raises
        ------
        Unreachable, Refused, Unacceptable
            It was not acknowledged.
        """


def no_question() -> None:
    """Do nothing, as no consent has to be checked."""
