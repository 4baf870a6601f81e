"""The rules of consent as one pure function: the first rule that matches decides.

Nothing here reads a file, a clock or the environment, and nothing else in the package decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from dev_analytics.consent import Value
from dev_analytics.destinations import ARCHIVE, in_words

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from dev_analytics.consent.scope import Scope

    # Only for the type checker: making it takes as long as making three classes.
    Rule: TypeAlias = Literal[
        "1, opted out",
        "1, store unreadable",
        "2, administrator's policy",
        "3, DO_NOT_TRACK",
        "4, switched off",
        "5, agreed",
        "6, switched on",
        "7, in the sample",
        "8, not drawn yet",
        "8, not in the sample",
        "8, CI",
    ]
    """The rules in their order, each with its number in the rule table."""

PAUSES: Final = (7, 30)
"""How many days an unanswered question waits before it is asked again unbidden, the first time and
the second time. After that it never is."""


class Consent(Value):
    """What the consent store holds.

    Parameters
    ----------
    opted_out
        Whether the permanent opt-out exists.
    unreadable
        Why the store cannot be used, in words; empty if it can be.
    user_id
        The random UUID4, if and only if the user agreed.
    notice
        The catalogue version that the user agreed to; 0 before that.
    kept_notice
        The newer version whose additions the user did not want; 0 if there is none.
    recipients, kept_recipients
        Who may receive the records, and who may not, as the user answered; see
        `dev_analytics.destinations`.
    answered_on, asked_on
        The days of the answer and of the last question.
    asked
        How often the question has been asked without an answer; it means nothing without
        `asked_on`.
    draw
        The user's place in the sample, from 0 to below 1; None before it was drawn.
    tools, kept_tools
        What the user agreed to of other tools, and what not, by the tool and its package.
    tools_off
        The names of the tools that the user switched off for good.
    """

    opted_out: bool = False
    unreadable: str = ""
    user_id: str | None = None
    notice: int = 0
    kept_notice: int = 0
    recipients: frozenset[str] = frozenset()
    kept_recipients: frozenset[str] = frozenset()
    answered_on: date | None = None
    asked_on: date | None = None
    asked: int = 1
    draw: float | None = None
    tools: Mapping[str, Scope] = MappingProxyType({})
    kept_tools: Mapping[str, Scope] = MappingProxyType({})
    tools_off: frozenset[str] = frozenset()

    @property
    def refuses(self) -> bool:
        """Whether the user opted out, of everything or of a tool."""
        return self.opted_out or bool(self.tools_off)

    def covers(self, tool: str) -> bool:
        """Return whether what `tool` recorded may be sent: agreed to, and not switched off."""
        agreed = any(key.partition("@")[0] == tool for key in self.tools)
        return agreed and tool not in self.tools_off

    def names(self, recipient: str) -> bool:
        """Return whether records may go to `recipient`: the archive, or one that was agreed to."""
        return recipient == ARCHIVE or recipient in self.recipients


class Variables(Value):
    """The environment variables that decide: whether each is set and means yes.

    A field is a variable's name in lower case. What reads, watches and passes on these variables
    learns from here which there are.
    """

    do_not_track: bool = False
    ci: bool = False


VARIABLES: Final = {field: field.upper() for field in Variables._fields}
"""The names of the variables, by their fields."""


class Environment(Variables):
    """What decides besides the user: environment variables and the administrator.

    Parameters
    ----------
    forbidden
        Why an administrator's policy forbids analytics, in words; empty if none does.
    unread
        Whether it forbids only because it could not be read; it is then read again.
    """

    forbidden: str = ""
    unread: bool = False

    def joined(self, other: Environment) -> Environment:
        """Return the environment in which all holds that holds in one of these two."""
        return Environment(
            **{name: getattr(self, name) or getattr(other, name) for name in self._fields}
        )


class Switch(Value):
    """The session's switch, in its newest position.

    Parameters
    ----------
    on
        The position.
    source
        Where it was set, in words that complete "switched off by ...".
    explicit
        Somebody typed it just now, so the question is asked at once.
    unattended
        Code set it in a session in which nobody can answer, so it cannot undo an off from outside.
    """

    on: bool
    source: str
    explicit: bool = False
    unattended: bool = False


class Decision(Value):
    """What follows from the rules.

    Parameters
    ----------
    collecting, ask
        Whether to collect, and whether to ask.
    rule, reason
        The rule that decided both, and why, in words.
    to_change
        What the user can do about it, in words.
    silent
        Whether somebody said no, or may have: nothing is kept then, not even in memory.
    """

    collecting: bool
    ask: bool
    rule: Rule
    reason: str
    to_change: str = "%dev_analytics on (asks you), %dev_analytics disable (never ask)"
    silent: bool = False


def decide(
    consent: Consent,
    environment: Environment,
    switch: Switch | None,
    *,
    sample_percent: float,
    notice: int,
    can_answer: bool,
    today: date,
    tools: Mapping[str, Scope] = MappingProxyType({}),
    recipient: str = ARCHIVE,
    outside: Switch | None = None,
) -> Decision:
    """Return the decision of the first rule that matches.

    Parameters
    ----------
    consent, environment, switch
        What the user, the administrator and the session say; the switch is None if none is set.
    sample_percent
        How many of all users are asked, from 0 to 100.
    notice
        The catalogue version that a yes would accept now.
    can_answer
        Whether somebody is there who can answer a question.
    today
        The current day, for the pause after an unanswered question.
    tools
        What the other tools declare that want to record here: the user is asked about what is new.
    recipient
        Who would receive the records. The user is asked about a new one, and until they agree the
        records go to the archive.
    outside
        The newest switch that is not `Switch.unattended`, if any.

    Returns
    -------
    Decision
        It collects only after a yes, and asks only where somebody can answer.
    """

    def off(rule: Rule, reason: str, *, ask: bool = False) -> Decision:
        return Decision(False, ask, rule, reason)

    def never(rule: Rule, reason: str, to_change: str) -> Decision:
        return Decision(False, False, rule, reason, to_change, silent=True)

    def wait(rule: Rule, why: str, *, at_once: bool = False) -> Decision:
        if not can_answer:
            return off(rule, f"{why}, but nobody here can answer the question")
        if paused(consent, today) and not at_once:
            day = comes_again_on(consent)
            again = f"comes again on {day}" if day else "does not come again by itself"
            unanswered = f"the question of {consent.asked_on} was left unanswered and {again}"
            return off(rule, f"{why}, but {unanswered}")
        return off(rule, f"{why} but you have not answered yet", ask=True)

    if consent.opted_out:
        way_back = "%dev_analytics reset is the only way back"
        return never("1, opted out", "you opted out permanently", way_back)
    if consent.unreadable:
        reason = f"the consent store cannot be used: {consent.unreadable}"
        repair = "repair what it names, or %dev_analytics reset (makes a new consent store)"
        return never("1, store unreadable", reason, repair)
    if environment.forbidden:
        return never("2, administrator's policy", environment.forbidden, "ask your administrator")
    if environment.do_not_track:
        unset = "unset DO_NOT_TRACK, then %dev_analytics on"
        return never("3, DO_NOT_TRACK", "DO_NOT_TRACK is set", unset)
    switch_on = "%dev_analytics on (this session), %dev_analytics disable (never again)"
    if switch is not None and not switch.on:
        reason = f"switched off for this session by {switch.source}"
        return never("4, switched off", reason, switch_on)
    if switch is not None and switch.unattended and outside is not None and not outside.on:
        reason = f"switched off for this session by {outside.source}, and nobody here can undo that"
        return never("4, switched off", reason, switch_on)
    if consent.user_id is not None:
        newer = consent.notice < notice
        unnamed = not consent.names(recipient)
        missing, refused = _uncovered(consent, tools)
        unknown = (
            (newer and consent.kept_notice < notice)
            or (unnamed and recipient not in consent.kept_recipients)
            or refused < len(missing)
        )
        at_once = switch is not None and switch.explicit
        is_due = at_once or (unknown and not paused(consent, today))
        ask = can_answer and is_due and (newer or unnamed or bool(missing))
        reason = f"you agreed on {consent.answered_on} (notice {consent.notice})"
        to_change = "%dev_analytics off (this session), %dev_analytics disable (for ever)"
        if newer:
            reason += f"; what notice {notice} adds is withheld until you agree to it"
        if unnamed:
            reason += f"; nothing goes to {in_words(recipient)} until you agree to it"
        return Decision(True, ask, "5, agreed", reason, to_change)
    if switch is not None:
        why = f"this session is switched on by {switch.source}"
        return wait("6, switched on", why, at_once=switch.explicit)
    if environment.ci:
        return off("8, CI", "CI is set, and nobody is asked there")
    if consent.draw is None:
        reason = "you have not been asked, and are not drawn for the sample yet"
        return off("8, not drawn yet", reason)
    if in_sample(consent.draw, sample_percent):
        return wait("7, in the sample", "you are in the sample of users who are asked")
    return off("8, not in the sample", "you are not in the sample of users who are asked")


def _uncovered(consent: Consent, tools: Mapping[str, Scope]) -> tuple[Mapping[str, Scope], int]:
    """Return which of `tools` are not agreed to, and how many of these the user has refused."""
    wanted = {
        key: scope for key, scope in tools.items() if key.partition("@")[0] not in consent.tools_off
    }
    if not wanted:
        return {}, 0
    # Few sessions have another tool, so only those load the module that compares scopes.
    from dev_analytics.consent.scope import uncovered

    missing = uncovered(wanted, consent.tools)
    return missing, len(missing) - len(uncovered(missing, consent.tools, consent.kept_tools))


def in_sample(draw: float, sample_percent: float) -> bool:
    """Return whether `draw` is in the sample; it stays there when the percentage grows."""
    return draw < sample_percent / 100


def comes_again_on(consent: Consent) -> date | None:
    """Return the day on which an unanswered question is asked again unbidden, None for never."""
    if consent.asked_on is None or consent.asked > len(PAUSES):
        return None
    try:
        return consent.asked_on + timedelta(PAUSES[consent.asked - 1])
    except OverflowError:
        return None


def paused(consent: Consent, today: date) -> bool:
    """Return whether an unanswered question must not be asked again unbidden today.

    A day far in the future is from a clock that was wrong, and pauses nothing.
    """
    if consent.asked_on is None:
        return False
    if consent.asked > len(PAUSES):
        return True
    return abs((today - consent.asked_on).days) < PAUSES[consent.asked - 1]
