"""The question's words, and the loop that asks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import pytest
from fake_posthog import to_posthog
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics.consent.asking import prompt
from dev_analytics.consent.asking.prompt import (
    MAX_ASKED,
    MAX_DOUBTFUL,
    READING_SECONDS,
    Line,
    confirm,
)
from dev_analytics.consent.asking.question import FIRST, Answer, Question, first, newer
from dev_analytics.destinations import ARCHIVE

WORDS = """\
Dev respects your privacy and never collects your code, prompts, chats, keys or any personal
info.
For more info: https://dev.chat/docs/more/analytics.html
Allow collection of anonymous analytics to help improve dev? (Y)es/(N)o [Yes]: """

NEWER = newer(["dreamt: A dream was dreamt."], date(2026, 11, 1))
SLOW = READING_SECONDS
QUICK = READING_SECONDS / 2


class Script:
    """A line on which is typed what a test says, at the time that it says.

    Parameters
    ----------
    typed
        A line, an exception, or a line with the seconds that it takes and whether more is behind.
    before
        What was typed before the question.
    """

    def __init__(
        self,
        *typed: str | BaseException | tuple[str, float, bool],
        before: Sequence[str] = (),
        has_default: bool = True,
        empty_cancels: bool = False,
    ) -> None:
        self.has_default = has_default
        self.empty_cancels = empty_cancels
        self.asked: list[str] = []
        self.now = 0.0
        self._before = before
        self._more = False
        self._rest = iter(typed)
        self._write: Callable[[str], object] = str

    def write(self, text: str) -> None:
        self._write(text)

    def discard(self) -> Sequence[str]:
        before, self._before = self._before, ()
        return before

    def read(self, prompt: str) -> str:
        self.asked.append(prompt)
        line = next(self._rest)
        if isinstance(line, BaseException):
            raise line
        text, seconds, self._more = line if isinstance(line, tuple) else (line, SLOW, False)
        self.now += seconds
        return text

    def has_more(self) -> bool:
        return self._more


def ask(
    question: Question, line: Script, write: Callable[[str], object] = lambda _: None
) -> Answer:
    """Ask, with a clock that the line winds."""
    line._write = write
    checked: Line = line
    return prompt.ask(question, checked, show=lambda: "the records", clock=lambda: line.now)


def test_the_question_is_asked_word_for_word() -> None:
    line = Script("y")
    written: list[str] = []
    assert ask(FIRST, line, written.append) is Answer.YES
    assert "\n".join(written + line.asked) == WORDS


@pytest.mark.parametrize("text", ["", "y", "Y", "yes", "YES", "Yes", " y ", "\t"])
def test_enter_and_every_yes_is_a_yes(text: str) -> None:
    assert FIRST.parse(text) is Answer.YES
    assert ask(FIRST, Script(text)) is Answer.YES


REFUSALS = [
    *("n", "N", "no", "NO", " No ", "no!", "never", "Never.", "nope", "nah", "no thanks"),
    *("No, thanks!", "don't", "don\N{RIGHT SINGLE QUOTATION MARK}t", "refuse", "I decline"),
    *("disagree", "opt out"),
]


@pytest.mark.parametrize("text", REFUSALS)
def test_every_refusal_is_a_no(text: str) -> None:
    assert ask(FIRST, Script((text, 0, False))) is Answer.NO


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_of_what_is_new_keeps_what_was_agreed_to(text: str) -> None:
    assert ask(NEWER, Script(text)) is Answer.KEEP


@pytest.mark.parametrize("question", [FIRST, NEWER])
@pytest.mark.parametrize("text", ["q", "Quit", "EXIT"])
def test_leaving_is_no_answer(question: Question, text: str) -> None:
    line = Script(text)
    assert ask(question, line) is Answer.NONE
    assert len(line.asked) == 1


@pytest.mark.parametrize(
    ("question", "says"),
    [(FIRST, "y (yes) or n (no)"), (NEWER, "y (yes) or k (keep it as it is)")],
)
def test_anything_else_says_in_one_line_what_is_possible_and_asks_again(
    question: Question, says: str
) -> None:
    for text in ("maybe", "yep", "0", "nein", "nо", "yes.", "...", "no idea", "y y"):
        line = Script(text, "y")
        written: list[str] = []
        assert ask(question, line, written.append) is Answer.YES
        assert len(line.asked) == 2
        _, told = written
        assert says in told
        assert "\n" not in told


@pytest.mark.parametrize("text", ["maybe", "?"])
def test_who_never_answers_is_not_asked_for_ever(text: str) -> None:
    line = Script(*[text] * (MAX_ASKED + 1))
    assert ask(FIRST, line) is Answer.NONE
    assert len(line.asked) == MAX_ASKED


def test_a_question_mark_shows_what_would_be_sent_and_asks_again() -> None:
    line = Script("?", "n")
    written: list[str] = []
    assert ask(FIRST, line, written.append) is Answer.NO
    assert written == [FIRST.lines, "the records"]
    assert line.asked == [FIRST.prompt] * 2


@given(st.text())
def test_only_a_yes_and_enter_are_a_yes(text: str) -> None:
    assert (FIRST.parse(text) is Answer.YES) == (text.strip().lower() in ("", "y", "yes"))
    assert (NEWER.parse(text) is Answer.YES) == (text.strip().lower() in ("y", "yes"))
    assert NEWER.parse(text) is not Answer.NO, "no to what is new is no opt-out"


@pytest.mark.parametrize(
    "end", [KeyboardInterrupt(), EOFError(), OSError("gone"), RuntimeError("no input")]
)
def test_an_interrupt_and_the_end_of_input_are_no_answer(end: BaseException) -> None:
    line = Script("what?", end)
    assert ask(FIRST, line) is Answer.NONE
    assert len(line.asked) == 2


def test_an_interrupt_before_the_prompt_is_no_answer() -> None:
    class Interrupted(Script):
        def discard(self) -> Sequence[str]:
            raise KeyboardInterrupt

    assert ask(FIRST, Interrupted()) is Answer.NONE


@pytest.mark.parametrize(
    ("question", "choices"),
    [(FIRST, "(Y)es/(N)o: "), (newer(["more"], None), "(Y)es/(K)eep it as it is: ")],
)
def test_where_nothing_is_chosen_before_enter_alone_asks_again(
    question: Question, choices: str
) -> None:
    line = Script("", " ", "y", has_default=False)
    assert ask(question, line) is Answer.YES
    assert line.asked == [f"{question.words} {choices}"] * 3


@pytest.mark.parametrize("question", [FIRST, NEWER])
@pytest.mark.parametrize("seconds", [QUICK, SLOW])
def test_where_an_empty_line_cancels_it_ends_the_question_without_an_answer(
    question: Question, seconds: float
) -> None:
    line = Script("maybe", ("", seconds, False), has_default=False, empty_cancels=True)
    assert ask(question, line) is Answer.NONE
    assert len(line.asked) == 2


@pytest.mark.parametrize("question", [FIRST, NEWER])
def test_enter_within_a_second_asks_again_and_three_of_these_are_no_answer(
    question: Question,
) -> None:
    quick = ("", QUICK, False)
    line = Script(quick, quick, "")
    assert ask(question, line) is question.parse("")
    line = Script(quick, quick, quick)
    assert ask(question, line) is Answer.NONE


@pytest.mark.parametrize("question", [FIRST, NEWER])
@pytest.mark.parametrize("has_default", [True, False])
@pytest.mark.parametrize("text", ["y", "YES", "x = 1"])
def test_a_yes_within_a_second_asks_again_and_three_of_these_are_no_answer(
    question: Question, has_default: bool, text: str
) -> None:
    quick = (text, QUICK, False)
    line = Script(quick, quick, "y", has_default=has_default)
    assert ask(question, line) is Answer.YES
    line = Script(*[quick] * 3, "y", has_default=has_default)
    assert ask(question, line) is Answer.NONE
    assert len(line.asked) == 3


@pytest.mark.parametrize("question", [FIRST, NEWER])
@pytest.mark.parametrize("text", ["", "y", "no", "maybe", "?"])
def test_a_line_with_more_behind_it_is_no_answer(question: Question, text: str) -> None:
    pasted = (text, SLOW, True)
    line = Script(*[pasted] * 3)
    assert ask(question, line) is Answer.NONE
    assert len(line.asked) == 3


@pytest.mark.parametrize(("text", "otherwise"), [("", "y"), ("y", ""), ("YES", "")])
def test_what_was_typed_before_is_no_yes_when_it_comes_again(text: str, otherwise: str) -> None:
    assert ask(FIRST, Script(*[text] * 3, before=[text])) is Answer.NONE
    assert ask(FIRST, Script(text, otherwise, before=[text])) is Answer.YES
    assert ask(FIRST, Script(text, before=["x = 1"])) is Answer.YES


@pytest.mark.parametrize("question", [FIRST, NEWER])
@pytest.mark.parametrize(("text", "again"), [("y", "yes"), ("YES", "y"), (" y", "Yes")])
def test_what_was_typed_before_is_no_yes_in_another_word_for_it(
    question: Question, text: str, again: str
) -> None:
    assert ask(question, Script(*[again] * 3, before=[text])) is Answer.NONE


def test_a_no_is_one_whatever_was_typed_before() -> None:
    assert ask(FIRST, Script("n", before=["n"])) is Answer.NO


def test_who_typed_ahead_is_told_that_it_was_thrown_away() -> None:
    written: list[str] = []
    ask(FIRST, Script("y", before=["x = 1"]), written.append)
    assert written == [prompt.THROWN_AWAY, FIRST.lines]


LINES = st.tuples(st.sampled_from(["", "y", "n", "x = 1", "?"]), st.floats(0, 3), st.booleans())


@given(before=st.lists(st.sampled_from(["", "y", "yes", "x"])), typed=st.lists(LINES, max_size=12))
def test_a_yes_is_alone_and_was_not_typed_before_and_took_its_time(
    before: list[str], typed: list[tuple[str, float, bool]]
) -> None:
    line = Script(*typed, EOFError(), before=before)
    answer = ask(FIRST, line)
    if answer in (Answer.YES, Answer.NO):
        text, seconds, more = typed[len(line.asked) - 1]
        assert FIRST.parse(text) is answer
        assert not more
        assert answer is Answer.NO or text not in before
        assert answer is Answer.NO or not text or not {"y", "yes"} & set(before)
        assert answer is Answer.NO or seconds >= READING_SECONDS


@given(st.floats(0, 100), st.lists(st.just("")))
def test_a_program_that_types_nothing_but_enter_and_began_before_is_no_yes(
    pace: float, before: list[str]
) -> None:
    feeder = [("", pace, False)] * MAX_ASKED
    assert ask(FIRST, Script(*feeder, before=["", *before])) is Answer.NONE


def test_a_newer_notice_is_asked_about_with_the_difference_alone() -> None:
    line = Script("keep")
    written: list[str] = []
    assert ask(NEWER, line, written.append) is Answer.KEEP
    assert (
        "\n".join(written + line.asked)
        == """\
The records would be kept on this machine only (no server is set).
You agreed to dev's anonymous analytics on 2026-11-01. They can now include more,
but still nothing that you write. None of this is collected unless you agree to it:
  - dreamt: A dream was dreamt.
Allow this too? (Y)es/(K)eep it as it is [Keep]: """
    )


@pytest.mark.parametrize("text", ["", "k", "Keep", "n", "NO"])
def test_enter_keeps_what_was_agreed_to(text: str) -> None:
    assert NEWER.parse(text) is Answer.KEEP


HOST, KEY = "https://eu.i.posthog.com", "phc_of_a_project"
POSTHOG = to_posthog(HOST, KEY)


def test_the_first_question_names_who_would_receive_above_the_fixed_words() -> None:
    for recipient, line in (
        (ARCHIVE, "The records would be kept on this machine only (no server is set)."),
        (POSTHOG, f"The records would be sent to PostHog at {HOST} (project {KEY})."),
    ):
        script = Script("y")
        written: list[str] = []
        assert ask(first([], recipient), script, written.append) is Answer.YES
        assert "\n".join(written + script.asked) == f"{line}\n{WORDS}"


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
    assert "a recipient that you did not agree to" in question.notice


def test_what_is_new_and_who_is_new_are_one_question() -> None:
    question = newer(["dreamt: A dream was dreamt."], date(2026, 11, 1), [], POSTHOG, {ARCHIVE})
    assert (
        question.lines
        == f"""\
The records would be sent to PostHog at {HOST} (project {KEY}).
You agreed to dev's anonymous analytics on 2026-11-01, but not to this recipient.
Nothing goes there unless you agree to it: the records are kept on this machine.
They can now include more, too, but nothing that you write. None of this is collected
unless you agree to it:
  - dreamt: A dream was dreamt."""
    )
    known = newer(["dreamt: A dream was dreamt."], date(2026, 11, 1), [], POSTHOG, {POSTHOG})
    assert "but not to this recipient" not in known.lines
    assert known.lines.startswith(f"The records would be sent to PostHog at {HOST}")


def test_only_a_yes_agrees_to_more() -> None:
    assert [text for text, answer in NEWER.typed.items() if answer is Answer.YES] == ["y", "yes"]
    assert Answer.NO not in NEWER.typed.values(), "no to what is new is no opt-out"


@pytest.mark.parametrize(
    ("line", "sure"),
    [
        (Script("y"), True),
        (Script(" YES "), True),
        (Script(""), False),
        (Script("n"), False),
        (Script("y", before=["y"]), False),
        (Script("y", before=["yes"]), False),
        (Script(*[("y", QUICK, False)] * MAX_DOUBTFUL, "y"), False),
        (Script(("y", QUICK, False), "y"), True),
        (Script(("y", SLOW, True)), False),
    ],
)
def test_a_confirmation_is_typed_after_its_question_and_alone(line: Script, sure: bool) -> None:
    assert confirm("Sure? ", line, clock=lambda: line.now) == sure
    assert set(line.asked) == {"Sure? "}
