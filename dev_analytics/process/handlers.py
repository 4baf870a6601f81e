"""Tells what a signal handler of the user's raised in the middle of our code.

A handler may run in the middle of any line of ours, and what it raises, such as a timeout, is for
the user's own code to catch. A `TimeoutError` is an OSError, as a full disk is. A trace function,
such as that of a debugger that the user quits, is no different.
"""

from __future__ import annotations

import signal
from collections.abc import Collection
from functools import partial
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, Final

from dev_analytics.process.native import signal_handler

_FUNCTION: Final = 0x1
_VARARGS: Final = 0x4
"""As in `inspect`, which takes long to load."""

_SIGNALS: Final = range(1, signal.NSIG)
"""Not `signal.valid_signals`, which makes a member of an enumeration of each: a hundredth of the
time that loading the extension takes."""

_CODE: Final = vars(FunctionType)["__code__"].__get__
traceback_of: Final = vars(BaseException)["__traceback__"].__get__
"""Return the traceback of an error, and nothing of what its class does instead."""


def is_of_handler(error: BaseException) -> bool:
    """Return whether a signal handler or a trace function of the user's raised `error`.

    Python gives them the frame that they interrupt. A handler may be any object, and may have set
    another one before it raises; one that has deleted its arguments is told by its code.
    """
    interrupted: FrameType | None = None
    traceback = traceback_of(error)
    while traceback is not None:
        if interrupted is not None and _is_given(traceback.tb_frame, interrupted):
            return True
        interrupted, traceback = traceback.tb_frame, traceback.tb_next
    handlers = [signal_handler(number) for number in _SIGNALS]
    # Most are a number: that of what the system does by default.
    return passes(error, {_code(each) for each in handlers if type(each) is not int})


def pass_on(error: Exception) -> None:
    """Raise `error` again if a signal handler of the user raised it, and not the system.

    A time limit of the user's is a `TimeoutError`, and so an OSError as a full disk is.
    """
    if is_of_handler(error):
        raise error


class Refusals:
    """A block that goes no further where the system refuses something, and raises nothing for it.

    It is no `contextlib.suppress`, which would keep a time limit of the user's to itself, too.

    Parameters
    ----------
    *also
        What else ends the block without more.
    """

    # No slots: ``%autoreload`` puts those of a newer class into an older one that is still used.

    def __init__(self, *also: type[Exception]) -> None:
        self._kinds: tuple[type[Exception], ...] = (OSError, *also)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        return (
            error is not None and issubclass(type(error), self._kinds) and not is_of_handler(error)
        )


def passes(error: BaseException, codes: Collection[CodeType | None]) -> bool:
    """Return whether `error` was raised in code that one of `codes` called, or in itself."""
    traceback = traceback_of(error)
    while traceback is not None:
        if traceback.tb_frame.f_code in codes:
            return True
        traceback = traceback.tb_next
    return False


def _is_given(frame: FrameType, interrupted: FrameType) -> bool:
    """Return whether an argument of a function that runs in `frame` is the frame `interrupted`."""
    code = frame.f_code
    if not code.co_flags & _FUNCTION:
        # It is no function, and its variables may be an object of the user's.
        return False
    variables = frame.f_locals
    named = code.co_argcount + code.co_kwonlyargcount
    for name in code.co_varnames[: named + bool(code.co_flags & _VARARGS)]:
        value = variables.get(name)
        if value is interrupted:
            return True
        if type(value) is tuple and any(each is interrupted for each in value):
            return True
    return False


def _code(handler: Any) -> CodeType | None:
    """Return the code of a handler if it is a function; other objects are not touched."""
    while type(handler) in (partial, MethodType):
        handler = handler.func if type(handler) is partial else handler.__func__
    return _CODE(handler) if type(handler) is FunctionType else None
