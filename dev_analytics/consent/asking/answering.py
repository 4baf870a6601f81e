"""What an answer changes, and what the user reads afterwards."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dev_analytics.consent.asking.presence import started_by_cell
from dev_analytics.consent.asking.question import (
    CONTACT,
    DISABLED,
    KEPT,
    ON,
    WAY_BACK,
    Answer,
    Offer,
)
from dev_analytics.consent.decision import Consent, Decision, Switch
from dev_analytics.consent.gate import Gate
from dev_analytics.consent.store import ConsentStore, ConsentStoreError
from dev_analytics.destinations import ARCHIVE, in_words


def take(
    gate: Gate,
    answer: Answer,
    offers: Sequence[Offer] = (),
    recipients: Collection[str] = (),
) -> str:
    """Store an answer other than `Answer.NONE`, and return what holds from then on, in words.

    `offers` and `recipients` are what the question named. If the answer cannot be stored,
    analytics are off for this session.
    """
    try:
        missed = gate.answer(answer, offers, recipients)
    except ConsentStoreError as error:
        return _not_stored(gate, answer, error)
    if answer is Answer.KEEP:
        return KEPT
    if answer is Answer.NO:
        return " ".join(filter(None, (DISABLED, missed, WAY_BACK)))
    return holds(gate.now()[0])


def farewell(before: Consent) -> str:
    """Return the last message of an opt-out, with the identifier that it deleted.

    It is shown only here, so that the user can have delivered records deleted. The message is empty
    if there was no identifier.
    """
    if before.user_id is None:
        return ""
    servers = sorted(before.recipients - {ARCHIVE})
    if not servers:
        return (
            f"Your identifier was {before.user_id}. It is deleted, with every record on this "
            "machine; none was sent anywhere else."
        )
    names = ", ".join(map(in_words, servers))
    return (
        f"What was sent to {names} carries the identifier {before.user_id}, which "
        f"is shown only now. To have that deleted too, send the identifier to {CONTACT}."
    )


def opt_out(store: ConsentStore) -> str:
    """Opt out for ever by a command, and return its last message.

    Raises
    ------
    ConsentStoreError
        It could not be stored; the message says what to do.
    """
    before = store.read()
    try:
        missed = store.opt_out()
    except ConsentStoreError as error:
        raise ConsentStoreError(
            f"the opt-out could not be stored: {error}. "
            "Set DO_NOT_TRACK=1 to keep analytics off everywhere"
        ) from None
    last = farewell(before)
    if last and started_by_cell():
        last = "Your identifier is deleted. It is not shown here, where a notebook would keep it."
    return f"{DISABLED} {missed}".rstrip() + (f"\n{last}" if last else "")


def holds(decision: Decision) -> str:
    """Return what holds after an answer, and what would change it, in words."""
    if decision.collecting:
        return ON
    way_back = {
        "1, opted out": f" {WAY_BACK}",
        "1, store unreadable": " %dev_analytics reset makes a new one.",
    }.get(decision.rule, "")
    return f"Analytics stay off: {decision.reason}.{way_back}"


def _not_stored(gate: Gate, answer: Answer, error: ConsentStoreError) -> str:
    if answer is Answer.KEEP:
        return f"{KEPT} That could not be stored, so you will be asked again: {error}."
    gate.switch = Switch(False, "an answer that could not be stored")
    if answer is Answer.YES:
        return f"Analytics stay off: your answer could not be stored: {error}."
    return (
        f"Your answer could not be stored: {error}. Analytics are off for this session; "
        "set DO_NOT_TRACK=1 to keep them off everywhere."
    )
