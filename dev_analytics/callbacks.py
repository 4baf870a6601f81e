"""What every callback promises: no exception leaves it, and each one is counted.

Except for what a signal handler of the user raises. A handler may run in the middle of any line of
ours, and what it raises, such as a timeout, is for the user's own code to catch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import CodeType
from typing import TYPE_CHECKING, Any, Final

from dev_analytics.process.handlers import is_of_handler, passes

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


counting: Final[set[CodeType]] = set()
"""The code that counts an interrupt that passes it, so that none is counted twice."""


def count_failure(drops: DropLedger, error: BaseException) -> None:
    """Count an internal failure in code that the user's code has called.

    Raises
    ------
    BaseException
        `error` is not ours: the user interrupted, or a signal handler of theirs raised it in the
        middle of our code, for example at the end of a time limit, for the user's code to catch.
    """
    is_ours = issubclass(type(error), Exception) and not is_of_handler(error)
    if is_ours or not passes(error, counting):
        drops.count("failure inside")
    if not is_ours:
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
        except Exception:
            # Nothing is read of the error: an audit hook of the user's may refuse that, too.
            observer.drops.count("failure inside")
        except KeyboardInterrupt as error:
            if not passes(error, counting):
                observer.drops.count("failure inside")

    return quietly


def after_reply(call: Callable[[], None]) -> None:
    """Call `call` as soon as the kernel has replied to the current request.

    Between the end of a cell and its reply a kernel runs nothing else on its loop.

    Raises
    ------
    RuntimeError
        No event loop runs on this thread, so no reply will follow.
    """
    # Loaded here: a tool without a loop would wait for it as long as for everything else here.
    import asyncio

    loop = asyncio.get_running_loop()
    loop.call_soon(loop.call_soon, call)
