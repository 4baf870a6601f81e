"""The way of one event: what of it may leave, its record, its bytes, and who gets them.

An observer's event comes through `dev_analytics.analytics`. The bytes are made once and are the
same for the event log, the preview and the sink. This and all it needs are loaded with the first
event, as loading takes longer than anything that the extension does at its start.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

from dev_analytics.catalogue.events import EVENTS, LLMRequest, UndeclaredError, accept
from dev_analytics.catalogue.record import encode, make_record, new_session_id
from dev_analytics.catalogue.values import RefusedValueError
from dev_analytics.consent.decision import Decision, Rule
from dev_analytics.delivery.launcher import Launcher
from dev_analytics.delivery.spool import Sink, Spool
from dev_analytics.drops import Drop
from dev_analytics.names import NAMES, NotKnownYet
from dev_analytics.naming import Naming

if TYPE_CHECKING:
    from pathlib import Path

    from dev_analytics.catalogue.models import Names
    from dev_analytics.consent.gate import Gate
    from dev_analytics.delivery.lines import LineFile
    from dev_analytics.delivery.settings import Delivery
    from dev_analytics.drops import DropLedger

MOST_PREVIEWED: Final = 1000
"""How many records of this session are kept in memory, the newest."""

_OFF: Final = Decision(False, False, Rule.SWITCHED_OFF, "switched off by itself", silent=True)
"""What holds for the events of a tool that is off, whatever holds for the others."""


class Previewed(Struct, frozen=True, gc=False):
    """A record of this session, as bytes, and whether it was accepted for sending."""

    record: bytes
    accepted: bool


class Session(Protocol):
    """What a recording is made for: the attributes of `dev_analytics.analytics.Analytics`."""

    data: Path
    gate: Gate
    drops: DropLedger
    delivery: Delivery | None
    log: LineFile | None
    strict: bool


class Recording:
    """Makes records in one process.

    Parameters
    ----------
    session
        Consent, ledger of drops, settings and event log as they are now.
    sink
        Takes the records that the user agreed to send; None for the spool.

    Attributes
    ----------
    naming
        Where LLM requests wait until their model can be named.
    launcher
        Starts senders.
    preview
        The newest records of this session, kept in memory only.
    recorded
        How many records of each event were made in this session.
    """

    def __init__(self, session: Session, sink: Sink | None) -> None:
        self.naming = Naming(session.drops)
        self.launcher = Launcher(session.data, session.drops, lambda: session.delivery)
        self.sink: Sink = Spool(session.data, self.launcher) if sink is None else sink
        self._session = session
        self._begin()

    def _begin(self) -> None:
        """Begin a session: new identifier, numbers from 1, empty preview."""
        self._seq = itertools.count(1)
        self.session_id = new_session_id(int(time.time()))
        self.preview: deque[Previewed] = deque(maxlen=MOST_PREVIEWED)
        self.recorded: Counter[str] = Counter()

    def event(self, name: str, properties: dict[str, object]) -> None:
        """Take one event, as `Analytics.event`; what waits to be named comes before it."""
        try:
            self.naming.catch_up()
            self._take(name, properties)
        except Exception as error:
            refused = isinstance(error, UndeclaredError | RefusedValueError)
            self._session.drops.count(Drop.INVALID if refused else Drop.FAILURE)
            if self._session.strict:
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

    def after_fork(self) -> None:
        """Become, in a forked child, a session of its own.

        No number is used twice, and no lock is waited for that a thread of the parent held.
        """
        self._begin()
        self.sink.after_fork()
        self.naming.after_fork()

    def _take_later(
        self, names: Names, request: Callable[[Names], dict[str, object]], agreed: bool
    ) -> None:
        from dev_analytics.catalogue.models import put_public_name

        properties = request(names)
        put_public_name(properties, names)
        if not agreed and self._session.gate.now()[0].collecting:
            self._session.drops.count(Drop.WITHHELD)
        else:
            self.event("message_send", properties)

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
        session = self._session
        decision, consent = session.gate.now()
        collecting = decision.collecting
        notice, newest = consent.notice, session.gate.notice
        if tool is not None:
            notice, newest = tool.agreed(consent), tool.notice
            if tool.tool in consent.tools_off:
                decision, collecting = _OFF, False
        if decision.silent:
            if decision.rule is Rule.OPTED_OUT:
                self.preview.clear()
                self.sink.purge()
            elif decision is not _OFF:
                self.sink.rest()
            if not (session.log or session.strict):
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
        if tool is not None:
            properties = tool.completed(properties)
            if collecting and notice < newest:
                session.gate.want(tool.key, tool.scope)
        if collecting and event.since > notice:
            session.drops.count(Drop.WITHHELD)
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
        log = session.log
        if log or not decision.silent:
            self.recorded[event.wire] += 1
        if not decision.silent:
            self.preview.append(Previewed(record, collecting))
        if collecting and consent.user_id is not None:
            try:
                self.sink.accept(record, consent.user_id)
            except OSError:
                session.drops.count(Drop.DISK_ERROR)
        if log:
            try:
                log.append(record)
            except OSError:
                session.drops.count(Drop.DISK_ERROR)
