"""The words of the question and of what follows an answer; an answer read from text."""

from __future__ import annotations

from enum import Enum
from typing import Final

MORE_INFO: Final = "https://dev.chat/docs/more/analytics.html"

INTRODUCTION: Final = f"""\
Dev respects your privacy and never collects your code, prompts, chats, keys or any personal
info.
For more info: {MORE_INFO}"""

QUESTION: Final = "Allow collection of anonymous analytics to help improve dev? (Y)es/(N)o [Yes]: "

NOTICE: Final = (
    "May dev collect anonymous analytics, never your code, prompts, chats, keys or personal info? "
    "Nothing is collected before you answer: %dev_analytics on (asks you, yes or no) or "
    f"%dev_analytics disable (no, for ever). {MORE_INFO}"
)
"""The one line that stands in a notebook for the question; the bracketed default has no place
there, as nothing is chosen for a user who reads on."""

ON: Final = (
    "Analytics are on: anonymous, and never anything you write. "
    "%dev_analytics status shows them; %dev_analytics off ends them for this session, "
    "%dev_analytics disable for ever."
)
DISABLED: Final = "Analytics have been permanently disabled."
NO_ANSWER: Final = "No answer, so analytics stay off. %dev_analytics on asks again."


class Answer(Enum):
    """What came of the question."""

    YES = "yes"
    NO = "no"
    NONE = "none"


def parse(text: str) -> Answer | None:
    """Read what was typed: Enter alone is the bracketed default; None for what is no answer."""
    match text.strip().lower():
        case "" | "y" | "yes":
            return Answer.YES
        case "n" | "no":
            return Answer.NO
        case _:
            return None
