"""The dialog as an object: one answer, whatever arrives at once, and no widget left."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_posthog import to_posthog
from ipywidgets import Widget

from dev_analytics.callbacks import after_reply
from dev_analytics.consent.asking.dialog import Dialog
from dev_analytics.consent.asking.notebook import NotebookQuestion
from dev_analytics.consent.asking.question import FIRST, Answer, Question, first, newer
from dev_analytics.consent.decision import Consent, Decision
from dev_analytics.consent.gate import Gate, Period
from dev_analytics.destinations import would_receive
from dev_analytics.drops import DropLedger

POSTHOG = to_posthog("https://eu.i.posthog.com", "phc_of_<a>_&_test")


class Page:
    """Takes what a dialog shows, in its order."""

    def __init__(self) -> None:
        self.shown: list[Any] = []

    def show(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        self.shown.append(data["text/plain"])

    def replace(self, data: dict[str, Any]) -> None:
        self.shown.append(data)


def test_a_click_while_another_one_is_stored_is_none() -> None:
    """A click may come on a subshell's thread, beside one on the main thread."""
    stored: list[Answer] = []
    begun, go_on = threading.Event(), threading.Event()

    def answered(answer: Answer) -> str:
        stored.append(answer)
        begun.set()
        assert go_on.wait(240)
        return "answered"

    dialog, page = Dialog(FIRST, answered, str, DropLedger(), by_page=bool), Page()
    dialog.show(page, lambda: None)  # type: ignore[arg-type]
    thread = threading.Thread(target=buttons(dialog)["No"].click)
    thread.start()
    assert begun.wait(240)
    buttons(dialog)["Yes"].click()
    dialog.end("taken back")
    go_on.set()
    thread.join()
    assert stored == [Answer.NO]
    assert page.shown == [FIRST.notice, {"text/plain": "answered"}]


def test_an_answer_that_comes_while_the_dialog_is_to_move_is_the_last_word(data: Path) -> None:
    """A click on a subshell's thread comes between the look at the dialog and its move."""
    made: list[Dialog] = []
    shown: list[Any] = []

    class Clicked(Gate):
        def now(self) -> tuple[Decision, Consent, Period | None]:
            held = super().now()
            buttons(made[0])["No"].click()
            return held

    def make() -> Dialog:
        made.append(Dialog(FIRST, lambda answer: "answered", str, DropLedger(), bool))
        return made[-1]

    async def move() -> None:
        shell = SimpleNamespace(
            display_pub=SimpleNamespace(
                session=SimpleNamespace(send=lambda *sent, **_: shown.append(sent[2]["data"])),
                pub_socket=None,
                topic=b"",
            )
        )
        gate = Clicked(data, sample_percent=100, notice=1)
        question = NotebookQuestion(
            shell,
            gate,
            DropLedger(),
            make=make,
            unanswered="unanswered",
        )
        request = {"header": {"msg_id": "1", "session": "a page"}, "metadata": {"cellId": "a"}}
        question.open(request)
        question.after_cell({**request, "header": {"msg_id": "2", "session": "a page"}})
        followed = asyncio.Event()
        after_reply(followed.set)
        await followed.wait()
        assert question.ended
        assert question.drops.counts.total() == 0

    asyncio.run(move())
    assert len(made) == 1
    assert [data["text/plain"] for data in shown] == [FIRST.notice, "answered"]


CLICK = {"event": "click"}


@pytest.mark.parametrize(
    ("views", "content", "by_page", "taken"),
    [
        (1, CLICK, True, True),
        (2, CLICK, True, True),
        (0, CLICK, True, False),
        (None, CLICK, True, False),
        (1, CLICK, False, False),
        (1, {"event": "hover"}, True, False),
        (1, {}, True, False),
    ],
)
def test_a_yes_is_a_click_of_a_page_that_shows_the_question(
    views: int | None, content: dict[str, str], by_page: bool, taken: bool
) -> None:
    answers: list[Answer] = []
    drops = DropLedger()
    dialog = Dialog(FIRST, keep_in(answers), str, drops, lambda widget: by_page)
    dialog.show(Page(), lambda: None)  # type: ignore[arg-type]
    dialog._box._view_count = views
    buttons(dialog)["Yes"]._handle_custom_msg(content, [])
    assert answers == [Answer.YES] * taken
    assert dialog.ended == taken
    buttons(dialog)["No"].click()
    assert answers == [Answer.YES if taken else Answer.NO]
    assert drops.counts.total() == 0


def keep_in(answers: list[Answer]) -> Callable[[Answer], str]:
    """Return a callback that keeps each answer, and says nothing."""

    def keep(answer: Answer) -> str:
        answers.append(answer)
        return ""

    return keep


@pytest.mark.parametrize("question", [FIRST, newer(["something"], None)])
def test_code_that_clicks_every_button_says_no_yes(question: Question) -> None:
    answers: list[Answer] = []
    dialog = Dialog(question, keep_in(answers), str, DropLedger(), lambda widget: True)
    dialog.show(Page(), lambda: None)  # type: ignore[arg-type]
    dialog._box._view_count = 1
    buttons(dialog)["Yes"].click()
    assert answers == []
    assert not dialog.ended
    dialog.end("")


def test_no_widget_is_left() -> None:
    from ipywidgets.widgets.widget import _instances

    before = set(_instances)
    for question in (FIRST, newer(["something"], None)):
        dialog = Dialog(question, lambda answer: "", lambda: "<p>records</p>", DropLedger(), bool)
        dialog.show(Page(), lambda: None)  # type: ignore[arg-type]
        buttons(dialog)["See what would be sent"].click()
        assert len(_instances) > len(before)
        dialog.end("")
        assert set(_instances) == before


def test_what_is_new_is_shown_as_it_is_written() -> None:
    dialog = Dialog(newer(["a <b> & c"], None), lambda answer: "", str, DropLedger(), bool)
    assert "<li>a &lt;b&gt; &amp; c</li>" in dialog._box.children[0].value


def buttons(dialog: Dialog) -> dict[str, Any]:
    row: Widget = dialog._box.children[1]
    return {button.description: button for button in row.children}


@pytest.mark.parametrize(
    "question",
    [first([], POSTHOG), first([]), newer([], None, [], POSTHOG)],
    ids=["to PostHog", "on this machine", "newer"],
)
def test_who_would_receive_is_the_first_that_it_says(question: Question) -> None:
    dialog = Dialog(question, lambda answer: "", str, DropLedger(), bool)
    words = re.sub(r"<style>.*</style>", "", dialog._box.children[0].value, flags=re.S)
    line = escape(would_receive(question.recipients[0]))
    assert words.startswith(f"<p>{line}</p>")
    dialog.end("")
