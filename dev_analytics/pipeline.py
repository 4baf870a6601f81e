"""Turns an event into a record, and hands its bytes to the event log, the preview and the sink.

Observers call `Analytics.event`, which calls this. The bytes are encoded once, and are the same
everywhere. This module and its imports are loaded with the first event, because loading them takes
longer than everything else that the extension does at its start.

Every record belongs to a `Recording`. Records that are not sent have numbers of their own.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Final

from dev_analytics.catalogue.events import (
    EVENTS,
    Embedding,
    LLMRequest,
    UndeclaredError,
    acceptor,
    spans,
)
from dev_analytics.catalogue.values import RefusedValueError
from dev_analytics.consent import held_folder  # noqa: F401, the package may be gone when needed
from dev_analytics.delivery.launcher import Launcher
from dev_analytics.delivery.spool import Spool
from dev_analytics.process.forks import start_thread, unforked
from dev_analytics.process.handlers import pass_on
from dev_analytics.process.native import RLock, seconds
from dev_analytics.recording import Recording

if TYPE_CHECKING:
    from pathlib import Path

    # Only for the type checker: creating a class at load costs time.
    from typing import Protocol

    from dev_analytics.catalogue.fields import Event
    from dev_analytics.consent.gate import Gate, Period, State
    from dev_analytics.delivery import Delivery
    from dev_analytics.delivery.lines import LineFile
    from dev_analytics.drops import DropLedger
    from dev_analytics.tools.installed import Found

    class Sink(Protocol):
        """Takes the records that the user agreed to send, in the user's own thread at once.

        It is the spool, or what a test puts there.
        """

        def accept(self, record: bytes, user_id: str, recipient: str) -> None:
            """Accept the bytes of one record, without a line end; may raise OSError.

            It is of a recording of this user's for this recipient.
            """

        def has(self, record: bytes) -> bool:
            """Return whether a record is among the last ones that were accepted."""

        def resume(self) -> None:
            """Send what earlier sessions left."""

        def rest(self) -> None:
            """Release the file, as the session is off; its content was recorded before."""

        def close(self, *, at_exit: bool) -> None:
            """Release everything at the end of the session, or (`at_exit`) of the process."""

        def purge(self) -> None:
            """Delete what was not delivered yet, as the user opted out."""

        def after_fork(self) -> None:
            """Begin anew, in a forked child."""

    class Session(Protocol):
        """The attributes of `Analytics` that a pipeline uses."""

        data: Path
        gate: Gate
        drops: DropLedger
        log: LineFile | None
        strict: bool
        openers: list[Callable[[], None]]

        def agreed_delivery(self) -> Delivery | None:
            """Return where new records go."""


MAX_PREVIEWED: Final = 1000
"""How many of the newest records of this session are kept in memory."""


class Previewed(tuple[bytes, bool]):
    """A record of this session.

    To make an instance of a plain class takes a fortieth of an event's time more.
    """

    __slots__ = ()

    @property
    def record(self) -> bytes:
        """Its bytes."""
        return self[0]

    @property
    def accepted(self) -> bool:
        """Whether it is sent."""
        return self[1]


class _Handling:
    """How one event is handled in one state of consent.

    Parameters
    ----------
    state
        The state of consent now.
    event, tool
        The event's class, and the other tool that declares it, if any.
    recording
        The recording that the event belongs to, or its rehearsal.
    newest
        The catalogue version.
    began
        The state of consent when a cell or a call began; None for an event that takes no time.

    Attributes
    ----------
    unbroken
        Whether the state has not changed since the beginning.
    collecting
        Whether the record is sent.
    withheld
        Whether it is not sent because the event is newer than the user's yes.
    wants
        Whether the tool declares more than the user agreed to.
    silent
        Whether the record is not even shown in the preview.
    opted_out, tool_off
        The reasons for that: an opt-out, or a tool that is switched off.
    is_shown
        Whether the preview shows it.
    accept
        Returns the properties that may leave, as `Acceptor.accept` does.
    spans
        The properties that are durations, with their units per second.
    is_plain
        Whether nothing has to be done before that: most events have neither a tool nor a model,
        and each further check would take a hundredth of an event's time.
    """

    __slots__ = (
        *("state", "event", "tool", "recording", "unbroken", "collecting", "withheld", "wants"),
        *("user_id", "recipient", "silent", "opted_out", "tool_off", "accept", "spans", "is_shown"),
        *("is_plain", "_newest"),
    )

    def __init__(
        self,
        state: State,
        event: type[Event],
        tool: Found | None,
        recording: Recording,
        newest: int,
        began: State | None = None,
    ) -> None:
        decision, consent, period = state
        self.state, self.event, self.tool, self.recording = state, event, tool, recording
        self._newest = newest
        self.user_id, self.recipient = (
            ("", "") if period is None else (period.user_id, period.recipient)
        )
        self.unbroken = recording.period is period and (began is None or began[2] is period)
        self.collecting = self.unbroken and period is not None
        self.silent, self.opted_out = decision.silent, decision.rule == "1, opted out"
        self.tool_off = tool is not None and tool.tool in consent.tools_off
        agreed = consent.notice
        if tool is not None:
            agreed, newest = tool.agreed(consent), tool.notice
            if self.tool_off:
                self.silent, self.opted_out, self.collecting = True, False, False
        self.wants = self.collecting and agreed < newest
        self.withheld = self.collecting and event.since > agreed
        self.collecting = self.collecting and not self.withheld
        self.accept = acceptor(event, agreed if self.collecting else newest).accept
        self.spans = tuple(spans(event).items())
        asks_model = event is LLMRequest or event is Embedding
        self.is_shown = self.unbroken and not self.silent
        self.is_plain = not (asks_model or tool is not None or self.withheld)

    def since(self, began: State) -> _Handling:
        """Return how an event is handled that began in another state of consent."""
        return _Handling(self.state, self.event, self.tool, self.recording, self._newest, began)


@cache
def _completions() -> tuple[Callable[[dict[str, object]], None], ...]:
    """Return the functions that complete a request to a model, loaded with the first one."""
    with unforked():
        from dev_analytics.catalogue.costs import prices  # noqa: F401, the record needs it
        from dev_analytics.catalogue.models import put_public_name
        from dev_analytics.edit_formats import complete

    return complete, put_public_name


class Pipeline:
    """Creates the records of one process.

    Parameters
    ----------
    session
        The session's consent, drop ledger, settings and event log.
    sink
        Takes the records that the user agreed to send; None for the spool.

    Attributes
    ----------
    launcher
        Starts senders.
    preview
        The newest records of this session, kept in memory only. Those of a rehearsal are removed
        when the user answers.
    unlogged
        How many records of this session may be missing in the event log, as writing one failed.
    """

    def __init__(self, session: Session, sink: Sink | None) -> None:
        self.launcher = Launcher(
            session.data,
            session.drops,
            session.agreed_delivery,
            session.gate.place.other,
        )
        self.sink: Sink = Spool(session.data, self.launcher, self._agrees) if sink is None else sink
        self.preview: deque[Previewed] = deque(maxlen=MAX_PREVIEWED)
        self.unlogged = 0
        self._session = session
        self._waiting: deque[Callable[[], None]] = deque()
        self._recording: Recording | None = None
        self._rehearsal: Recording | None = None
        self._user_id: str | None = None
        self._handlings: dict[str, _Handling] = {}
        self._handlings_of_tools: dict[str, _Handling] = {}
        self._changing = RLock()
        self._finishing = RLock()
        self._forked = False
        self._written_despite = 0

    @property
    def recording(self) -> Recording:
        """The current recording, or rehearsal, which begins now if it has not begun."""
        return self._of(self._session.gate.now()[2])

    def event(self, name: str, began: State | None, properties: dict[str, object]) -> None:
        """Record one event, after those that wait; see `Analytics.event`.

        Raises
        ------
        UndeclaredError, RefusedValueError
            The event, a property or the kind of a value is not in the catalogue.
        """
        if self._waiting:
            self.catch_up()
        if type(name) is not str:
            raise UndeclaredError("an event's name must be a plain string")
        session = self._session
        state = session.gate.now()
        handling = self._handlings.get(name)
        if (
            handling is None
            or handling.state is not state
            or handling.recording is not self._recording
        ):
            handling = self._handling(name, state)
        if began is not None and began is not state:
            handling = handling.since(began)
        event, log = handling.event, session.log
        if handling.silent:
            self._stay_silent(handling)
            if not (log or session.strict):
                return
        for each in properties:
            # Looking up a name of a class derived from str could run the user's code.
            if type(each) is not str:
                raise UndeclaredError(f"{event.wire!r}: a property's name must be a plain string")
        if not handling.is_plain:
            properties = self._completed(handling, properties)
        if began is None or handling.collecting:
            properties = handling.recording.within(event, handling.spans, properties)
        accepted = handling.accept(properties)
        if handling.silent and not log:
            return
        # The accepted value is ours; the given one may be an object of the user's.
        if event is LLMRequest and accepted.get("operation") == "embeddings":
            event = Embedding
        if not (at := int(seconds())):
            session.drops.count("a time that cannot be")
            return
        collecting, recording = handling.collecting, handling.recording
        if not collecting:
            recording = self._aside(recording)
        record = recording.record(event, accepted, at)
        if log:
            # Until it is there: an interrupt may come at any line.
            self.unlogged += 1
        if handling.is_shown:
            self.preview.append(Previewed((record, collecting)))
        try:
            try:
                if collecting:
                    self.sink.accept(record, handling.user_id, handling.recipient)
            except OSError as error:
                pass_on(error)
                session.drops.count("disk error")
            finally:
                # After an interrupt, too: a log has every record that has a number.
                if log:
                    self._append_to(log, record)
        except BaseException as error:
            if collecting and self.sink.has(record):
                self._written_despite = id(error)
            raise

    def _append_to(self, log: LineFile, record: bytes) -> None:
        """Append a record to the event log; one that is missing there alone is no drop."""
        try:
            log.append(record)
        except OSError as error:
            pass_on(error)
        else:
            self.unlogged -= 1

    def has_written_despite(self, error: BaseException) -> bool:
        """Return whether the record of the event that `error` ended is in the spool."""
        noted, self._written_despite = self._written_despite, 0
        return noted == id(error)

    def has_refused(self, error: BaseException) -> bool:
        """Return whether `error` says that an event is not as the catalogue declares it."""
        return issubclass(type(error), UndeclaredError | RefusedValueError)

    def later(self, record: Callable[[], None]) -> None:
        """Call `record` before the next event.

        This takes no lock, as the garbage collector may call it in a thread that holds one.
        """
        self._waiting.append(record)
        if self._forked:
            # A forked child may end at any time, so a thread, which may wait for locks, records it
            # now. If no thread can start, the next event or the end of a worker records it.
            with suppress(RuntimeError):
                start_thread(self._finish, ())

    @property
    def waits(self) -> bool:
        """Whether anything waits to be recorded."""
        return bool(self._waiting)

    def catch_up(self) -> None:
        """Record what waits, in order."""
        waiting = []
        # Another thread may take the last one.
        with suppress(IndexError):
            while self._waiting:
                waiting.append(self._waiting.popleft())
        left = iter(waiting)
        try:
            for record in left:
                record()
        finally:
            # After an interrupt.
            self._waiting.extendleft(reversed([*left]))

    def open_with(self, opener: Callable[[], None]) -> None:
        """Call `opener` at the beginning of each recording, and now if one has begun."""
        with self._changing:
            begun = self._recording
            self._session.openers.append(opener)
            # One that begins only now calls it itself.
            if begun is not None and self.recording is begun:
                opener()

    def forget(self) -> None:
        """Discard what this session keeps in memory."""
        with self._changing:
            self._recording = self._rehearsal = None
            self.preview.clear()

    def after_fork(self) -> None:
        """Begin anew in a forked child.

        It reuses no number of the parent's, and waits for no lock that a parent's thread held.
        """
        self._changing = RLock()
        self._finishing = RLock()
        self.preview = deque(maxlen=MAX_PREVIEWED)
        self.unlogged = 0
        self._recording = self._rehearsal = None
        self._waiting.clear()
        self.sink.after_fork()
        self._forked = True
        if "multiprocessing.util" in sys.modules:
            from multiprocessing.util import register_after_fork

            # A worker's own start discards the finalizers that it has by now.
            register_after_fork(self, Pipeline._finish_with_worker)

    def begin_in_child(self) -> None:
        """Begin in a forked child whose parent had no pipeline yet."""
        self._forked = True
        self._user_id = self._session.gate.now()[1].user_id
        self._finish_with_worker()

    def _finish_with_worker(self) -> None:
        """Finish at the end of a worker of multiprocessing, which skips what an exit would call."""
        if "multiprocessing.util" in sys.modules:
            from multiprocessing.util import Finalize

            Finalize(None, self._finish, exitpriority=1)

    def _finish(self) -> None:
        """Record what waits, and store what was dropped; never raises.

        The end of a worker waits here for a thread that is still recording.
        """
        try:
            with self._finishing:
                self.catch_up()
                self.store_drops()
        except Exception:
            self._session.drops.count("failure inside")

    def store_drops(self) -> None:
        """Store what was dropped, unless there is no ledger yet, before a yes."""
        if self._user_id is not None:
            self.launcher.store_drops()

    def _agrees(self, user_id: str) -> bool:
        return self._session.gate.stored().current().user_id == user_id

    def _of(self, period: Period | None) -> Recording:
        """Return the recording of `period`, or of a later one if that has begun."""
        recording = self._recording
        if recording is not None and recording.period is period:
            return recording
        with self._changing:
            # Looked up again under the lock, so that no thread returns to a period that has ended.
            _, consent, period = self._session.gate.now()
            recording = self._recording
            if recording is not None and recording.period is period:
                return recording
            self._keep_sent(consent.user_id)
            self._rehearsal = None
            self._recording = recording = Recording(period)
            for opener in tuple(self._session.openers):
                opener()
            return recording

    def _keep_sent(self, user_id: str | None) -> None:
        """Keep in the preview only records that were sent, and only those of the same user."""
        same = user_id is not None and user_id == self._user_id
        if not same:
            self.preview.clear()
        # In place, as another thread or a signal handler may add one meanwhile.
        with suppress(IndexError):
            for _ in range(len(self.preview)):
                if (each := self.preview.popleft()).accepted:
                    self.preview.append(each)
        self._user_id = user_id

    def _handling(self, name: str, state: State) -> _Handling:
        """Return how an event is handled in this state; cached, a tool's while it is the same."""
        event, tool = EVENTS.get(name), None
        if event is None:
            # Loaded here because few sessions need it.
            from dev_analytics.tools.installed import find

            tool = find(name)
            if tool is None:
                raise UndeclaredError(f"there is no event {name!r}")
            known = self._handlings_of_tools.get(name)
            if (
                known is not None
                and known.tool is tool
                and known.state is state
                and known.recording is self._recording
            ):
                return known
            event = tool.event
        handling = _Handling(state, event, tool, self._of(state[2]), self._session.gate.notice)
        if handling.unbroken:
            (self._handlings if tool is None else self._handlings_of_tools)[name] = handling
        return handling

    def _stay_silent(self, handling: _Handling) -> None:
        """Delete or hand over what waits, as nothing may be collected or even shown."""
        if handling.opted_out:
            self.preview.clear()
            self.sink.purge()
        elif not handling.tool_off:
            self.sink.rest()

    def _completed(self, handling: _Handling, properties: dict[str, object]) -> dict[str, object]:
        """Return the properties with those known here: edit format, public model name, a tool's."""
        session, event, tool = self._session, handling.event, handling.tool
        if event is LLMRequest or event is Embedding:
            complete, put_public_name = _completions()
            complete(properties)
            put_public_name(properties)
        if tool is not None:
            properties = tool.completed(properties)
            if handling.wants:
                session.gate.want(tool.key, tool.scope)
        if handling.withheld:
            session.drops.count("withheld by notice")
        return properties

    def _aside(self, recording: Recording) -> Recording:
        """Return the rehearsal for a record that is not sent, so that it leaves no gap in `seq`."""
        if recording.period is None:
            return recording
        with self._changing:
            if self._rehearsal is None:
                self._rehearsal = Recording(None)
            return self._rehearsal
