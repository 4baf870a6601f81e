"""The texts of the questions, their answers, and what the user reads afterwards."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from enum import Enum
from typing import TYPE_CHECKING, Final

from dev_analytics.consent import Value
from dev_analytics.destinations import ARCHIVE, would_receive

if TYPE_CHECKING:
    from dev_analytics.consent.scope import Scope

MORE_INFO: Final = "https://dev.chat/docs/more/analytics.html"


class Answer(Enum):
    """The outcome of a question.

    ``KEEP`` answers a newer notice: everything stays as the user agreed to it before.
    """

    YES = "yes"
    NO = "no"
    KEEP = "keep"
    NONE = "none"


class Offer(Value):
    """What another tool would record, as a question names it.

    Parameters
    ----------
    key
        What a yes is given to: the tool and its package.
    scope
        What a yes to it covers.
    line
        The line in the question.
    """

    key: str
    scope: Scope
    line: str


class Question(Value):
    """A question, as a terminal and a notebook ask it.

    Parameters
    ----------
    introduction
        What the user should know before, as lines.
    news
        What would be collected in addition, as lines.
    words
        The question itself.
    choices
        The answers as a prompt offers them; Enter alone takes the one in brackets.
    typed
        What may be typed for each answer, as `normalized` returns it.
    buttons
        The labels and answers of a notebook's buttons, in order.
    notice
        The line that replaces it in a notebook that can show no dialog. It has no default: nothing
        is chosen for a user who carries on.
    unanswered
        What the user reads if there was no answer.
    offers
        What other tools would record: the question names it, and a yes covers it.
    receives
        The line above the introduction that says who would receive the records.
    recipients
        The same recipients, as an answer stores them.
    """

    introduction: tuple[str, ...]
    words: str
    choices: str
    typed: Mapping[str, Answer]
    buttons: tuple[tuple[str, Answer], ...]
    notice: str
    unanswered: str
    news: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    receives: str = ""
    recipients: tuple[str, ...] = ()

    @property
    def lines(self) -> str:
        """What a terminal shows above its prompt."""
        above = (self.receives,) if self.receives else ()
        return "\n".join((*above, *self.introduction, *(f"  - {line}" for line in self.news)))

    @property
    def prompt(self) -> str:
        """The prompt of a terminal."""
        return f"{self.words} {self.choices}: "

    @property
    def possible(self) -> str:
        """A line that says what can be typed."""
        words = " or ".join(f"{label[0].lower()} ({label.lower()})" for label, _ in self.buttons)
        return f"Please type {words}; ? shows what would be sent, q leaves the question open."

    @property
    def unchosen(self) -> Question:
        """The same question where Enter alone is no answer."""
        choices, _, _ = self.choices.partition(" [")
        typed = {text: answer for text, answer in self.typed.items() if text}
        return self.replace(choices=choices, typed=typed)

    def parse(self, text: str) -> Answer | None:
        """Return the answer that was typed; None for anything else."""
        typed = normalized(text)
        answer = self.typed.get(typed)
        if answer is None and (bare := typed.replace(",", "").rstrip(" .!")) in _REFUSALS:
            answer = self.typed.get(bare)
        return answer


def normalized(text: str) -> str:
    """Return what was typed in lower case, without outer spaces and curly apostrophes."""
    return text.strip().lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


_REFUSALS: Final = (
    *("n", "no", "nope", "nah", "nay", "no way", "no thanks", "no thank you", "thanks no"),
    *("never", "never ever", "no never", "don't", "dont", "do not", "please don't"),
    *("refuse", "i refuse", "decline", "i decline", "disagree", "i disagree", "reject"),
    *("i don't want to", "i do not agree", "i don't agree", "deny", "disable", "opt out"),
)
"""Words that refuse. Anything that only resembles one asks again: a no is permanent."""

_LEFT_OPEN: Final = ("q", "quit", "exit")


FIRST: Final = Question(
    introduction=(
        "Dev respects your privacy and never collects your code, prompts, chats, keys or any "
        "personal",
        "info.",
        f"For more info: {MORE_INFO}",
    ),
    words="Allow collection of anonymous analytics to help improve dev?",
    choices="(Y)es/(N)o [Yes]",
    typed={
        **dict.fromkeys(("", "y", "yes"), Answer.YES),
        **dict.fromkeys(_REFUSALS, Answer.NO),
        **dict.fromkeys(_LEFT_OPEN, Answer.NONE),
    },
    buttons=(("Yes", Answer.YES), ("No", Answer.NO)),
    notice=(
        "May dev collect anonymous analytics, never your code, prompts, chats, keys or personal "
        "info? Nothing is collected unless you agree: %dev_analytics on (asks you, yes or no) or "
        f"%dev_analytics disable (no, for ever). {MORE_INFO}"
    ),
    unanswered="No answer, so analytics stay off. %dev_analytics on asks again.",
)
"""The question to a user who has not answered yet, in its fixed words."""


def first(offers: Sequence[Offer], recipient: str = ARCHIVE) -> Question:
    """Return the first question: the recipient, the fixed words, and other tools."""
    asked = FIRST.replace(receives=would_receive(recipient), recipients=(recipient,))
    if not offers:
        return asked
    return asked.replace(
        introduction=(*FIRST.introduction, _OTHERS),
        news=tuple(offer.line for offer in offers),
        offers=tuple(offers),
    )


_OTHERS: Final = "A yes also holds for other tools here, each until you switch it off by itself:"


_MORE: Final = (
    "Dev's anonymous analytics can now include more than you agreed to, but still nothing that "
    "you write. None of it is collected unless you agree: %dev_analytics on shows what is new, "
    "and asks."
)
_ELSEWHERE: Final = (
    "Dev's anonymous analytics would now be sent to a recipient that you did not agree to. Nothing "
    "goes there unless you agree: %dev_analytics on names it, and asks."
)


def newer(
    news: Iterable[str],
    agreed_on: date | None,
    offers: Sequence[Offer] = (),
    recipient: str = ARCHIVE,
    agreed: Collection[str] = (),
) -> Question:
    """Return the question about what is new: a newer notice, other tools, or a recipient.

    `news` has a line for each addition of the notice; the user agreed to an older one, and to the
    recipients `agreed`, on the day `agreed_on`.
    """
    lines = (*news, *(offer.line for offer in offers))
    unnamed = recipient != ARCHIVE and recipient not in agreed
    before = f"You agreed to dev's anonymous analytics on {agreed_on}"
    if unnamed:
        introduction: tuple[str, ...] = (
            f"{before}, but not to this recipient.",
            "Nothing goes there unless you agree to it: the records are kept on this machine.",
        )
        if lines:
            introduction += (
                "They can now include more, too, but nothing that you write. None of this is "
                "collected",
                "unless you agree to it:",
            )
    else:
        introduction = (
            f"{before}. They can now include more,",
            "but still nothing that you write. None of this is collected unless you agree to it:",
        )
    return Question(
        receives=would_receive(recipient),
        recipients=(recipient,),
        introduction=introduction,
        news=lines,
        offers=tuple(offers),
        words="Allow this too?",
        choices="(Y)es/(K)eep it as it is [Keep]",
        typed={
            **dict.fromkeys(("y", "yes"), Answer.YES),
            **dict.fromkeys(("", "k", "keep", *_REFUSALS), Answer.KEEP),
            **dict.fromkeys(_LEFT_OPEN, Answer.NONE),
        },
        buttons=(("Yes", Answer.YES), ("Keep it as it is", Answer.KEEP)),
        notice=_MORE if lines or not unnamed else _ELSEWHERE,
        unanswered=(
            "No answer, so analytics stay as you agreed to them. %dev_analytics on asks again."
        ),
    )


ON: Final = (
    "Analytics are on: anonymous, and never anything you write. "
    "%dev_analytics status shows them; %dev_analytics off ends them for this session, "
    "%dev_analytics disable for ever."
)
DISABLED: Final = "Analytics have been permanently disabled."
WAY_BACK: Final = "Only %dev_analytics reset undoes that."
CONTACT: Final = "privacy@dev.chat"
"""The address at which users ask for the deletion of delivered records, by their identifier."""
UNSURE: Final = (
    "Something failed, and your answer may not have been stored: %dev_analytics status shows what "
    "applies now, and how to change it."
)
KEPT: Final = "Analytics stay as you agreed to them, without what is new."
