"""Tells what was refused before a request went out from what failed on its way.

Where an SDK has no method of its own for that, the refusal of what it uses tells: httpx refuses a
client that is closed and a header that is not valid, and json what it cannot write. An error is
looked at by its type and its traceback, so that nothing of the user's is run.
"""

from __future__ import annotations

from typing import Any, Final

from dev_analytics.callbacks import traceback_of
from dev_analytics.observers.llm.answers import belongs

_CLIENTS: Final = ("httpx", "httpx2")
_SENDING: Final = frozenset((f"{each}._client", "send") for each in _CLIENTS)
_ENCODERS: Final = ("json.encoder", "cohere.core.jsonable_encoder")
_CAUSE: Final = vars(BaseException)["__cause__"].__get__


def is_refused(error: BaseException) -> bool:
    """Return whether `error`, or the one it was raised from, means that no request went out."""
    return _is_refusal(error) or _is_refusal(_CAUSE(error))


def _is_refusal(error: Any) -> bool:
    kind = type(error)
    if kind is RuntimeError:
        return _functions(error)[-1] in _SENDING
    if kind is TypeError or kind is ValueError:
        # The user's own code may fail to write JSON when an answer is there.
        functions = _functions(error)
        return functions[-1][0] in _ENCODERS and _SENDING.isdisjoint(functions)
    # A class of the user's may have a metaclass that runs when its name is asked for.
    return any(belongs(kind, each) for each in _CLIENTS) and kind.__name__ == "LocalProtocolError"


def _functions(error: BaseException) -> list[tuple[str | None, str]]:
    """Return modules and names of the functions that `error` passed, the raising one last."""
    traceback = traceback_of(error)
    functions: list[tuple[str | None, str]] = [(None, "")]
    while traceback is not None:
        frame = traceback.tb_frame
        # Code of the user's may run in globals of a class of their own, and name itself anything.
        module = dict.get(frame.f_globals, "__name__")
        functions.append((module if type(module) is str else None, frame.f_code.co_name))
        traceback = traceback.tb_next
    return functions
