"""What a destination is: takes a batch and acknowledges it, or says what to do instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


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


class Destination(Protocol):
    """Where records are delivered."""

    most: int
    """How many records it takes at once."""

    def deliver(self, records: Sequence[bytes]) -> None:
        """Deliver a batch; to return is to acknowledge every record of it.

        Raises
        ------
        Unreachable, Refused, Unacceptable
            It was not acknowledged.
        """
