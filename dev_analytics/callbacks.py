"""What every callback promises: no exception leaves it, and each one is counted."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from dev_analytics.process.handlers import is_of_handler

if TYPE_CHECKING:
    from typing import Protocol, TypeVar, TypeVarTuple

    from dev_analytics.drops import DropLedger

    Given = TypeVarTuple("Given")

    class Observer(Protocol):
        """An object whose callbacks are wrapped."""

        @property
        def drops(self) -> DropLedger:
            """The ledger that counts its failures."""

    O = TypeVar("O", bound=Observer)  # noqa: E741, one letter for a type


def count_failure(drops: DropLedger, error: Exception) -> None:
    """Count an internal failure in code that the user's code has called.

    Raises
    ------
    Exception
        `error` is not ours: a signal handler of the user's raised it in the middle of our code, for
        example at the end of a time limit, for the user's code to catch.
    """
    drops.count("failure inside")
    if is_of_handler(error):
        raise error


def quiet(callback: Callable[[O, *Given], Any]) -> Callable[[O, *Given], None]:
    """Wrap `callback` so that no exception leaves it.

    An interrupt that arrives inside is counted too: IPython would print it with the user's code,
    and run the cell all the same. SystemExit passes: nothing here raises it, so it comes from a
    signal handler of the user's.
    """

    @wraps(callback)
    def quietly(observer: O, *given: *Given) -> None:
        try:
            callback(observer, *given)
        except (Exception, KeyboardInterrupt):
            observer.drops.count("failure inside")

    return quietly
