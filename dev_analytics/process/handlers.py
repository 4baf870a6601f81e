"""Whether an exception from our code was raised by a signal handler of the user.

A handler may run in the middle of any line. What it raises, such as a timeout, is for the user's
own code to catch.
"""

from __future__ import annotations

import signal
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any, Final

from dev_analytics.process.native import handling

_SIGNALS: Final = range(1, signal.NSIG)
"""Not `signal.valid_signals`, which makes a member of an enumeration of each: a hundredth of the
time that loading the extension takes."""

_CODE: Final = vars(FunctionType)["__code__"].__get__
_TRACEBACK: Final = vars(BaseException)["__traceback__"].__get__


def is_of_handler(error: BaseException) -> bool:
    """Return whether a signal handler of the user raised `error`."""
    codes = {_code(handling(number)) for number in _SIGNALS}
    traceback = _TRACEBACK(error)
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
