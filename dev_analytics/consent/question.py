"""The questions' words, the answers to them, and what the user is told afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import Enum
from typing import TYPE_CHECKING, Final

from dev_analytics.value import Value

if TYPE_CHECKING:
    from dev_analytics.consent.scope import Scope

MORE_INFO: Final = "https://dev.chat/docs/more/analytics.html"


class Answer(Enum):
    """What came of a question.

    ``KEEP`` is the answer to a newer notice that leaves everything as it was agreed to before.
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
        What of the tool the yes covers.
    line
        What the user reads.
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
        How a prompt offers the answers; Enter alone takes the one in brackets.
    typed
        The answers by what may be typed, in lower case.
    buttons
        The answers of a notebook, with their labels, in their order.
    notice
        The one line that stands for it in a notebook, where no dialog can. It offers no default,
        as nothing is chosen for a user who reads on.
    unanswered
        What is said where there was no answer.
    offers
        What of other tools it names, and a yes covers.
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

    @property
    def lines(self) -> str:
        """What a terminal shows above its prompt."""
        return "\n".join((*self.introduction, *(f"  - {line}" for line in self.news)))

    @property
    def prompt(self) -> str:
        """The prompt of a terminal."""
        return f"{self.words} {self.choices}: "

    @property
    def unchosen(self) -> Question:
        """The same question as a notebook's input line asks it: Enter alone is no answer."""
        choices, _, _ = self.choices.partition(" [")
        typed = {text: answer for text, answer in self.typed.items() if text}
        return self.replace(choices=choices, typed=typed)

    def parse(self, text: str) -> Answer | None:
        """Read what was typed; None for what is no answer."""
        return self.typed.get(text.strip().lower())


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
        **dict.fromkeys(("n", "no"), Answer.NO),
    },
    buttons=(("Yes", Answer.YES), ("No", Answer.NO)),
    notice=(
        "May dev collect anonymous analytics, never your code, prompts, chats, keys or personal "
        "info? Nothing is collected before you answer: %dev_analytics on (asks you, yes or no) or "
        f"%dev_analytics disable (no, for ever). {MORE_INFO}"
    ),
    unanswered="No answer, so analytics stay off. %dev_analytics on asks again.",
)
"""The question to a user who has not answered yet."""


def first(offers: Sequence[Offer]) -> Question:
    """Give the first question; where other tools are installed, it names them below its words."""
    if not offers:
        return FIRST
    return FIRST.replace(
        introduction=(*FIRST.introduction, _OTHERS),
        news=tuple(offer.line for offer in offers),
        offers=tuple(offers),
    )


_OTHERS: Final = "A yes also holds for other tools here, each until you switch it off by itself:"


def newer(news: Iterable[str], agreed_on: date | None, offers: Sequence[Offer] = ()) -> Question:
    """Give the question after an upgrade: only about what a newer notice adds.

    Parameters
    ----------
    news
        What it adds, a line each.
    agreed_on
        The day on which the user agreed to an older notice.
    offers
        What other tools would record in addition.
    """
    return Question(
        introduction=(
            f"You agreed to dev's anonymous analytics on {agreed_on}. They can now say more, still",
            "nothing that you write. None of this is collected unless you agree to it:",
        ),
        news=(*news, *(offer.line for offer in offers)),
        offers=tuple(offers),
        words="Allow this too?",
        choices="(Y)es/(K)eep it as it is [Keep]",
        typed={
            **dict.fromkeys(("y", "yes"), Answer.YES),
            **dict.fromkeys(("", "k", "keep", "n", "no"), Answer.KEEP),
        },
        buttons=(("Yes", Answer.YES), ("Keep it as it is", Answer.KEEP)),
        notice=(
            "Dev's anonymous analytics can now collect more than you agreed to, still nothing you "
            "write. None of it is collected before you agree: %dev_analytics on shows what is new, "
            "and asks."
        ),
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
WAY_BACK: Final = "Only %dev_analytics reset leads back."
UNSURE: Final = (
    "Something failed, and your answer may not have been stored: %dev_analytics status says what "
    "holds, and how to change it."
)
KEPT: Final = "Analytics stay as you agreed to them, without what is new."
