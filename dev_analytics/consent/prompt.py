"""The question as a prompt: in a terminal, or through a notebook's input line."""

from __future__ import annotations

from collections.abc import Callable

from dev_analytics.consent.question import Answer, Question


def ask(
    question: Question,
    read: Callable[[str], str] = input,
    write: Callable[[str], object] = print,
) -> Answer:
    """Ask until there is an answer; Ctrl-C, end of input and a front end that is gone are none.

    The loop is our own: IPython's ``ask_yes_no`` answers yes for a shell that was told to be quiet.
    """
    write(question.lines)
    while True:
        try:
            answer = question.parse(read(question.prompt))
        except (KeyboardInterrupt, EOFError):
            write("")
            return Answer.NONE
        except Exception:
            # A kernel's front end that takes no input says so with an exception of its own.
            return Answer.NONE
        if answer is not None:
            return answer
