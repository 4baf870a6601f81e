"""`Analytics`: the one object that every event passes through.

Observers and tools call `Analytics.event`; it asks the consent gate, lets the encoder make the
record's bytes once, and hands these same bytes to the event log, the preview and the sink. Nothing
here knows who called or where the bytes end.
"""

from __future__ import annotations

import itertools
import os
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from dev_analytics.catalogue.events import EVENTS, NOTICE, LLMRequest, UndeclaredError, accept
from dev_analytics.catalogue.record import encode, make_record, new_session_id
from dev_analytics.catalogue.values import RefusedValueError
from dev_analytics.consent.decision import Decision, Rule
from dev_analytics.consent.environment import data_directory
from dev_analytics.consent.gate import Gate
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.launcher import Delivery, Launcher
from dev_analytics.delivery.lines import LineFile
from dev_analytics.delivery.spool import Sink, Spool
from dev_analytics.drops import Drop, DropLedger
from dev_analytics.names import NAMES, NotKnownYet
from dev_analytics.naming import Naming

if TYPE_CHECKING:
    from dev_analytics.catalogue.models import Names

MOST_PREVIEWED: Final = 1000
"""How many records of this session are kept in memory, the newest."""

SAMPLE_PERCENT: Final = 10.0
"""How many of all users are asked, unless a setting says otherwise."""


_OFF: Final = Decision(False, False, Rule.SWITCHED_OFF, "switched off by itself", silent=True)
"""What holds for the events of a tool that is off, whatever holds for the others."""


class Previewed(NamedTuple):
    """A record of this session, as bytes, and whether it was accepted for sending."""

    record: bytes
    accepted: bool


class Analytics:
    """Where events go in.

    Parameters
    ----------
    data
        The data directory.
    sample_percent
        How many of all users are asked, from 0 to 100.
    delivery
        Where records go; None leaves them to a process that knows, as `get_analytics` does until
        the extension is loaded.
    sink
        Takes the records that the user agreed to send: the spool, unless a test has its own.
    strict
        Raise for an event or property that is not in the catalogue, and for any failure inside,
        as tests and developers want it. Otherwise both are counted as drops.

    Attributes
    ----------
    gate
        Consent, environment and session switch.
    drops
        What was dropped in this session, by reason.
    naming
        Where LLM requests wait until their model can be named.
    launcher
        Starts senders, and knows where they deliver.
    preview
        The newest records of this session, kept in memory only.
    recorded
        How many records of each event were made in this session.
    """

    def __init__(
        self,
        data: Path | None = None,
        *,
        sample_percent: float = SAMPLE_PERCENT,
        delivery: Delivery | None = Delivery(),  # noqa: B008, a frozen value
        sink: Sink | None = None,
        strict: bool = False,
    ) -> None:
        data = data_directory() if data is None else data
        self.gate = Gate(ConsentStore(data), sample_percent=sample_percent, notice=NOTICE)
        self.drops = DropLedger()
        self.naming = Naming(self.drops)
        self.launcher = Launcher(data, self.drops, delivery)
        self.sink: Sink = Spool(data, self.launcher) if sink is None else sink
        self.strict = strict
        self.log: LineFile | None = None
        self.begin()
        _ALL.add(self)

    def begin(self) -> None:
        """Begin a new session: new identifier, numbers from 1, empty preview."""
        self._seq = itertools.count(1)
        self.session_id = new_session_id(int(time.time()))
        self.preview: deque[Previewed] = deque(maxlen=MOST_PREVIEWED)
        self.recorded: Counter[str] = Counter()

    def event(self, name: str, /, **properties: object) -> None:
        """Take one event.

        Parameters
        ----------
        name
            One of `dev_analytics.catalogue.events.EVENTS`, or ``tool.event`` of an installed tool.
        **properties
            Its properties. A word outside its vocabulary becomes ``"other"``.

        Raises
        ------
        UndeclaredError, RefusedValueError
            Only if `strict`: the catalogue has no such event or property, or not of this kind.
        """
        try:
            self.naming.catch_up()
            self._take(name, properties)
        except Exception as error:
            refused = isinstance(error, UndeclaredError | RefusedValueError)
            self.drops.count(Drop.INVALID if refused else Drop.FAILURE)
            if self.strict:
                raise

    def later(self, request: Callable[[Names], dict[str, object]], *, agreed: bool) -> None:
        """Take an LLM request as soon as its model can be named, out of the caller's way.

        Parameters
        ----------
        request
            Gives its properties, with the public names that there are.
        agreed
            Whether the user had agreed when it was made: no later yes makes it leave.
        """
        self.naming.put(lambda names: self._take_later(names, request, agreed))

    def edit_format(
        self, edit_format: str, *, tool: str | None = None
    ) -> AbstractContextManager[None]:
        """Name the edit format of the LLM requests that are made inside.

        It holds in asynchronous code too, in threads that are started inside, and in what is
        submitted to a thread pool there.

        Parameters
        ----------
        edit_format
            A member of the vocabulary ``edit_formats``; anything else counts as ``"other"``.
        tool
            A member of ``tools``: who asks in this format.
        """
        from dev_analytics.edit_formats import asking

        return asking(edit_format, tool)

    def log_to(self, file: Path) -> Path:
        """Append every record from now on to `file`, sent or not, and give its whole path.

        Raises
        ------
        OSError
            It cannot be written; the log stays what it was.
        """
        log = LineFile(file.expanduser().absolute())
        self.stop_log()
        self.log = log
        return log.path

    def stop_log(self) -> None:
        """End the event log."""
        log, self.log = self.log, None
        if log is not None:
            log.close()

    def _take_later(
        self, names: Names, request: Callable[[Names], dict[str, object]], agreed: bool
    ) -> None:
        from dev_analytics.catalogue.models import put_public_name

        properties = request(names)
        put_public_name(properties, names)
        if not agreed and self.gate.now()[0].collecting:
            self.drops.count(Drop.WITHHELD)
        else:
            self.event("message_send", **properties)

    def _take(self, name: str, properties: dict[str, object]) -> None:
        if type(name) is not str:
            raise UndeclaredError("an event whose name is no plain text")
        event, tool = EVENTS.get(name), None
        if event is None:
            # What few sessions have is loaded when one has it, as loading takes its time.
            from dev_analytics.tools.installed import find

            tool = find(name)
            if tool is None:
                raise UndeclaredError(f"there is no event {name!r}")
            event = tool.event
        decision, consent = self.gate.now()
        log, collecting = self.log, decision.collecting
        notice, newest = consent.notice, self.gate.notice
        if tool is not None:
            notice, newest = consent.tools.get(tool.key, 0), tool.notice
            if tool.tool in consent.tools_off:
                decision, collecting = _OFF, False
        if decision.silent:
            if decision.rule is Rule.OPTED_OUT:
                self.preview.clear()
                self.sink.purge()
            if not (log or self.strict):
                return
        if event is LLMRequest:
            from dev_analytics.catalogue.models import put_public_name
            from dev_analytics.edit_formats import complete

            complete(properties)
            try:
                put_public_name(properties, NAMES)
            except NotKnownYet:
                accept(event, properties)
                self.naming.start()
                # Its edit format is settled here: there, another one is in force, or none.
                self.later(lambda _: properties, agreed=collecting)
                return
        if collecting and tool is not None and notice < newest:
            self.gate.want(tool.key, newest)
        if collecting and event.since > notice:
            self.drops.count(Drop.WITHHELD)
            collecting = False
        accepted = accept(event, properties, notice if collecting else newest)
        record = encode(
            make_record(
                event,
                accepted,
                distinct_id=consent.user_id if collecting else None,
                session_id=self.session_id,
                seq=next(self._seq),
                seconds=int(time.time()),
            )
        )
        if log or not decision.silent:
            self.recorded[event.wire] += 1
        if not decision.silent:
            self.preview.append(Previewed(record, collecting))
        if collecting and consent.user_id is not None:
            try:
                self.sink.accept(record, consent.user_id)
            except OSError:
                self.drops.count(Drop.DISK_ERROR)
        if log:
            try:
                log.append(record)
            except OSError:
                self.drops.count(Drop.DISK_ERROR)


_process: Analytics | None = None


def get_analytics() -> Analytics:
    """Give the one `Analytics` of this process; the first call makes it."""
    global _process
    if _process is None:
        _process = Analytics(delivery=None)
    return _process


_ALL: Final[weakref.WeakSet[Analytics]] = weakref.WeakSet()


def _after_fork() -> None:
    """Give a forked child sessions and files of its own.

    No number is used twice, and no lock is waited for that a thread of the parent held.
    """
    for analytics in _ALL:
        analytics.begin()
        analytics.sink.after_fork()
        analytics.naming.after_fork()
        # The parent stores what it dropped before.
        analytics.drops.stored(analytics.drops.unstored())
        if analytics.log is not None:
            try:
                analytics.log = LineFile(analytics.log.path)
            except OSError:
                analytics.log = None
                analytics.drops.count(Drop.DISK_ERROR)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
