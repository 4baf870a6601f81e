"""The permission to deliver to one recipient, looked up again before each request."""

from __future__ import annotations

from datetime import date

from dev_analytics import NOTICE
from dev_analytics.consent.decision import Consent, decide
from dev_analytics.consent.environment import read_environment
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.allowed import Allowed, Verdict


class Stop(Exception):  # noqa: N818, an end and not an error
    """Nothing more can be sent now."""


class Changed(Exception):  # noqa: N818, not an error either
    """Consent has changed since the request was prepared."""


class Permission:
    """The consent of one user to one recipient, as a yes names it.

    Attributes
    ----------
    allowed
        Decides which lines may leave now.
    """

    def __init__(self, store: ConsentStore, recipient: str) -> None:
        self._store = store
        self._recipient = recipient
        self._user_id = ""
        self._consent = Consent()
        self.allowed = self._checked = Allowed(self._consent)

    def begin(self) -> None:
        """Begin to deliver for the user who has agreed now.

        Raises
        ------
        Stop
            Nobody has.
        """
        self._user_id = self.look_up()

    def look_up(self) -> str:
        """Return the identifier of the user who has agreed to this recipient.

        Raises
        ------
        Stop
            Nobody has.
        """
        consent = self._store.read()
        if consent.user_id is None and not consent.unreadable:
            self._store.purge()
        decision = decide(
            consent,
            read_environment(),
            None,
            sample_percent=0,
            notice=NOTICE,
            can_answer=False,
            today=date.today(),
        )
        agreed = decision.collecting and consent.names(self._recipient)
        if not agreed or consent.user_id is None:
            raise Stop
        if consent != self._consent:
            self._consent, self.allowed = consent, Allowed(consent)
        return consent.user_id

    def check(self) -> None:
        """Look consent up again.

        Raises
        ------
        Stop
            The user no longer agrees, or is another one.
        """
        if self.look_up() != self._user_id:
            raise Stop

    def confirm(self) -> None:
        """Look consent up again once the connection has been made.

        Raises
        ------
        Stop
            As in `check`.
        Changed
            Some of what is about to be sent may no longer be allowed.
        """
        before = self._consent
        self.check()
        if self._consent != before:
            raise Changed

    def for_batch(self) -> Allowed:
        """Return what decides which lines of the next batch may leave."""
        self._checked = self.allowed
        return self._checked

    def recheck(self, batch: list[bytes]) -> tuple[list[bytes], list[bytes]]:
        """Return the lines of a waiting batch that may still leave, and those that may not."""
        if self.allowed is self._checked:
            return batch, []
        allowed: list[bytes] = []
        withdrawn: list[bytes] = []
        for line in batch:
            may_leave = self.allowed.check(line).verdict is Verdict.ALLOWED
            (allowed if may_leave else withdrawn).append(line)
        return allowed, withdrawn
