"""The question's words, and the loop that asks it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics.consent.prompt import ask
from dev_analytics.consent.question import FIRST, Answer, Question, first, newer
from dev_analytics.consent.recipients import ARCHIVE, posthog

WORDS = """\
Dev respects your privacy and never collects your code, prompts, chats, keys or any personal
info.
For more info: https://dev.chat/docs/more/analytics.html
Allow collection of anonymous analytics to help improve dev? (Y)es/(N)o [Yes]: """


def typed(*lines: str | BaseException) -> tuple[Callable[[str], str], list[str]]:
    """Give a reader that types `lines`, and what it was asked."""
    asked: list[str] = []
    rest = iter(lines)

    def read(prompt: str) -> str:
        asked.append(prompt)
        line = next(rest)
        if isinstance(line, BaseException):
            raise line
        return line

    return read, asked


def test_the_question_is_asked_word_for_word() -> None:
    read, asked = typed("y")
    written: list[str] = []
    assert ask(FIRST, read, written.append) is Answer.YES
    assert "\n".join(written + asked) == WORDS


@pytest.mark.parametrize("text", ["", "y", "Y", "yes", "YES", "Yes", " y ", "\t"])
def test_enter_and_every_yes_is_a_yes(text: str) -> None:
    assert FIRST.parse(text) is Answer.YES


@pytest.mark.parametrize("text", ["n", "N", "no", "NO", " No "])
def test_every_no_is_a_no(text: str) -> None:
    assert FIRST.parse(text) is Answer.NO


def test_anything_else_asks_again() -> None:
    read, asked = typed("maybe", "yep", "0", "nein", "nо", "n")
    assert ask(FIRST, read, lambda _: None) is Answer.NO
    assert len(asked) == 6


@given(st.text())
def test_nothing_else_is_an_answer(text: str) -> None:
    known = {"", "y", "yes", "n", "no"}
    assert (FIRST.parse(text) is None) == (text.strip().lower() not in known)


@pytest.mark.parametrize(
    "end", [KeyboardInterrupt(), EOFError(), OSError("gone"), RuntimeError("no input")]
)
def test_an_interrupt_and_the_end_of_input_are_no_answer(end: BaseException) -> None:
    read, asked = typed("what?", end)
    assert ask(FIRST, read, lambda _: None) is Answer.NONE
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("question", "choices"),
    [(FIRST, "(Y)es/(N)o: "), (newer(["more"], None), "(Y)es/(K)eep it as it is: ")],
)
def test_where_nothing_is_chosen_before_enter_alone_asks_again(
    question: Question, choices: str
) -> None:
    read, asked = typed("", " ", "y")
    assert ask(question.unchosen, read, lambda _: None) is Answer.YES
    assert asked == [f"{question.words} {choices}"] * 3


NEWER = newer(["dreamt: A dream was dreamt."], date(2026, 11, 1))


def test_a_newer_notice_is_asked_about_with_the_difference_alone() -> None:
    read, asked = typed("keep")
    written: list[str] = []
    assert ask(NEWER, read, written.append) is Answer.KEEP
    assert (
        "\n".join(written + asked)
        == """\
The records would be kept on this machine only (no server is set).
You agreed to dev's anonymous analytics on 2026-11-01. They can now say more, still
nothing that you write. None of this is collected unless you agree to it:
  - dreamt: A dream was dreamt.
Allow this too? (Y)es/(K)eep it as it is [Keep]: """
    )


@pytest.mark.parametrize("text", ["", "k", "Keep", "n", "NO"])
def test_enter_keeps_what_was_agreed_to(text: str) -> None:
    assert NEWER.parse(text) is Answer.KEEP


HOST, KEY = "https://eu.i.posthog.com", "phc_of_a_project"
POSTHOG = posthog(HOST, KEY)


def test_the_first_question_names_who_would_receive_above_the_fixed_words() -> None:
    for recipient, line in (
        (ARCHIVE, "The records would be kept on this machine only (no server is set)."),
        (POSTHOG, f"The records would be sent to PostHog at {HOST} (project {KEY})."),
    ):
        read, asked = typed("y")
        written: list[str] = []
        assert ask(first([], recipient), read, written.append) is Answer.YES
        assert "\n".join(written + asked) == f"{line}\n{WORDS}"


def test_a_new_recipient_is_asked_about_like_a_newer_notice() -> None:
    question = newer([], date(2026, 11, 1), [], POSTHOG, {ARCHIVE})
    assert (
        f"{question.lines}\n{question.prompt}"
        == f"""\
The records would be sent to PostHog at {HOST} (project {KEY}).
You agreed to dev's anonymous analytics on 2026-11-01, but not to this recipient.
Nothing goes there unless you agree to it: the records are kept on this machine.
Allow this too? (Y)es/(K)eep it as it is [Keep]: """
    )
    assert question.recipients == (POSTHOG,)
    assert "somebody whom you did not agree to" in question.notice


def test_what_is_new_and_who_is_new_are_one_question() -> None:
    question = newer(["dreamt: A dream was dreamt."], date(2026, 11, 1), [], POSTHOG, {ARCHIVE})
    assert (
        question.lines
        == f"""\
The records would be sent to PostHog at {HOST} (project {KEY}).
You agreed to dev's anonymous analytics on 2026-11-01, but not to this recipient.
Nothing goes there unless you agree to it: the records are kept on this machine.
They can now say more, too, still nothing that you write. None of this is collected
unless you agree to it:
  - dreamt: A dream was dreamt."""
    )
    known = newer(["dreamt: A dream was dreamt."], date(2026, 11, 1), [], POSTHOG, {POSTHOG})
    assert "but not to this recipient" not in known.lines
    assert known.lines.startswith(f"The records would be sent to PostHog at {HOST}")


def test_only_a_yes_agrees_to_more() -> None:
    assert [text for text, answer in NEWER.typed.items() if answer is Answer.YES] == ["y", "yes"]
    assert Answer.NO not in NEWER.typed.values(), "no to what is new is no opt-out"
