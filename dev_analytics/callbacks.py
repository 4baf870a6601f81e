"""The promise of every callback: no exception leaves it, and each is counted."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from dev_analytics.drops import Drop
from dev_analytics.process.handlers import is_of_handler

if TYPE_CHECKING:
    from typing import Protocol, TypeVar, TypeVarTuple

    from dev_analytics.drops import DropLedger

    Given = TypeVarTuple("Given")

    class Observer(Protocol):
        """Has a ledger to count its failures in."""

        @property
        def drops(self) -> DropLedger:
            """Where failures are counted."""

    O = TypeVar("O", bound=Observer)  # noqa: E741, one letter for a type


def count_failure(drops: DropLedger, error: Exception) -> None:
    """Count a failure inside, where the user's code has called us.

    Raises
    ------
    Exception
        It was none of ours: a signal handler of the user's raised it in the middle of our code, as
        where a time limit is over, for the user's code to catch.
    """
    drops.count(Drop.FAILURE)
    if is_of_handler(error):
        raise error


def quiet(callback: Callable[[O, *Given], Any]) -> Callable[[O, *Given], None]:
    """Return `callback` such that no exception leaves it.

    An interrupt that arrives inside is counted too: IPython would print it with the user's code,
    and run the cell all the same. Nothing here raises SystemExit: one that comes from a signal
    handler of the user's must pass.
    """

    @wraps(callback)
    def quietly(observer: O, *given: *Given) -> None:
        try:
            callback(observer, *given)
        except (Exception, KeyboardInterrupt):
            observer.drops.count(Drop.FAILURE)

    return quietly
