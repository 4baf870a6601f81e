"""The calls that were recorded lately, so that one seen at two places is counted once.

litellm makes some of its calls with the SDK of OpenAI, which is observed too. Nothing here is ever
written down, and no error is kept alive.
"""

from __future__ import annotations

import weakref
from collections import deque
from contextlib import suppress
from typing import Final

from dev_analytics.clock import seconds
from dev_analytics.observers.llm.answers import Answer

MOST: Final = 1000
"""How many answers, and how many errors, are remembered: the newest."""
DEPTH: Final = 10
"""How far back an error's causes are followed."""
_CAUSES: Final = ("original_exception", "__cause__", "__context__")


class Counted:
    """What was counted lately: the ids of answers, and errors."""

    def __init__(self) -> None:
        self._answers: deque[object] = deque(maxlen=MOST)
        self._errors: deque[tuple[float, weakref.ref[BaseException]]] = deque(maxlen=MOST)

    def add(self, answer: Answer) -> None:
        """Remember an answer."""
        self._answers.append(_key(answer))

    def add_error(self, error: BaseException, when: float | None = None) -> None:
        """Remember an error, and when it came, in seconds of the clock; None is now."""
        # Some built-in ones cannot be referred to weakly.
        with suppress(TypeError):
            self._errors.append((seconds() if when is None else when, weakref.ref(error)))

    def has(self, answer: Answer) -> bool:
        """Return whether an answer was counted; one without an id only stands for one."""
        key = _key(answer)
        if key not in self._answers:
            return False
        if type(key) is not str:
            with suppress(ValueError):
                self._answers.remove(key)
        return True

    def has_error(self, error: BaseException, since: float) -> bool:
        """Return whether an error was counted, or one that it comes from; `since` the call began.

        An older one is another call's, whose handling made this call.
        """
        alive = [
            each
            for when, reference in self._errors.copy()
            if when >= since and (each := reference()) is not None
        ]
        counted = set(map(id, alive))
        seen: set[int] = set()
        waiting: list[object] = [error]
        while waiting and len(seen) < DEPTH:
            cause = waiting.pop()
            if id(cause) in counted:
                return True
            if id(cause) not in seen:
                seen.add(id(cause))
                causes = [getattr(cause, name, None) for name in _CAUSES]
                waiting += [each for each in causes if issubclass(type(each), BaseException)]
        return False


def _key(answer: Answer) -> object:
    """Give what tells an answer from others: embeddings have no id."""
    if type(answer.id) is str:
        return answer.id
    return answer.model, answer.input_tokens
