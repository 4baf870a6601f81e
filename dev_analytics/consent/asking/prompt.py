"""The question as a prompt: in a terminal, or through the input line of a kernel's front end.

Only a person who has read the question can answer it. Input from a program, keys that were typed
before the question, and pasted lines are no answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from dev_analytics.consent.asking.question import Answer, Question, normalized
from dev_analytics.process.messages import say
from dev_analytics.process.native import Clock

READING_SECONDS: Final = 1.0
"""How long the question must have been shown before a yes, or Enter alone, can be an answer."""

MAX_DOUBTFUL: Final = 3
"""How many answers that may not come from a person end the question without one."""

MAX_ASKED: Final = 10
"""How often a question is repeated before it ends without an answer."""

THROWN_AWAY: Final = "dev_analytics: what was typed before this question was discarded."
TOO_EARLY: Final = (
    "That was too quick to be an answer. Please read the question; it can be answered once it has "
    "been shown for a second."
)
SEVERAL: Final = "Several lines came at once, so none of them was taken as an answer."
SAME_AS_BEFORE: Final = (
    "The same line was typed before the question, so it was not taken as an answer. Leave the "
    "question with q: %dev_analytics on asks it again."
)


class Line(Protocol):
    """Where a person types."""

    @property
    def has_default(self) -> bool:
        """Whether Enter alone can be an answer here."""

    @property
    def empty_cancels(self) -> bool:
        """Whether an empty line is what arrives here when the user cancels."""

    def write(self, text: str) -> None:
        """Write a line to whoever types here."""

    def discard(self) -> Sequence[str]:
        """Discard what was typed and not read yet, and return its lines."""

    def read(self, prompt: str) -> str:
        """Show the prompt and read one line."""

    def has_more(self) -> bool:
        """Return whether more input came together with the line that was read."""


class FrontEndLine:
    """The input line of a kernel's front end, which keeps what was typed before, out of reach.

    Parameters
    ----------
    kernel
        The kernel. Nothing can be read if it has no way to ask its front end.
    empty_cancels
        Whether the front end sends an empty line when the user cancels, as VS Code does for Escape.
    """

    has_default = False

    def __init__(self, kernel: Any, *, empty_cancels: bool = False) -> None:
        self._kernel = kernel
        self.empty_cancels = empty_cancels

    def write(self, text: str) -> None:
        """Write a line below the cell."""
        say(text)

    def discard(self) -> Sequence[str]:
        """Return nothing."""
        return ()

    def read(self, prompt: str) -> str:
        """Read one line from the front end, even if a cell has replaced ``input``.

        Raises
        ------
        EOFError
            The kernel has no way to ask.
        """
        ask_front_end = getattr(self._kernel, "raw_input", None)
        if ask_front_end is None:
            raise EOFError
        return str(ask_front_end(prompt))

    def has_more(self) -> bool:
        """Return False: a front end sends exactly one line for each prompt."""
        return False


def ask(
    question: Question,
    line: Line,
    *,
    show: Callable[[], str],
    clock: Callable[[], float] = Clock.monotonic,
) -> Answer:
    """Ask until there is an answer, or none can be expected; `show` returns what would be sent.

    There is no answer after Ctrl-C, at the end of input, where the user cancels or the front end is
    gone, or after three answers that may not have come from a person.
    """
    if not line.has_default:
        question = question.unchosen
    doubtful = 0
    try:
        before = _normalized(line.discard())
        if before:
            line.write(THROWN_AWAY)
        line.write(question.lines)
        for _ in range(MAX_ASKED):
            before |= _normalized(line.discard())
            shown_at = clock()
            text = normalized(line.read(question.prompt))
            seconds = clock() - shown_at
            if not text and line.empty_cancels:
                break
            answer = question.parse(text)
            if line.has_more():
                before |= _normalized(line.discard())
                doubt = SEVERAL
            elif answer in (Answer.YES, Answer.KEEP) and any(
                text == earlier or (text and earlier and question.parse(earlier) is answer)
                for earlier in before
            ):
                doubt = SAME_AS_BEFORE
            elif seconds < READING_SECONDS and _may_be_fed(text, answer):
                doubt = TOO_EARLY
            elif answer is not None:
                return answer
            else:
                line.write(show() if text == "?" else question.possible)
                continue
            doubtful += 1
            if doubtful == MAX_DOUBTFUL:
                break
            line.write(f"{doubt}\n{question.possible}")
    except (KeyboardInterrupt, EOFError):
        line.write("")
    except Exception:
        # Where a front end takes no input, ipykernel raises an exception of its own.
        return Answer.NONE
    return Answer.NONE


def confirm(question: str, line: Line, *, clock: Callable[[], float] = Clock.monotonic) -> bool:
    """Return whether the user said yes; a yes that came too soon to be one is asked for again.

    Raises
    ------
    KeyboardInterrupt, EOFError
        There is no answer.
    """
    before = _normalized(line.discard())
    yes = {"y", "yes"}
    for _ in range(MAX_DOUBTFUL):
        shown_at = clock()
        text = normalized(line.read(question))
        seconds = clock() - shown_at
        if text not in yes or not yes.isdisjoint(before) or line.has_more():
            return False
        if seconds >= READING_SECONDS:
            return True
        line.write(TOO_EARLY)
    return False


def _may_be_fed(text: str, answer: Answer | None) -> bool:
    """Return whether a line came so soon that it may be a program's; a refusal always counts."""
    if answer is None:
        return text != "?"
    return answer is Answer.YES or not text


def _normalized(lines: Sequence[str]) -> set[str]:
    return {normalized(text) for text in lines}
