"""The one recorder of calls to language models: what a call tells, and when it is over.

Nothing here raises into the user's code, prints, waits, or keeps an object of theirs alive.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dev_analytics.catalogue import matcher
from dev_analytics.catalogue.models import name_provider
from dev_analytics.catalogue.values import LARGEST
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.drops import Drop
from dev_analytics.edit_formats import current
from dev_analytics.observers.errors import public_class

if TYPE_CHECKING:
    from dev_analytics.analytics import Analytics

_MODULE: Final = type.__dict__["__module__"].__get__


class Answer(NamedTuple):
    """What a whole answer, or a chunk of one, tells; what it does not tell is None.

    The token counts are as the catalogue has them: cached tokens are part of the input, reasoning
    is part of the output. `total` adds up what an SDK counts apart.
    """

    model: object = None
    input_tokens: object = None
    output_tokens: object = None
    cache_read_input_tokens: object = None
    cache_write_input_tokens: object = None
    reasoning_output_tokens: object = None


class SDK(NamedTuple):
    """A client library.

    Attributes
    ----------
    name
        The member of the vocabulary ``sdks``.
    package
        The dotted name that the modules of its classes begin with: nothing else is read.
    read
        Tells what an answer or chunk says, or None for a chunk that says nothing.
    provider
        The member of ``providers`` that always serves it; None where the address decides.
    """

    name: str
    package: str
    read: Callable[[Any], Answer | None]
    provider: str | None = None


class Call:
    """One call to a language model, from its beginning to its end, recorded once.

    Parameters
    ----------
    recorder
        Takes it when it is over.
    sdk
        The client library.
    operation
        A member of the vocabulary ``operations``.
    model
        What the request calls the model.
    stream
        Whether the answer is streamed.
    provider
        The member of ``providers`` that serves it, where that is known.
    address
        The URL that it goes to, to look up the provider; it is never recorded.
    """

    __slots__ = (
        "__weakref__",
        "_answer",
        "_asked",
        "_begun",
        "_error",
        "_first",
        "_last",
        "_over",
        "address",
        "model",
        "operation",
        "provider",
        "recorder",
        "sdk",
        "stream",
    )

    def __init__(
        self,
        recorder: Recorder,
        sdk: SDK,
        operation: str,
        model: object,
        *,
        stream: bool,
        provider: str | None,
        address: str | None,
    ) -> None:
        self.sdk = sdk
        self.operation = operation
        self.model = model if type(model) is str else None
        self.stream = stream
        self.provider = provider or sdk.provider
        self.address = address
        self.recorder = recorder
        self._asked = current()
        self._answer = Answer()
        self._error: tuple[str, int | None] | None = None
        self._first: float | None = None
        self._last: float | None = None
        self._over = False
        self._begun = time.perf_counter()

    def read(self, answer: object) -> None:
        """Read what an answer or a chunk tells; a later chunk's word counts."""
        now = self._last = time.perf_counter()
        if self._first is None:
            self._first = now
        try:
            # Only the SDK's own classes are read: one of the user's may be asked for.
            if belongs(type(answer), self.sdk.package):
                told = self.sdk.read(answer)
                if told is not None:
                    self._answer = Answer(
                        *(
                            old if new is None else new
                            for old, new in zip(self._answer, told, strict=True)
                        )
                    )
        except Exception:
            self.recorder.drops.count(Drop.FAILURE)

    def arrived(self) -> None:
        """Note that an answer is there that the user has not read yet."""
        self._last = time.perf_counter()

    def fail(self, error: BaseException) -> None:
        """Note the error that ends it, and end it."""
        try:
            self._last = time.perf_counter()
            name = public_class(type(error))[0] if belongs(type(error), self.sdk.package) else OTHER
            own = name.partition(".")[0] == self.sdk.package.partition(".")[0]
            self._error = name if own else OTHER, _status(error) if own else None
        except Exception:
            self._error = OTHER, None
            self.recorder.drops.count(Drop.FAILURE)
        self.end()

    def end(self) -> None:
        """Have it recorded, unless it has been; it may be called while garbage is collected."""
        if not self._over:
            self._over = True
            self.recorder.take(self)

    def properties(self) -> dict[str, object]:
        """Give what is recorded of it; the public names must be loaded by now, if they ever are."""
        names, answer, error = matcher.loaded(), self._answer, self._error
        model = self.model if answer.model is None else answer.model
        asked, last, first = self._asked, self._last, self._first
        return {
            "provider": self.provider or name_provider(self.address, names),
            "model": OTHER if names is None else model,
            **{name: tokens(value) for name, value in answer._asdict().items() if name != "model"},
            "latency_s": None if last is None else last - self._begun,
            "time_to_first_chunk_s": first - self._begun if self.stream and first else None,
            "is_error": error is not None,
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
        self._held: weakref.WeakKeyDictionary[Any, tuple[Call, Any]] = weakref.WeakKeyDictionary()

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
            if analytics.gate.now()[0].silent and analytics.log is None:
                return None
            analytics.naming.start()
            return Call(
                self, sdk, operation, model, stream=stream, provider=provider, address=address
            )
        except Exception:
            self.drops.count(Drop.FAILURE)
            return None

    def take(self, call: Call) -> None:
        """Have a call that is over recorded, in a thread of its own."""
        try:
            self.analytics.naming.put(lambda: self._record(call))
        except Exception:
            self.drops.count(Drop.FAILURE)

    def hold(self, thing: object, call: Call) -> None:
        """Hold `call` for as long as `thing` lives, and end it then."""
        try:
            self._held[thing] = call, weakref.finalize(thing, call.end)
        except Exception:
            self.drops.count(Drop.FAILURE)

    def release(self, thing: object) -> Call | None:
        """Give, once, the call that is held for `thing`, which no longer ends it."""
        try:
            call, ending = self._held.pop(thing)
        except (KeyError, TypeError):
            return None
        ending.detach()
        return call

    def _record(self, call: Call) -> None:
        self.analytics.event("message_send", **call.properties())


def follow(call: Call, chunks: Iterator[Any]) -> Iterator[Any]:
    """Give an iterator over the same chunks, which reads them for `call` and ends it."""

    def following() -> Iterator[Any]:
        try:
            for chunk in chunks:
                call.read(chunk)
                yield chunk
            call.arrived()
        except GeneratorExit:
            raise
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            call.end()

    followed = following()
    call.recorder.hold(followed, call)
    return followed


def follow_async(call: Call, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Do what `follow` does for an asynchronous iterator."""

    async def following() -> AsyncIterator[Any]:
        try:
            async for chunk in chunks:
                call.read(chunk)
                yield chunk
            call.arrived()
        except GeneratorExit:
            raise
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            call.end()

    followed = following()
    call.recorder.hold(followed, call)
    return followed


def belongs(cls: type, package: str) -> bool:
    """Tell whether a class says that it comes from `package`."""
    module = _MODULE(cls)
    return type(module) is str and (module == package or module.startswith(f"{package}."))


def tokens(value: object) -> int | None:
    """Give a number of tokens: a whole one that is not negative, else None."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= LARGEST else None


def total(*parts: object) -> object:
    """Add up what an SDK counts apart; None where none of it is a number of tokens."""
    known = [number for number in map(tokens, parts) if number is not None]
    return sum(known) if known else None


def _status(error: object) -> int | None:
    for name in ("status_code", "code"):
        status = getattr(error, name, None)
        if type(status) is int and 100 <= status <= 599:
            return status
    return None
