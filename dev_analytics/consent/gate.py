"""The gate that every event passes: the current decision, at the cost of one ``stat``."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from dev_analytics.consent.decision import (
    VARIABLES,
    Consent,
    Decision,
    Environment,
    Switch,
    decide,
)
from dev_analytics.consent.environment import (
    SITE_VARIABLE,
    SettingError,
    environment_switch,
    place_of,
    read_environment,
)
from dev_analytics.destinations import ARCHIVE
from dev_analytics.process.forks import letting_import, unforked
from dev_analytics.process.native import (
    ENVIRON,
    Clock,
    RLock,
    environ_now,
    initial_variables,
    seconds,
    today,
)

if TYPE_CHECKING:
    from dev_analytics.consent.asking.question import Answer, Offer
    from dev_analytics.consent.reading import StoredConsent
    from dev_analytics.consent.scope import Scope
    from dev_analytics.consent.store import ConsentStore

POLICY_SECONDS: Final = 10.0
"""How often a session looks at the administrator's policy, in seconds."""

_OUTSIDE: Final = (*VARIABLES.values(), "DEV_ANALYTICS_POLICY")
# Not CI, which forbids nothing: tests that begin in one take it away.
_BEGUN_WITH: Final = tuple({*_OUTSIDE, "DEV_ANALYTICS", SITE_VARIABLE} - {"CI"})
_WATCHED: Final = ("DEV_ANALYTICS", *VARIABLES.values())
_DATA: Final[Any] = getattr(ENVIRON, "_data", None)
_NAMES: Final[Any] = None if _DATA is None else _DATA.keys()
_ENCODED: Final[Any] = tuple(map(getattr(ENVIRON, "encodekey", str), _WATCHED))
_ENCODED_NAMES: Final = frozenset(_ENCODED)
_UNSET: Final[list[object]] = [None] * len(_WATCHED)


def _threads() -> list[threading.Thread]:
    """Return what `threading.enumerate` returns, without taking its lock.

    A signal handler of the user may interrupt a thread that holds it, and it may be gevent's.
    """
    try:
        running, beginning = vars(threading)["_active"], vars(threading)["_limbo"]
    except KeyError:
        return threading.enumerate()
    return [*running.copy().values(), *beginning.copy().values()]


def _variables() -> list[object]:
    """Return the variables that are checked at every event, to see whether they changed.

    ``os.environ.get`` encodes the name each time, which takes as long as the ``stat``. So the
    dictionary below it is asked for encoded names, unless `os.environ` was replaced. Mostly none of
    them is set: asking for that takes half the time, and it is always the same list.
    """
    if os.environ is not ENVIRON or _NAMES is None:
        return [*map(environ_now().get, _WATCHED)]
    return _UNSET if _NAMES.isdisjoint(_ENCODED_NAMES) else [*map(_DATA.get, _ENCODED)]


class Period:
    """An unbroken stretch of one and the same consent in this process; compared by identity.

    Parameters
    ----------
    consent
        The user's consent.
    recipient
        Who receives the records, as the yes names it.

    Attributes
    ----------
    user_id
        The identifier that the yes made.
    recipient
        Who receives the records.
    started
        When this process first saw it hold, in seconds since the epoch.
    started_monotonic
        The same moment on the monotonic clock.
    """

    __slots__ = ("_given", "_threads", "recipient", "started", "started_monotonic", "user_id")

    def __init__(self, consent: Consent, recipient: str) -> None:
        self.user_id = consent.user_id or ""
        self.recipient = recipient
        self._given = _given(consent)
        self.started = seconds()
        self.started_monotonic = Clock.monotonic()
        # By identity: the hash of a thread may be the user's code.
        self._threads = {id(thread): weakref.ref(thread) for thread in _threads()}

    def is_of(self, consent: Consent, recipient: str) -> bool:
        """Return whether `consent` allows exactly what it did when this period began.

        Anything that is newly allowed must begin with a period of its own: it knows nothing of the
        time before.
        """
        return self.recipient == recipient and self._given == _given(consent)

    def is_older(self, thread: threading.Thread) -> bool:
        """Return whether `thread` was started before this period."""
        older = self._threads.get(id(thread))
        return older is not None and older() is thread


State: TypeAlias = "tuple[Decision, Consent, Period | None]"
"""What holds at one moment; there is a period if and only if records are collected."""


class Gate:
    """Consent, environment and session switch of this process, decided anew when one changes.

    A period ends when consent is withdrawn, is another user's, covers more or less or names another
    recipient, or when the session is switched off, however briefly: the time before and the time
    after have different periods.

    Parameters
    ----------
    data
        The data directory, in which the user's consent is stored.
    sample_percent
        How many of all users are asked, from 0 to 100.
    notice
        The catalogue version that a yes accepts.

    Attributes
    ----------
    place
        Where the consent is stored, as it was when the gate was made.
    recipient
        Who would receive the records of this process, as its settings say; if the yes does not name
        it, the user is asked.
    wanted
        What other tools declare that wanted to record here, so that the user is asked.
    on_wanted
        Called when there is one more of these, or another recipient.
    attended
        Returns whether somebody is there who can answer.
    latest
        The latest state; None if the next event must decide anew.
    """

    def __init__(self, data: Path, *, sample_percent: float, notice: int) -> None:
        self.place = place_of(data)
        self._stored: StoredConsent | None = None
        self.sample_percent = sample_percent
        self.notice = notice
        self._switch: Switch | None = None
        self._outside: Switch | None = None
        self.attended: Callable[[], bool] = lambda: False
        self.wanted: dict[str, Scope] = {}
        self.on_wanted: Callable[[], None] | None = None
        self._recipient = ARCHIVE
        self._variables = _UNSET
        self._followed = False
        # Code that removes a variable does not undo what it said when the session began.
        begun = initial_variables(*_BEGUN_WITH)
        self._outside_variables = _outside_variables(begun)
        self._environment = self._read_environment()
        self.latest: State | None = None
        self._period: Period | None = None
        # Reentrant, as a signal handler may record an event while the thread it interrupts decides.
        self._deciding = RLock()
        self._begin_with_variable(begun)

    @property
    def store(self) -> ConsentStore:
        """The user's consent store; what changes it is loaded on first use."""
        with unforked():
            from dev_analytics.consent.store import ConsentStore

        stored = self._stored
        if not isinstance(stored, ConsentStore):
            stored = self._stored = ConsentStore(self.place.data, self.place)
        return stored

    def stored(self) -> StoredConsent:
        """Return what reads the store; most sessions never change it.

        Where there are two places, an opt-out in one of them is copied by the first read.
        """
        stored = self._stored
        if stored is None:
            if self.place.other is not None:
                return self.store
            with unforked():
                from dev_analytics.consent.reading import StoredConsent

            stored = self._stored = StoredConsent(self.place.data, self.place)
        return stored

    @property
    def switch(self) -> Switch | None:
        """The session's switch; None if nobody has set one."""
        return self._switch

    @switch.setter
    def switch(self, switch: Switch | None) -> None:
        with self._deciding:
            self._switch = switch
            if switch is None or not switch.unattended:
                self._outside = switch
            self.latest = None
            if switch is not None and not switch.on:
                # It ends here, even if the switch is on again before the next event.
                self._period = None

    def switch_in_session(self, switch: Switch | None) -> None:
        """Set the switch from code of the session, such as a cell or a magic.

        Where nobody can answer, this cannot undo an off that comes from outside of it.
        """
        if self.attended():
            self.switch = switch
        elif switch is None:
            self.switch = self._outside
        else:
            self.switch = switch.replace(unattended=True)

    def now(self) -> State:
        """Return the state for an event; raises only what a signal handler of the user's does."""
        stored, now = self._stored, Clock.monotonic()
        consent = (self.stored() if stored is None else stored).current(now)
        variables = _variables()
        if variables is not self._variables and variables != self._variables:
            self.follow_environment()
        if now >= self._policy_look:
            self._read_anew(self._environment, self._variables)
        latest = self.latest
        return latest if latest is not None and latest[1] is consent else self._decide_anew()

    def at_beginning(self) -> State:
        """Return the state for the beginning of a cell or a call.

        While records are collected, it is the state of the last event, and no file is read: if
        consent was withdrawn since, the period will differ at the end.
        """
        latest = self.latest
        if latest is None or latest[2] is None or _variables() != self._variables:
            # In a hook before a fork: another thread may be deciding, and wait to import.
            with letting_import():
                return self.now()
        return latest

    def after_fork(self) -> None:
        """Begin a new period in a forked child, without waiting for a lock that the parent held."""
        self._deciding = RLock()
        self.latest = self._period = None

    def _decide_anew(self) -> State:
        with self._deciding:
            given = self._switch, self._environment, self._recipient
            # Read under the lock: meanwhile another thread may have seen a newer consent.
            consent = self.stored().current()
            decision = self._decide(consent, can_answer=False)
            if not decision.collecting or consent.user_id is None:
                self._period = None
            else:
                recipient = self._recipient if consent.names(self._recipient) else ARCHIVE
                period = self._period
                if period is None or not period.is_of(consent, recipient):
                    self._period = Period(consent, recipient)
            self.latest = latest = (decision, consent, self._period)
            now = self._switch, self._environment, self._recipient
            if any(one is not other for one, other in zip(given, now, strict=True)):
                # A signal handler has changed one meanwhile.
                return self._decide_anew()
            return latest

    def follow_environment(self) -> None:
        """Follow a change of the environment; a changed ``DEV_ANALYTICS`` is the newest switch."""
        in_session, self._followed = self._followed, True
        while True:
            before, variables = self._environment, _variables()
            if variables == self._variables:
                return
            if variables[0] != self._variables[0]:
                try:
                    switch = environment_switch()
                except SettingError as error:
                    switch = error.switch
                if switch is not None and in_session:
                    self.switch_in_session(switch)
                elif switch is not None:
                    self.switch = switch
            self._read_anew(before, variables)

    def _begin_with_variable(self, begun: Mapping[str, str]) -> None:
        """Keep an off that this process was started with, if a cell has changed it since."""
        if begun.get("DEV_ANALYTICS") == environ_now().get("DEV_ANALYTICS"):
            return
        try:
            switch = environment_switch(begun)
        except SettingError as error:
            switch = error.switch
        if switch is not None and not switch.on:
            self.switch = switch
            # The present value was set in the session.
            self._followed = True

    def _read_anew(self, before: Environment, variables: list[object]) -> None:
        """Read the environment, and decide by it and its `variables` from now on.

        Another thread or a signal handler that has replaced the one `before` knows better.
        """
        with self._deciding:
            environment = self._read_environment()
            changed = environment != before or variables != self._variables
            if changed and self._environment is before:
                # In this order: an event in the middle of it reads it anew too, and so does the
                # next one after an interrupt.
                self.latest = None
                self._environment, self._variables = environment, variables

    def _read_environment(self) -> Environment:
        environ, environment = environ_now(), read_environment()
        for variables in self._outside_variables:
            if all(environ.get(name, "") == value for name, value in variables.items()):
                continue
            environment = environment.joined(read_environment({**environ, **variables}))
        # What could not be read is read again at the next event.
        self._policy_look = 0.0 if environment.unread else Clock.monotonic() + POLICY_SECONDS
        return environment

    def want(self, key: str, scope: Scope) -> None:
        """Note that a tool recorded an event to which the user has not agreed."""
        if self.wanted.get(key) != scope:
            self.wanted[key] = scope
            if self.on_wanted is not None:
                self.on_wanted()

    @property
    def recipient(self) -> str:
        """Who would receive the records of this process."""
        return self._recipient

    @recipient.setter
    def recipient(self, recipient: str) -> None:
        if recipient == self._recipient:
            return
        with self._deciding:
            self._recipient = recipient
            self.latest = None
        if self.on_wanted is not None:
            consent = self.stored().current()
            if consent.user_id is not None and not consent.names(recipient):
                self.on_wanted()

    def names(self, recipient: str) -> bool:
        """Return whether the yes behind the latest decision names `recipient`."""
        latest = self.latest
        consent = self.now()[1] if latest is None else latest[1]
        return consent.names(recipient)

    def decision(self, *, can_answer: bool) -> Decision:
        """Return the decision for a question, reading everything anew; raises as `now` does."""
        self.now()
        self._read_anew(self._environment, self._variables)
        self.latest = None
        return self._decide(self.stored().read(), can_answer=can_answer)

    @property
    def settled(self) -> bool:
        """Whether records are collected and nothing is left to ask, at the cost of an event."""
        decision, consent, _ = self.now()
        return decision.collecting and not self._decide(consent, can_answer=True).ask

    def may_ask(self) -> bool:
        """Return whether to ask somebody who can answer, as far as is known before the draw."""
        decision = self.decision(can_answer=True)
        return decision.ask or decision.rule == "8, not drawn yet"

    def claim_question(self) -> bool:
        """Return whether to ask now, and record the question, so that no other process asks too.

        Raises
        ------
        ConsentStoreError
            It could not be stored; an answer could not either.
        """
        if not self.may_ask():
            return False
        return self.store.claim_question(
            lambda consent: self._decide(consent, can_answer=True).ask, today()
        )

    def answer(
        self, answer: Answer, offers: Sequence[Offer] = (), recipients: Collection[str] = ()
    ) -> str:
        """Store what the user answered; `Answer.NONE` changes nothing.

        Parameters
        ----------
        answer
            The answer.
        offers
            What other tools would record, as the question named it.
        recipients
            Who would receive the records, as the question named them.

        Returns
        -------
        str
            What a no could not do in addition, in words; empty if it did everything.

        Raises
        ------
        ConsentStoreError
            It could not be stored.
        """
        from dev_analytics.consent.asking.question import Answer

        if answer is Answer.YES:
            self.store.agree(self.notice, today(), _scopes(offers), recipients)
        elif answer is Answer.NO:
            return self.store.opt_out()
        elif answer is Answer.KEEP:
            self.store.keep(self.notice, _scopes(offers), recipients)
        return ""

    def _decide(self, consent: Consent, *, can_answer: bool) -> Decision:
        return decide(
            consent,
            self._environment,
            self._switch,
            sample_percent=self.sample_percent,
            notice=self.notice,
            can_answer=can_answer,
            today=today(),
            tools=self.wanted,
            recipient=self._recipient,
            outside=self._outside,
        )


def _outside_variables(begun: Mapping[str, str]) -> list[Mapping[str, str]]:
    """Return the variables from outside the session: the present ones, and the first if different.

    A cell may have changed a variable before this package was loaded.
    """
    environ = environ_now()
    # One look at each: another thread may delete it between two.
    now = {name: value for name in _OUTSIDE if (value := environ.get(name)) is not None}
    # Without its variable the site's policy has its usual place.
    now[SITE_VARIABLE] = environ.get(SITE_VARIABLE, "")
    begun = {SITE_VARIABLE: "", **begun}
    return [now, begun] if begun.items() - now.items() else [now]


def _given(consent: Consent) -> tuple[object, ...]:
    """Return the fields of a consent that decide which records are sent."""
    return consent.user_id, consent.notice, consent.tools, consent.tools_off


def _scopes(offers: Sequence[Offer]) -> dict[str, Scope]:
    return {offer.key: offer.scope for offer in offers}
