"""The recorder of all calls to language models: what a call contains, and when it is over.

Nothing here raises into the user's code, prints, waits, or keeps an object of the user alive.
"""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

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
from dev_analytics.process.native import Clock

if TYPE_CHECKING:
    from dev_analytics.analytics import Analytics
    from dev_analytics.consent.gate import State


class _Process:
    """The process that this is, another one in a forked child; asking the system takes longer.

    Attributes
    ----------
    now
        Its sign.
    """

    now = object()

    @classmethod
    def begin(cls) -> None:
        cls.now = object()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Process.begin)


class Call:
    """One call to a language model: begun, ended and recorded once.

    Parameters
    ----------
    recorder
        Takes it when it is over.
    sdk
        The client library.
    operation
        A member of the vocabulary ``operations``.
    model
        The model's name in the request.
    began
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
        "_asked",
        "_error",
        "_first",
        "_last",
        "_open",
        "_process",
        "address",
        "began",
        "begun",
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
        began: State,
        stream: bool,
        provider: str | None,
        address: str | None,
    ) -> None:
        self.sdk = sdk
        self.operation = operation
        self.model = text(model)
        self.began = began
        self.stream = stream
        self.provider = provider or sdk.provider
        self.address = address
        self.recorder = recorder
        self.place = 0
        self.unsent = False
        self._asked = current()
        self._answer: Answer | None = None
        self._error: tuple[str, int | None] | None = None
        self._first: float | None = None
        self._last: float | None = None
        self._open = [True]
        # A forked child also has the parent's calls, and may see the end of one.
        self._process = _Process.now
        self.begun = Clock.perf_counter()

    def read(self, answer: object) -> None:
        """Read an answer or a chunk."""
        now = self._last = Clock.perf_counter()
        if self._first is None:
            self._first = now
        try:
            # Only the SDK's own classes are read: the user may have asked for one of their own.
            plain = self.sdk.plain and type(answer) is dict
            if plain or belongs(type(answer), self.sdk.package):
                found = self.sdk.read(answer)
                if found is not None:
                    self.tell(found)
        except Exception as error:
            count_failure(self.recorder.drops, error)

    def tell(self, answer: Answer) -> None:
        """Take the content of an answer or a chunk."""
        known = self._answer
        self._answer = answer if known is None else known.updated(answer)

    def restart(self) -> None:
        """Note that its request is made only now."""
        self.begun = Clock.perf_counter()

    def arrived(self) -> None:
        """Note that an answer has arrived that the user has not read yet."""
        self._last = Clock.perf_counter()

    def fail(self, error: BaseException) -> None:
        """Record the error that ends it, and end it."""
        self.failed(error)
        self.end()

    @property
    def has_failed(self) -> bool:
        """Whether an error was noted."""
        return self._error is not None

    def failed(self, error: BaseException) -> None:
        """Record an error, which may not be the one that its user gets.

        One that says that no request went out makes it no call, unless an answer has been read.
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
            self.recorder.take(self)

    def abandon(self) -> None:
        """Record it soon, unless it has been: the garbage collector may be running."""
        if self._ends():
            self.recorder.take_later(self)

    def _ends(self) -> bool:
        """Return whether this is the end of what was sent: the first, and in its own process."""
        try:
            # Several threads may see the end, and one of them takes it.
            self._open.pop()
        except IndexError:
            return False
        return self._process is _Process.now and not self.unsent

    def properties(self) -> dict[str, object]:
        """Return the properties that are recorded."""
        answer, error = self._answer or Answer(), self._error
        provider = self.provider or name_provider(self.address)
        model = answer.model
        if model is None and provider != "azure":
            # A request to Azure names a deployment, which may have the name of another model.
            model = self.model
        asked, last, first = self._asked, self._last, self._first
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
            "edit_format": asked and asked.edit_format,
            "tool": asked and asked.tool,
        }


class Recorder:
    """Begins calls and records them when they are over.

    Parameters
    ----------
    analytics
        Where the events go.
    """

    def __init__(self, analytics: Analytics) -> None:
        self.drops = analytics.drops
        self.analytics = analytics
        # What holds from here on: a feed tells of some calls only when they are over.
        analytics.gate.now()
        self._held: dict[int, tuple[Call, weakref.ref[Any]]] = {}

    def begin(
        self,
        sdk: SDK,
        operation: str,
        model: object,
        *,
        stream: bool = False,
        provider: str | None = None,
        address: str | None = None,
    ) -> Call | None:
        """Begin a call; None while nothing is collected. The parameters are those of `Call`."""
        try:
            analytics = self.analytics
            began = analytics.gate.at_beginning()
            if began[0].silent and analytics.log is None:
                return None
            pipeline = analytics.pipeline
            if pipeline.waits:
                pipeline.catch_up()
            return Call(
                self,
                sdk,
                operation,
                model,
                began=began,
                stream=stream,
                provider=provider,
                address=address,
            )
        except Exception as error:
            count_failure(self.drops, error)
            return None

    def take(self, call: Call) -> None:
        """Record a call that is over; if it began before the yes, it is not sent."""
        try:
            # The pipeline has been loaded when the call began.
            self.analytics.pipeline.event("message_send", call.began, call.properties())
        except Exception as error:
            count_failure(self.drops, error)

    def take_later(self, call: Call) -> None:
        """Record a call before the next event, if recording it now could wait for a lock."""
        try:
            self.analytics.pipeline.later(partial(self.take, call))
        except Exception:
            self.drops.count("failure inside")

    def hold(self, thing: object, call: Call) -> None:
        """Keep `call` for as long as `thing` lives, and record it then.

        `weakref.finalize` would put a call at the end of the process, and so move those of the
        user's own that is made later.
        """
        number = id(thing)

        def ended(reference: object) -> None:
            # Called in the middle of anything, by the garbage collector.
            held = self._held.get(number)
            if held is not None and held[1] is reference:
                del self._held[number]
                call.abandon()

        try:
            before = self.release(thing)
            self._held[number] = call, weakref.ref(thing, ended)
            if before is not None and before is not call:
                before.abandon()
        except Exception as error:
            count_failure(self.drops, error)

    def held(self, thing: object) -> Call | None:
        """Return the call that is held for `thing`."""
        call, reference = self._held.get(id(thing), (None, None))
        return call if reference is not None and reference() is thing else None

    def release(self, thing: object) -> Call | None:
        """Return the call that is held for `thing`, once; the end of `thing` no longer ends it."""
        call = self.held(thing)
        if call is None or self._held.pop(id(thing), None) is None:
            return None  # another thread was quicker
        return call

    def finish(self) -> None:
        """Record every call that is still held, in the order in which they began."""
        with suppress(Exception):
            calls = {call for call, _ in self._held.copy().values()}
            # At the end of the process no finalizer reports anything.
            self._held.clear()
            for call in sorted(calls, key=lambda call: call.begun):
                call.end()
