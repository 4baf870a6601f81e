"""What delivers to a recipient: takes a batch and says what became of it, or what to do next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from dev_analytics.drops import Drop


class Unreachable(Exception):  # noqa: N818, a state and no error of the program
    """The batch did not arrive, or nobody acknowledged it: send it again later.

    Parameters
    ----------
    why
        In plain words, with nothing of any event.
    after
        How long the destination asked to be left alone, in seconds.
    """

    def __init__(self, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.after = after


class Refused(Exception):  # noqa: N818
    """The destination takes nothing from here: stop, and keep the records."""


class Unacceptable(Exception):  # noqa: N818
    """The destination does not take this batch as it is: something in it, or its size."""


class Receipt(Struct, frozen=True):
    """What became of each record of a batch, by its place in it.

    Attributes
    ----------
    dropped
        The records that the destination refuses for ever, and why.
    unanswered
        The records that were not acknowledged: to be sent again. All others were.
    why
        Why there are such, in plain words.
    after
        How long the destination asked to be left alone before that, in seconds.
    """

    dropped: Mapping[int, Drop] = {}
    unanswered: frozenset[int] = frozenset()
    why: str = ""
    after: float = 0.0


class Transport(Protocol):
    """What delivers records to one recipient.

    Attributes
    ----------
    confirm
        Called when all is ready and before anything of a record leaves; what it raises ends the
        delivery. The sender sets it: consent may end while a connection is made.
    """

    batch_size: int
    """How many records it takes at once."""

    confirm: Callable[[], None]

    def deliver(self, records: Sequence[bytes]) -> Receipt | None:
        """Deliver a batch, and return what became of it; None acknowledges every record.

        Raises
        ------
        Unreachable, Refused, Unacceptable
            It was not acknowledged.
        """


def no_question() -> None:
    """Do nothing, where no consent has to be checked."""
