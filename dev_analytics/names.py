"""Public names, asked of a process of our own that has genai-prices (`catalogue.matcher`).

In the user's process genai-prices would hold the interpreter for a quarter of a second, and the
modules that it imports could be met half imported by the user's own code: openai 2 looks in
``sys.modules`` for httpx2 at every call. What was asked once is known from then on.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from functools import cached_property
from importlib.util import find_spec
from typing import Final

from msgspec import DecodeError, ValidationError, json

from dev_analytics.detached import spawn

MODULE: Final = "dev_analytics.catalogue.matcher"

LONGEST_WAIT: Final = 10.0
"""How many seconds an answer is waited for at most; the first needs the data loaded."""

MOST_FAILURES: Final = 3
"""After how many failures in a row no more is asked in this process."""

MOST_KNOWN: Final = 1000
"""How many answers are remembered at most; then all are forgotten."""

Question = tuple[str | None, ...]
"""``("model", name, provider)`` or ``("provider", url)``."""


class NotKnownYet(Exception):  # noqa: N818, no error: it says that one has to wait
    """The answer has to be waited for, and here nobody may.

    Attributes
    ----------
    question
        What to `learn`.
    """

    def __init__(self, question: Question) -> None:
        super().__init__("a name that was not looked up yet")
        self.question = question


class PublicNames:
    """Knows public models and the addresses of providers, as `catalogue.models.Names`.

    Parameters
    ----------
    known
        The answers that are remembered.
    """

    def __init__(self, known: dict[Question, str | None]) -> None:
        self._known = known

    def model(self, name: str, provider: str | None) -> str | None:
        """Give the id of the public model that `name` means at `provider`, or anywhere."""
        return self._find(("model", name, provider))

    def provider(self, url: str) -> str | None:
        """Give the id of the provider that serves `url`."""
        return self._find(("provider", url))

    def _find(self, question: Question) -> str | None:
        return self._known.get(question)


class Lookup(PublicNames):
    """Public names that can be learned; one for a process.

    Asking for one that is not known raises `NotKnownYet`, wherever genai-prices is installed.
    """

    def __init__(self) -> None:
        super().__init__({})
        self._anew()

    def _anew(self) -> None:
        self._lock = threading.Lock()
        self._pipes: tuple[int, int] | None = None
        self._failures = 0

    @cached_property
    def installed(self) -> bool:
        """Whether genai-prices is; this loads nothing."""
        try:
            return find_spec("genai_prices") is not None
        except (ImportError, ValueError):
            return False

    def known(self) -> PublicNames:
        """Give the names that are known now, to which nothing has to be waited for."""
        return PublicNames(self._known)

    def learn(self, question: Question) -> bool:
        """Ask, and remember the answer, which is None if it cannot be had. Waits for the process.

        Returns
        -------
        bool
            Nothing failed.
        """
        with self._lock:
            if question in self._known:
                return True
            found, failures = None, self._failures
            if self.installed and failures < MOST_FAILURES:
                # One that was there before may have ended since: then a new one is asked.
                for last in (False, True) if self._pipes else (True,):
                    try:
                        found = self._ask(json.encode(question) + b"\n")
                        self._failures = 0
                        break
                    except (OSError, ValueError, AttributeError, NotImplementedError):
                        self._hang_up()
                        self._failures += last
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[question] = found
            return self._failures <= failures

    def rest(self) -> None:
        """Let the process end."""
        with self._lock:
            self._hang_up()

    def after_fork(self) -> None:
        """Leave the process to the parent."""
        self._hang_up()
        self._anew()

    def _find(self, question: Question) -> str | None:
        try:
            return self._known[question]
        except KeyError:
            raise NotKnownYet(question) from None

    def _ask(self, line: bytes) -> str | None:
        if self._pipes and _ready(self._pipes[0], select.POLLOUT, 0) != select.POLLOUT:
            self._hang_up()
        ask, listen = self._pipes or self._start()
        os.write(ask, line)
        answer, end = b"", time.monotonic() + LONGEST_WAIT
        while not answer.endswith(b"\n"):
            if not _ready(listen, select.POLLIN, end - time.monotonic()):
                raise OSError("no answer")
            read = os.read(listen, 1024)
            if not read:
                raise OSError("it is gone")
            answer += read
        try:
            return json.decode(answer, type=str | None)
        except (DecodeError, ValidationError) as error:
            raise OSError("no answer") from error

    def _start(self) -> tuple[int, int]:
        (read_questions, ask), (listen, write_answers) = os.pipe(), os.pipe()
        self._pipes = ask, listen
        try:
            process = spawn(MODULE, stdin=read_questions, stdout=write_answers)
        finally:
            os.close(read_questions)
            os.close(write_answers)
        # It ends at once, as its child answers. Somebody else may have waited for it.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, 0)
        return self._pipes

    def _hang_up(self) -> None:
        pipes, self._pipes = self._pipes, None
        for pipe in pipes or ():
            with contextlib.suppress(OSError):
                os.close(pipe)


def _ready(descriptor: int, event: int, seconds: float) -> int:
    """Wait until it can be read or written, and give what is with it; 0 if nothing in time."""
    waiting = select.poll()
    waiting.register(descriptor, event)
    return next((found for _, found in waiting.poll(max(0, seconds) * 1000)), 0)


NAMES: Final = Lookup()
"""The names that this process knows."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=NAMES.after_fork)
