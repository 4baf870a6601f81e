"""What every callback promises: no exception leaves it, and each one is counted.

Except for what a signal handler of the user raises. A handler may run in the middle of any line of
ours, and what it raises, such as a timeout, is for the user's own code to catch.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Collection
from functools import partial, wraps
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

from dev_analytics.process.native import signal_handler

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


_SIGNALS: Final = range(1, signal.NSIG)
"""Not `signal.valid_signals`, which makes a member of an enumeration of each: a hundredth of the
time that loading the extension takes."""

_CODE: Final = vars(FunctionType)["__code__"].__get__
traceback_of: Final = vars(BaseException)["__traceback__"].__get__
"""Return the traceback of an error, and nothing of what its class does instead."""


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
    is_interrupt = not issubclass(type(error), Exception)
    if not (is_interrupt and _passes(error, counting)):
        drops.count("failure inside")
    if is_interrupt or is_of_handler(error):
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
            if not _passes(error, counting):
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
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.call_soon, call)


def is_of_handler(error: BaseException) -> bool:
    """Return whether a signal handler of the user raised `error`."""
    return _passes(error, {_code(signal_handler(number)) for number in _SIGNALS})


def _passes(error: BaseException, codes: Collection[CodeType | None]) -> bool:
    """Return whether `error` was raised in code that one of `codes` called, or in itself."""
    traceback = traceback_of(error)
    while traceback is not None:
        if traceback.tb_frame.f_code in codes:
            return True
        traceback = traceback.tb_next
    return False


def _code(handler: Any) -> CodeType | None:
    """Return the code of a handler if it is a function; other objects are not touched."""
    while type(handler) in (partial, MethodType):
        handler = handler.func if type(handler) is partial else handler.__func__
    return _CODE(handler) if type(handler) is FunctionType else None
