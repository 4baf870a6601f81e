"""The gate that every event passes: the decision as it is now, at the cost of one ``stat``."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from dev_analytics.consent.decision import (
    Consent,
    Decision,
    Rule,
    Switch,
    decide,
)
from dev_analytics.consent.environment import (
    SettingError,
    environment_switch,
    read_environment,
)
from dev_analytics.consent.recipients import ARCHIVE
from dev_analytics.consent.store import ConsentStore

if TYPE_CHECKING:
    from dev_analytics.consent.question import Answer, Offer

_DO_NOT_TRACK: Final = os.fsencode("DO_NOT_TRACK")
_DEV_ANALYTICS: Final = os.fsencode("DEV_ANALYTICS")


def _variables() -> tuple[object, object]:
    """Give what the environment says now, only to see whether it changed.

    ``os.environ.get`` encodes the name each time, which takes as long as the ``stat``: what lies
    below it, where it is as Python makes it, is asked for names that are encoded.
    """
    environ: Any = os.environ
    try:
        encoded = environ._data
    except AttributeError:
        return environ.get("DO_NOT_TRACK"), environ.get("DEV_ANALYTICS")
    return encoded.get(_DO_NOT_TRACK), encoded.get(_DEV_ANALYTICS)


class Gate:
    """Consent, environment and session switch of this process, decided anew when one changes.

    Parameters
    ----------
    store
        The user's consent store.
    sample_percent
        How many of all users are asked, from 0 to 100.
    notice
        The catalogue version that a yes is given to.

    Attributes
    ----------
    recipient
        Who would receive the records of this process, as its settings say; one that the yes does
        not name is to be asked about.
    wanted
        The notices of other tools that were wanted here, and are to be asked about.
    on_wanted
        Is called when one more is, or another recipient.
    """

    def __init__(self, store: ConsentStore, *, sample_percent: float, notice: int) -> None:
        self.store = store
        self.sample_percent = sample_percent
        self.notice = notice
        self.switch: Switch | None = None
        self.wanted: dict[str, int] = {}
        self.on_wanted: Callable[[], None] | None = None
        self._recipient = ARCHIVE
        self._variables: tuple[object, object] = (None, None)
        self._environment = read_environment()
        self._latest: tuple[Consent, Switch | None, Decision] | None = None

    def now(self) -> tuple[Decision, Consent]:
        """Give the decision for an event, and the consent that it rests on; never raises."""
        consent = self.store.current()
        if _variables() != self._variables:
            self.follow_environment()
        switch = self.switch
        latest = self._latest
        if latest is None or latest[0] is not consent or latest[1] is not switch:
            latest = (consent, switch, self._decide(consent, can_answer=False))
            self._latest = latest
        return latest[2], consent

    def follow_environment(self) -> None:
        """Follow a change of the environment; a changed ``DEV_ANALYTICS`` is the newest switch."""
        variables = _variables()
        if variables == self._variables:
            return
        if variables[1] != self._variables[1]:
            try:
                self.switch = environment_switch() or self.switch
            except SettingError as error:
                self.switch = error.switch
        self._variables = variables
        self._environment = read_environment()
        self._latest = None

    def want(self, key: str, notice: int) -> None:
        """Note that a tool had something to record that the user has not agreed to."""
        if self.wanted.get(key) != notice:
            self.wanted[key] = notice
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
        self._recipient = recipient
        self._latest = None
        if self.on_wanted is not None:
            consent = self.store.current()
            if consent.user_id is not None and not consent.names(recipient):
                self.on_wanted()

    def names(self, recipient: str) -> bool:
        """Return whether the yes that the latest decision rests on names `recipient`."""
        latest = self._latest
        consent = self.now()[1] if latest is None else latest[0]
        return consent.names(recipient)

    def was_collecting(self) -> bool:
        """Tell whether the latest decision was to collect, and still holds; reads nothing anew."""
        latest = self._latest
        return latest is not None and latest[1] is self.switch and latest[2].collecting

    def decision(self, *, can_answer: bool) -> Decision:
        """Give the decision for a question, reading everything anew; never raises."""
        self.now()
        self._environment = read_environment()
        self._latest = None
        return self._decide(self.store.read(), can_answer=can_answer)

    def may_ask(self) -> bool:
        """Tell whether somebody who can answer may be asked now, unless the draw is against it."""
        decision = self.decision(can_answer=True)
        return decision.ask or decision.rule is Rule.NOT_DRAWN

    def claim_question(self) -> bool:
        """Tell whether to ask now, and note that it was asked; never twice at once.

        Raises
        ------
        ConsentStoreError
            It could not be stored; an answer could not either.
        """
        if not self.may_ask():
            return False
        return self.store.claim_question(
            lambda consent: self._decide(consent, can_answer=True).ask, date.today()
        )

    def answer(
        self, answer: Answer, offers: Sequence[Offer] = (), recipients: Collection[str] = ()
    ) -> None:
        """Store what the user answered; no answer changes nothing.

        Parameters
        ----------
        answer
            The answer.
        offers
            What of other tools the question named.
        recipients
            Who would receive the records, as the question named them.

        Raises
        ------
        ConsentStoreError
            It could not be stored.
        """
        from dev_analytics.consent.question import Answer

        if answer is Answer.YES:
            self.store.agree(self.notice, date.today(), _notices(offers), recipients)
        elif answer is Answer.NO:
            self.store.opt_out()
        elif answer is Answer.KEEP:
            self.store.keep(self.notice, _notices(offers), recipients)

    def _decide(self, consent: Consent, *, can_answer: bool) -> Decision:
        return decide(
            consent,
            self._environment,
            self.switch,
            sample_percent=self.sample_percent,
            notice=self.notice,
            can_answer=can_answer,
            today=date.today(),
            tools=self.wanted,
            recipient=self._recipient,
        )


def _notices(offers: Sequence[Offer]) -> dict[str, int]:
    return {offer.key: offer.notice for offer in offers}
