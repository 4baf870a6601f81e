"""One call to a language model: what it asked, what was answered, and when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dev_analytics.callbacks import count_failure
from dev_analytics.catalogue.addresses import name_provider
from dev_analytics.catalogue.costs import counted_output
from dev_analytics.catalogue.events import PROVIDERS
from dev_analytics.catalogue.models import name_model
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.edit_formats import current
from dev_analytics.observers.errors import public_class
from dev_analytics.observers.llm.answers import SDK, Answer, belongs, status, text, tokens
from dev_analytics.observers.llm.refusal import is_refused
from dev_analytics.observers.plain import plain
from dev_analytics.process.forks import in_child
from dev_analytics.process.native import Clock

if TYPE_CHECKING:
    from dev_analytics.consent.gate import State
    from dev_analytics.observers.llm.recorder import Recorder

_process = object()
"""Stands for this process, and is another in a forked child: asking the system takes longer."""


def _begin_process() -> None:
    global _process
    _process = object()


in_child(_begin_process)


class Call:
    """One call to a language model: begun, ended and recorded once.

    Parameters
    ----------
    recorder
        Records it when it is over.
    sdk
        The client library.
    operation
        A member of the vocabulary ``operations``.
    model
        The model's name in the request.
    consent
        The state of consent when it began.
    stream
        Whether the answer is streamed.
    provider
        The member of ``providers`` that serves it, if it is known.
    address
        The URL that it goes to, to look up the provider; it is never recorded.

    Attributes
    ----------
    place
        How many of its chunks have been read, if they are in a list.
    unsent
        Whether its request has not gone out: it is not recorded as long as it has not.
    """

    __slots__ = (
        "__weakref__",
        "_answer",
        "_edit_format",
        "_error",
        "_first",
        "_last",
        "_open",
        "_process",
        "address",
        "begun",
        "consent",
        "model",
        "operation",
        "place",
        "provider",
        "recorder",
        "sdk",
        "stream",
        "unsent",
    )

    def __init__(
        self,
        recorder: Recorder,
        sdk: SDK,
        operation: str,
        model: object,
        *,
        consent: State,
        stream: bool,
        provider: str | None,
        address: str | None,
    ) -> None:
        self.sdk = sdk
        self.operation = operation
        self.model = text(model)
        self.consent = consent
        self.stream = stream
        self.provider = provider or sdk.provider
        self.address = address
        self.recorder = recorder
        self.place = 0
        self.unsent = False
        self._edit_format = current()
        self._answer: Answer | None = None
        self._error: tuple[str, int | None] | None = None
        self._first: float | None = None
        self._last: float | None = None
        self._open = [True]
        # A forked child also has the parent's calls, and may see the end of one.
        self._process = _process
        self.begun = Clock.perf_counter()

    def read(self, answer: object) -> None:
        """Read an answer or a chunk."""
        now = self._last = Clock.perf_counter()
        if self._first is None:
            self._first = now
        try:
            found = None
            # Only the SDK's own classes are read: the user may have asked for one of their own.
            if self.sdk.plain and type(answer) is dict:
                found = self.sdk.read(plain(answer))
            elif belongs(type(answer), self.sdk.package):
                found = self.sdk.read(answer)
            if found is not None:
                self.add(found)
        except Exception as error:
            count_failure(self.recorder.drops, error)

    def add(self, answer: Answer) -> None:
        """Add the content of an answer or a chunk."""
        known = self._answer
        self._answer = answer if known is None else known.updated(answer)

    def restart(self) -> None:
        """Note that its request is only made now."""
        self.begun = Clock.perf_counter()

    def arrived(self) -> None:
        """Note that an answer has arrived that the user has not read yet."""
        self._last = Clock.perf_counter()

    def fail(self, error: BaseException) -> None:
        """Note the error that ends it, and end it."""
        self.note_error(error)
        self.end()

    @property
    def has_failed(self) -> bool:
        """Whether an error was noted."""
        return self._error is not None

    def note_error(self, error: BaseException) -> None:
        """Note an error, which may not be the one that its user gets.

        If it means that no request went out, this is no call, unless an answer has been read.
        Anything but an `Exception` is not the provider's fault: the user interrupted, or cancelled
        a task.
        """
        if not issubclass(type(error), Exception):
            return
        try:
            if self._answer is None and is_refused(error):
                self.unsent = True
                return
            self._last = Clock.perf_counter()
            packages = (self.sdk.package, *self.sdk.errors)
            own = any(belongs(type(error), package) for package in packages)
            name = public_class(type(error))[0] if own else OTHER
            public = name.partition(".")[0] in {each.partition(".")[0] for each in packages}
            has_status = own or belongs(type(error), "httpx")
            self._error = name if public else OTHER, status(error) if has_status else None
        except Exception as failure:
            self._error = OTHER, None
            count_failure(self.recorder.drops, failure)

    def end(self) -> None:
        """Record it, unless it has been."""
        if self._ends():
            self.recorder.record(self)

    def abandon(self) -> None:
        """Record it soon, unless it has been: the garbage collector may be running."""
        if self._ends():
            self.recorder.record_later(self)

    def _ends(self) -> bool:
        """Return whether this is the end of what was sent: the first, and in its own process."""
        try:
            # Several threads may see the end, and one of them takes it.
            self._open.pop()
        except IndexError:
            return False
        return self._process is _process and not self.unsent

    def properties(self) -> dict[str, object]:
        """Return the properties that are recorded."""
        answer, error = self._answer or Answer(), self._error
        provider = self.provider or name_provider(self.address)
        model = answer.model
        if model is None and provider != "azure":
            # A request to Azure names a deployment, which may have the name of another model.
            model = self.model
        edited, last, first = self._edit_format, self._last, self._first
        output, reasoning = tokens(answer.output_tokens), tokens(answer.reasoning_output_tokens)
        if reasoning:
            public = name_model(model, PROVIDERS.find(provider)).id
            output = counted_output(public, output, reasoning)
        return {
            "provider": provider,
            "model": model,
            "input_tokens": tokens(answer.input_tokens),
            "output_tokens": output,
            "cache_read_input_tokens": tokens(answer.cache_read_input_tokens),
            "cache_write_input_tokens": tokens(answer.cache_write_input_tokens),
            "reasoning_output_tokens": reasoning,
            "latency_s": None if last is None else last - self.begun,
            "time_to_first_chunk_s": first - self.begun if self.stream and first else None,
            "is_error": error is not None or answer.failed is True,
            "error_type": error and error[0],
            "http_status": error and error[1],
            "operation": self.operation,
            "sdk": self.sdk.name,
            "stream": self.stream,
            "edit_format": edited and edited.edit_format,
            "tool": edited and edited.tool,
        }
