"""The recorder of all calls to language models: it begins them, and records them when they end.

Nothing here raises into the user's code, prints, waits, or keeps an object of the user alive.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from dev_analytics.callbacks import count_failure
from dev_analytics.observers.llm.answers import SDK
from dev_analytics.observers.llm.call import Call

if TYPE_CHECKING:
    from dev_analytics.analytics import Analytics


class Recorder:
    """Begins calls, and records them in `analytics` when they are over."""

    def __init__(self, analytics: Analytics) -> None:
        self.drops = analytics.drops
        self.analytics = analytics
        # Consent counts from here on: some calls are only seen when they are over.
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
        analytics = self.analytics
        consent = analytics.gate.at_beginning()
        if consent[0].silent and analytics.log is None:
            return None
        pipeline = analytics.pipeline
        if pipeline.waits:
            pipeline.catch_up()
        return Call(
            self,
            sdk,
            operation,
            model,
            consent=consent,
            stream=stream,
            provider=provider,
            address=address,
        )

    def record(self, call: Call) -> None:
        """Record a call that is over; if it began before the yes, it is not sent."""
        try:
            self.analytics.event("message_send", call.consent, **call.properties())
        except BaseException as error:
            count_failure(self.drops, error)

    def record_later(self, call: Call) -> None:
        """Record a call before the next event, if recording it now could wait for a lock."""
        try:
            self.analytics.pipeline.later(partial(self.record, call))
        except Exception:
            self.drops.count("failure inside")

    def hold(self, thing: object, call: Call) -> None:
        """Keep `call` for as long as `thing` lives, and record it then.

        Not by `weakref.finalize`: it would register an exit handler, and so change the order of
        those that the user's code registers.
        """
        number = id(thing)

        def ended(reference: object) -> None:
            # Called in the middle of anything, by the garbage collector, unless it was released.
            self._held.pop(number, None)
            call.abandon()

        self._held[number] = call, weakref.ref(thing, ended)

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
