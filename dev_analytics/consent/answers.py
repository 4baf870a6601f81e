"""What an answer, or a question, makes of a consent; the identifier is made here, nowhere else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import TYPE_CHECKING

from dev_analytics.consent.decision import Consent
from dev_analytics.destinations import ARCHIVE
from dev_analytics.process.native import as_uuid, urandom

if TYPE_CHECKING:
    from dev_analytics.consent.scope import Scope


def agreed(
    before: Consent,
    notice: int,
    today: date,
    tools: Mapping[str, Scope],
    recipients: Collection[str],
) -> Consent:
    """Return the consent after a yes to `notice` and to what `tools` declare.

    It is given to `recipients`, to those of an earlier yes, and always to the archive. A user who
    agreed before keeps the identifier.
    """
    from dev_analytics.consent.scope import joined, uncovered

    # What was agreed to stays, for another version of a tool in another environment.
    covered = joined(before.tools if before.user_id else {}, tools)
    return before.replace(
        user_id=before.user_id or as_uuid(urandom(16).hex(), 4),
        notice=notice,
        kept_notice=0,
        recipients=before.recipients | {ARCHIVE, *recipients},
        kept_recipients=before.kept_recipients - {*recipients},
        answered_on=today,
        asked_on=None,
        asked=1,
        tools=covered,
        kept_tools=uncovered(before.kept_tools, covered),
    )


def kept(
    before: Consent, notice: int, tools: Mapping[str, Scope], recipients: Collection[str]
) -> Consent:
    """Return the consent after the user has refused everything new, but not what was agreed to.

    Everything new is what `notice` and `tools` add, and those `recipients` that the yes does not
    name.
    """
    if before.user_id is None:
        return before
    from dev_analytics.consent.scope import joined

    return before.replace(
        kept_notice=notice,
        kept_tools=joined(before.kept_tools, tools),
        kept_recipients=before.kept_recipients | ({*recipients} - before.recipients),
        asked_on=None,
        asked=1,
    )


def asked(before: Consent, today: date) -> Consent:
    """Return the consent of a user who is asked today.

    Several questions on one day count once: ``on`` asks without a pause.
    """
    earlier = before.asked if before.asked_on else 0
    again = max(earlier, 1) if before.asked_on == today else earlier + 1
    return before.replace(asked_on=today, asked=again)
