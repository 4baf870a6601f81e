"""`Analytics`: the one object that every event passes through.

Observers and tools call `Analytics.event`. `dev_analytics.pipeline`, which makes the record, is
imported at the first event. This module holds what a session has from its start: consent, the drop
ledger, the settings and the event log.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dev_analytics import NOTICE
from dev_analytics.callbacks import counting
from dev_analytics.consent.environment import data_directory
from dev_analytics.consent.gate import Gate
from dev_analytics.delivery import Delivery
from dev_analytics.destinations import ARCHIVE
from dev_analytics.drops import DropLedger
from dev_analytics.process import UnservedError, kept, why_unserved
from dev_analytics.process.forks import (
    around_fork,
    begin_child,
    in_child,
    is_under_way,
    letting_import,
    own_mark,
    unforked,
)
from dev_analytics.process.handlers import is_of_handler
from dev_analytics.process.native import RLock

if TYPE_CHECKING:
    from dev_analytics.consent.gate import State
    from dev_analytics.delivery.lines import LineFile
    from dev_analytics.pipeline import Pipeline, Sink
    from dev_analytics.recording import Recording

    _Agreed = tuple[object, State | None, Delivery | None]

SAMPLE_PERCENT: Final = 10.0
"""The percentage of users who are asked, unless a setting says otherwise."""


class Analytics:
    """The entry point for events.

    Parameters
    ----------
    data
        The data directory.
    sample_percent
        The percentage of users who are asked, from 0 to 100.
    delivery
        Where records go. None keeps them on this machine for a process that has the settings, as
        `get_analytics` does until the extension is loaded.
    sink
        Receives the records that the user agreed to send: the spool, unless a test has its own.
    strict
        Raise for an event or property that is not in the catalogue, and for any internal failure,
        as tests and developers want it. Otherwise both are counted as drops.

    Attributes
    ----------
    gate
        Consent, environment and session switch.
    drops
        What was dropped in this session, by reason.
    log
        The event log, if there is one.
    openers
        Called at the beginning of each recording, before any other event of it.
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
        self.data = data_directory() if data is None else data
        self.gate = Gate(self.data, sample_percent=sample_percent, notice=NOTICE)
        self.drops = DropLedger()
        # The settings and the state last seen, and what follows: the spool asks for every record.
        self._agreed: _Agreed = (None, None, None)
        self._settle(delivery)
        self.strict = strict
        self.log: LineFile | None = None
        self._sink = sink
        self.openers: list[Callable[[], None]] = []
        self._loading = RLock()
        self._made: Pipeline | None = None
        # The same, but none while a fork is under way: an event asks whether it is in the child.
        self._pipeline: Pipeline | None = None
        self._forked = False
        # Says that this is no child of a fork.
        self._own: Any = [1]
        _ALL[id(self)] = self

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline of this process, imported and created on first use."""
        return self._pipeline or self._load()

    @property
    def recording(self) -> Recording:
        """The current recording, or its rehearsal; it begins if it has not begun."""
        return self.pipeline.recording

    @property
    def delivery(self) -> Delivery | None:
        """Where records go according to the settings."""
        return self._delivery[0]

    @delivery.setter
    def delivery(self, delivery: Delivery | None) -> None:
        self._settle(delivery)

    def agreed_delivery(self) -> Delivery | None:
        """Return where records go: as set, or to the archive if the yes does not cover that.

        It stays the same object while nothing changes, because the spool compares by identity.
        """
        settled, latest = self._delivery, self.gate.latest
        known_settled, known_latest, agreed = self._agreed
        if latest is None or latest is not known_latest or settled is not known_settled:
            delivery, recipient, in_archive = settled
            named = recipient == ARCHIVE or self.gate.names(recipient)
            agreed = delivery if named else in_archive
            self._agreed = settled, latest, agreed
        return agreed

    def event(self, name: str, began: State | None = None, /, **properties: object) -> None:
        """Record one event.

        Parameters
        ----------
        name
            One of `dev_analytics.catalogue.events.EVENTS`, or ``tool.event`` of an installed tool.
        began
            The state of consent when what is recorded began, from ``gate.at_beginning()``, if it
            took some time. The event is sent only if consent held without a break since then.
        **properties
            Its properties. A word outside its vocabulary becomes ``"other"``.

        Raises
        ------
        UndeclaredError, RefusedValueError
            Only if `strict`: the event, a property or the kind of a value is not in the catalogue.
        """
        try:
            # Nothing prepares a fork that was under way when our hooks were set, or that a library
            # makes without any.
            if (pipeline := self._pipeline) is not None and self._own[0]:
                pipeline.event(name, began, properties)
            else:
                with letting_import():
                    self.pipeline.event(name, began, properties)
        except UnservedError:
            pass
        except BaseException as error:
            made = self._made
            if made is None or not made.has_written_despite(error):
                refused = made is not None and made.has_refused(error)
                self.drops.count("invalid" if refused else "failure inside")
            # A signal handler of the user's may raise anything, Ctrl-C no Exception.
            is_failure = issubclass(type(error), Exception) and not is_of_handler(error)
            if self.strict or not is_failure:
                raise
        finally:
            if self._forked and self._made is not None:
                self._made.store_drops()

    def open_with(self, opener: Callable[[], None]) -> None:
        """Call `opener` at the beginning of each recording, and now if one has begun."""
        with self._loading:
            if self._made is None:
                self.openers.append(opener)
                return
        self._made.open_with(opener)

    def edit_format(
        self, edit_format: str, *, tool: str | None = None
    ) -> AbstractContextManager[None]:
        """Set the edit format of the LLM requests made inside the ``with`` block.

        It holds as context variables do: in asynchronous code and ``asyncio.to_thread``; in a plain
        thread only where it runs in ``contextvars.copy_context()``.

        Parameters
        ----------
        edit_format
            A member of the vocabulary ``edit_formats``; anything else counts as ``"other"``.
        tool
            A member of ``tools``: the tool that asks for edits in this format.
        """
        from dev_analytics.edit_formats import asking

        return asking(edit_format, tool)

    def log_to(self, file: Path) -> Path:
        """Append every record from now on to `file`, sent or not, and return its absolute path.

        Raises
        ------
        OSError
            The file cannot be written; the previous log, if any, stays in use.
        UnservedError
            This system is not supported.
        """
        _check_served()
        from dev_analytics.delivery.lines import LineFile

        path = file.expanduser().absolute()
        before, self.log = self.log, LineFile(path, renewed=True)
        if before is not None:
            before.close()
        return path

    def stop_log(self) -> None:
        """End the event log."""
        log, self.log = self.log, None
        if log is not None:
            log.close()

    def before_fork(self) -> None:
        """Let an event ask whether it is in the child, where it may come before our hook."""
        self._pipeline = None

    def after_fork_in_parent(self) -> None:
        """Let events ask no longer."""
        self._pipeline = self._made

    def after_fork(self) -> None:
        """Start a recording and files of its own in a forked child."""
        self._loading = RLock()
        self._forked = True
        self._own[0] = 1
        self.gate.after_fork()
        # The parent stores what it dropped before.
        self.drops.after_fork()
        if self._made is not None:
            self._made.after_fork()
        self._pipeline = self._made
        log, self.log = self.log, None
        if log is not None:
            log.abandon()
            try:
                self.log_to(log.path)
            except OSError:
                self.drops.count("disk error")

    def _settle(self, delivery: Delivery | None) -> None:
        recipient = ARCHIVE if delivery is None else delivery.recipient
        in_archive = None if delivery is None else delivery.replace(recipient=ARCHIVE)
        self._delivery = (delivery, recipient, in_archive)
        self.gate.recipient = recipient

    def _load(self) -> Pipeline:
        _check_served()
        begin_child()
        if self._made is not None:
            return self._made
        # In this order, as a fork holds the first one while hooks of the user's record events.
        with unforked(), self._loading:
            if self._made is None:
                from dev_analytics.pipeline import Pipeline

                pipeline = Pipeline(self, self._sink)
                if self._forked:
                    pipeline.begin_in_child()
                self._own = own_mark()
                self._made = pipeline
                if not is_under_way():
                    self._pipeline = pipeline
            return self._made


def _check_served() -> None:
    if why := why_unserved():
        raise UnservedError(why)


def get_analytics() -> Analytics:
    """Return the one `Analytics` of this process; the first call creates it."""
    return kept("analytics", lambda: Analytics(delivery=None))


counting.add(Analytics.event.__code__)

_ALL: Final[weakref.WeakValueDictionary[int, Analytics]] = kept(
    "every analytics", weakref.WeakValueDictionary
)


def _for_each(call: Callable[[Analytics], None]) -> Callable[[], None]:
    """Return what calls `call` with every one, while other threads may make more."""

    def called() -> None:
        for reference in _ALL.valuerefs():
            if (analytics := reference()) is not None:
                call(analytics)

    return called


def _follow_forks() -> bool:
    in_child(_for_each(Analytics.after_fork))
    around_fork(_for_each(Analytics.before_fork), _for_each(Analytics.after_fork_in_parent))
    return True


kept("follows forks", _follow_forks)
