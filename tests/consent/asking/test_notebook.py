"""The dialog in a notebook, as the kernel's side of it: a real kernel, a page of our own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pages import SECONDS

from dev_analytics import NOTICE
from dev_analytics.consent.asking.dialog import HIDE, SEE
from dev_analytics.consent.asking.output import MARK
from dev_analytics.consent.asking.question import DISABLED, FIRST, KEPT, ON, UNSURE
from dev_analytics.consent.store import ConsentStore
from dev_analytics.destinations import ARCHIVE, would_receive

LOAD = "%load_ext dev_analytics"
LOOK = "print(__import__('dev_analytics').get_analytics().gate.now()[0].collecting)"
Open = Callable[..., Any]


def hurried(view_seconds: int) -> str:
    """Load it so that it takes no time to read, and waits so long for a view."""
    return (
        "import dev_analytics.consent.asking.notebook as n; n.READ_SECONDS = 0; "
        f"n.VIEW_SECONDS = {view_seconds}; "
        "get_ipython().run_line_magic('load_ext', 'dev_analytics')"
    )


@pytest.fixture
def store(data: Path) -> ConsentStore:
    return ConsentStore(data)


def test_the_first_cell_is_followed_by_the_question(page: Open, store: ConsentStore) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    dialog = notebook.asked()
    assert dialog["cell"] == "a"
    assert dialog["metadata"] == {MARK: True}
    assert dialog["data"]["text/plain"] == FIRST.notice, "for a front end without widgets"
    for words in ("never collects your code", "Allow collection of anonymous analytics"):
        assert words in notebook.html()
    assert [store.read().user_id, store.read().asked_on] == [None, date.today()]


def test_what_asks_is_loaded_after_the_reply(page: Open) -> None:
    notebook = page()
    asks = "[each for each in sys.modules if 'consent.asking.o' in each]"
    look = f"get_ipython().events.register('post_run_cell', lambda result: seen.append({asks}))"
    notebook.run(f"import sys; seen = []\n{LOAD}\n{look}", "a")
    notebook.asked()
    assert notebook.run("seen[0]", "b") == "[]"


def test_a_kernel_without_a_loop_of_asyncio_asks_before_the_reply(page: Open) -> None:
    notebook = page()
    absent = "def absent():\n    raise RuntimeError('no running event loop')\n"
    notebook.run(f"import asyncio\n{absent}\nasyncio.get_running_loop = absent\n{LOAD}", "a")
    assert notebook.asked()["cell"] == "a"


def test_yes_agrees_and_leaves_one_line(page: Open, store: ConsentStore, log: Any) -> None:
    notebook = page({"DEV_ANALYTICS_LOG": str(log.path)})
    notebook.run(LOAD, "a")
    notebook.asked()
    notebook.click("Yes")
    notebook.until(lambda: not notebook.dialogs)
    assert notebook.below("a") == ON
    assert notebook.outputs[-1]["metadata"] == {}
    notebook.settle()
    assert notebook.models == {}, "every widget is closed"
    notebook.run("1", "b")
    user = store.read().user_id
    assert user is not None
    assert log.records[-1]["distinct_id"] == user
    assert log.records[0]["distinct_id"] is None


def test_no_opts_out_and_says_what_leads_back(page: Open, store: ConsentStore, log: Any) -> None:
    notebook = page({"DEV_ANALYTICS_LOG": str(log.path)})
    notebook.run(LOAD, "a")
    notebook.asked()
    notebook.click("No")
    notebook.until(lambda: not notebook.dialogs)
    assert notebook.below("a").startswith(DISABLED)
    assert "%dev_analytics reset" in notebook.below("a")
    assert store.read().opted_out
    notebook.run("1", "b")
    assert {record["distinct_id"] for record in log.records} == {None}


def test_two_clicks_are_one_answer(page: Open, store: ConsentStore) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    notebook.asked()
    yes, no = notebook.button("Yes"), notebook.button("No")
    for model in (no, yes):
        notebook._widget(model, {"method": "custom", "content": {"event": "click"}})
    notebook.settle()
    assert store.read().opted_out
    assert notebook.below("a").startswith(DISABLED)


CLICK_YES = """
from ipywidgets.widgets.widget import _instances
for widget in list(_instances.values()):
    if getattr(widget, "description", "") == "Yes":
        {click}
"""


@pytest.mark.parametrize(
    "click", ["widget.click()", "widget._handle_custom_msg({'event': 'click'}, [])"]
)
def test_code_of_a_cell_does_not_click_yes(page: Open, store: ConsentStore, click: str) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    notebook.asked()
    notebook.run(CLICK_YES.format(click=click), "b")
    threaded = CLICK_YES.format(click="widget.click()").replace("\n", "\n    ")
    notebook.run(
        f"import threading\ndef later():{threaded}\nthread = threading.Thread(target=later)\n"
        "thread.start()\nthread.join()",
        "c",
    )
    notebook.settle()
    assert store.read().user_id is None
    assert notebook.dialogs
    notebook.click("Yes")
    notebook.until(lambda: not notebook.dialogs)
    assert store.read().user_id is not None


def test_a_click_before_any_page_shows_the_question_is_no_yes(
    page: Open, store: ConsentStore
) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    notebook.until(lambda: len(notebook.dialogs) == 1)
    notebook.click("Yes")
    notebook.settle()
    assert store.read().user_id is None
    notebook.asked()
    notebook.click("Yes")
    notebook.until(lambda: not notebook.dialogs)
    assert store.read().user_id is not None


def test_neither_answer_is_chosen_or_stands_out(page: Open) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    notebook.asked()
    yes, no = (dict(notebook.models[notebook.button(label)]) for label in ("Yes", "No"))
    layouts = [
        notebook.models[one["layout"].removeprefix("IPY_MODEL_")]["width"] for one in (yes, no)
    ]
    assert layouts[0] == layouts[1]
    for one in (yes, no):
        for own in ("layout", "style", "description"):
            del one[own]
    assert yes == no
    assert yes["button_style"] == ""


def test_what_would_be_sent_can_be_seen_before_the_answer(
    page: Open, log: Any, store: ConsentStore
) -> None:
    from html import escape

    notebook = page({"DEV_ANALYTICS_LOG": str(log.path)})
    notebook.run(LOAD, "a")
    notebook.asked()
    assert "cell executed" not in notebook.html()
    notebook.click(SEE)
    notebook.until(lambda: "cell executed" in notebook.html())
    assert "A notebook cell" in notebook.html(), "a sentence on each kind of event"
    for line in log.path.read_text("utf-8").splitlines():
        assert escape(line) in notebook.html()
    notebook.click(HIDE)
    notebook.until(lambda: "cell executed" not in notebook.html())
    assert store.read().user_id is None


FAIL = "import dev_analytics\ndef fail(*given): raise {error}('inside')\n{break_it}"
DROPPED = "print(dev_analytics.get_analytics().drops.counts.total())"


@pytest.mark.parametrize("error", ["RuntimeError", "KeyboardInterrupt"])
@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_an_answer_that_fails_takes_the_dialog_away_and_says_so(
    page: Open, store: ConsentStore, answer: str, error: str
) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    notebook.asked()
    break_it = "import dev_analytics.consent.gate as gate; gate.Gate.answer = fail"
    notebook.run(FAIL.format(error=error, break_it=break_it), "b")
    notebook.click(answer)
    notebook.settle()
    assert [output["data"] for output in notebook.outputs] == [{"text/plain": UNSURE}]
    assert notebook.models == {}
    assert notebook.run(DROPPED, "c") == "1\n"
    assert (store.read().user_id, store.read().opted_out) == (None, False)


@pytest.mark.parametrize("error", ["RuntimeError", "KeyboardInterrupt"])
def test_a_question_whose_records_fail_says_so_and_can_be_answered(
    page: Open, store: ConsentStore, error: str
) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    notebook.asked()
    break_it = "import dev_analytics.views.kinds as kinds; kinds.kinds_html = fail"
    notebook.run(FAIL.format(error=error, break_it=break_it), "b")
    notebook.click(SEE)
    notebook.settle()
    assert "Something failed" in notebook.html()
    assert len(notebook.outputs) == 1, "no traceback"
    assert notebook.run(DROPPED, "c") == "1\n"
    notebook.click("Yes")
    notebook.until(lambda: not notebook.dialogs)
    assert notebook.below("a") == ON
    assert store.read().user_id is not None


def test_a_failure_while_a_view_is_waited_for_is_counted_and_shown_nowhere(page: Open) -> None:
    notebook = page()
    broken = "import dev_analytics.consent.asking.dialog as d; d.Dialog.views = property(fail)"
    notebook.run(f"{FAIL.format(error='RuntimeError', break_it=broken)}\n{hurried(1)}", "a")
    notebook.until(lambda: notebook.run(DROPPED, "b", store_history=False) == "1\n")
    first, *others = [output["cell"] for output in notebook.outputs]
    assert first == "a"
    assert set(others) == {"b"}, "each look at the drops has an output of its own"


def test_the_dialog_comes_after_the_reply_and_costs_the_cell_nothing(page: Open) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    notebook.asked()
    notebook.until(lambda: bool(notebook.replies))
    replied = notebook.replies[0]["header"]["date"]
    opened = [at for kind, at in notebook.times if kind in ("comm_open", "display_data")]
    assert min(opened) > replied
    look = "import sys; print('ipywidgets' in sys.modules)"
    assert notebook.run(look, "b") == "True\n"


def test_widgets_are_not_imported_within_the_cell(page: Open) -> None:
    notebook = page()
    code = f"get_ipython().run_line_magic('load_ext', 'dev_analytics')\n{WATCH}"
    notebook.run(code, "a")
    notebook.asked()
    assert notebook.run("print(imported)", "b") == "['after post_run_cell']\n"


WATCH = """
import sys, importlib.abc
imported, now = [], ["in the cell"]
class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "ipywidgets":
            imported.append(now[0])
sys.meta_path.insert(0, Watch())
def ended(result):
    now[0] = "after post_run_cell"
get_ipython().events.register("post_run_cell", ended)
"""


def test_an_unanswered_question_goes_when_the_user_goes_on(page: Open, store: ConsentStore) -> None:
    notebook = page()
    notebook.run(hurried(60), "a")
    notebook.asked()
    for number in range(4):
        notebook.run("1", f"cell {number}")
        notebook.settle()
        assert notebook.dialogs
    notebook.run("1", "one more")
    notebook.until(lambda: not notebook.dialogs)
    assert notebook.below("a") == FIRST.unanswered
    notebook.settle()
    assert notebook.models == {}
    assert (store.read().user_id, store.read().opted_out) == (None, False)


def test_run_all_does_not_take_the_question_away(page: Open) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    sent = [notebook.send(str(number), f"cell {number}") for number in range(20)]
    notebook.until(lambda: sent[-1] in notebook._idle)
    notebook.settle()
    assert [dialog["cell"] for dialog in notebook.dialogs] == ["a"]


@pytest.mark.parametrize(("typed", "then"), [("y", ON), ("n", DISABLED)])
def test_a_page_that_shows_no_widgets_gets_the_line_instead_and_on_asks_at_the_prompt(
    page: Open, store: ConsentStore, typed: str, then: str
) -> None:
    notebook = page()
    notebook.run(hurried(1), "a")
    notebook.until(lambda: bool(notebook.dialogs))
    notebook.until(lambda: not notebook.dialogs)
    assert notebook.below("a") == FIRST.notice
    sent = notebook.send("%dev_analytics on", "b")
    assert notebook.typed("") == notebook.typed(typed) == f"{FIRST.words} (Y)es/(N)o: "
    notebook.until(lambda: sent in notebook._idle)
    above = would_receive(ARCHIVE)
    assert notebook.below("b").startswith(f"{above}\n{FIRST.lines}\n{FIRST.possible}\n{then}"), (
        "Enter alone was no answer"
    )
    assert not notebook.dialogs
    consent = store.read()
    assert (consent.user_id is not None, consent.opted_out) == (typed == "y", typed == "n")


def test_where_there_are_no_widgets_the_line_is_all(page: Open) -> None:
    notebook = page()
    notebook.run(f"import sys; sys.modules['ipywidgets'] = None\n{LOAD}", "a")
    notebook.until(lambda: bool(notebook.below("a")))
    assert notebook.below("a") == FIRST.notice
    sent = notebook.send("%dev_analytics on", "b")
    assert notebook.typed("y") == FIRST.unchosen.prompt
    notebook.until(lambda: sent in notebook._idle)
    assert ON in notebook.below("b")
    assert not notebook.dialogs


@pytest.mark.parametrize("seen", [True, False])
def test_a_long_cell_does_not_count_against_the_page(page: Open, seen: bool) -> None:
    """While a cell runs the kernel hears of no view; that is no sign that there is none."""
    notebook = page()
    notebook.run(hurried(3), "a")
    notebook.until(lambda: bool(notebook.dialogs))
    (dialog,) = notebook.dialogs
    sent = notebook.send("import time; time.sleep(4.6)", "b")
    if seen:
        notebook.view(dialog, 1)
    notebook.until(lambda: sent in notebook._idle)
    notebook.settle()
    assert notebook.dialogs
    if not seen:
        notebook.until(lambda: not notebook.dialogs)
        assert notebook.below("a") == FIRST.notice


def test_a_cell_that_is_run_again_shows_the_question_again(page: Open) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    notebook.asked()
    notebook.run("1", "a")
    dialog = notebook.asked()
    assert dialog["cell"] == "a"
    notebook.click("Yes")
    notebook.until(lambda: not notebook.dialogs)
    assert ON in notebook.below("a")


def test_a_page_that_was_reloaded_is_asked_again_unless_it_shows_the_question(
    page: Open,
) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    dialog = notebook.asked()
    notebook.run("1", "b")
    notebook.client.session.session = "the reloaded page"
    notebook.view(dialog, 2)
    notebook.run("1", "c")
    notebook.settle()
    assert [one["cell"] for one in notebook.dialogs] == ["a"], "it found the saved output"
    notebook.client.session.session = "reloaded once more"
    notebook.run("1", "d")
    notebook.until(lambda: [one["cell"] for one in notebook.dialogs] == ["d"])


@pytest.mark.parametrize("allow_stdin", [True, False], ids=["a console", "a script"])
def test_another_client_of_the_kernel_does_not_take_the_question_from_the_user(
    page: Open, store: ConsentStore, allow_stdin: bool
) -> None:
    notebook = page()
    notebook.run(hurried(60), "a")
    dialog = notebook.asked()
    mine = notebook.client.session.session
    notebook.client.session.session = "the other client"
    for number in range(6):
        shown = notebook.run(str(number), "", allow_stdin=allow_stdin)
        assert shown == str(number), "it is shown its own result, and nothing else"
    notebook.settle()
    assert notebook.dialogs == [dialog]
    notebook.client.session.session = mine
    notebook.click("Yes")
    notebook.until(lambda: not notebook.dialogs)
    assert notebook.below("a") == ON
    assert store.read().user_id is not None


def test_a_no_at_another_client_of_the_kernel_outdoes_a_click_that_came_before_it(
    page: Open, store: ConsentStore
) -> None:
    """A console beside a notebook: the one that runs the cell is asked."""
    notebook = page()
    notebook.run(hurried(60), "a")
    notebook.asked()
    mine = notebook.client.session.session
    notebook.client.session.session = "the other client"
    sent = notebook.send("%dev_analytics on", "")
    prompt = notebook.client.get_stdin_msg(timeout=SECONDS)
    assert prompt["parent_header"]["msg_id"] == sent
    notebook.client.session.session = mine
    # The kernel takes it only when the other client's cell is over.
    notebook.click("Yes")
    notebook.client.session.session = "the other client"
    notebook.client.input("n")
    notebook.until(lambda: sent in notebook._idle)
    notebook.settle()
    assert not notebook.dialogs
    assert "you opted out permanently" in notebook.below("a")
    assert (store.read().opted_out, store.read().user_id) == (True, None)


def test_unloading_takes_the_question_back(page: Open) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    notebook.asked()
    notebook.run("%unload_ext dev_analytics", "b")
    assert not notebook.dialogs
    assert notebook.below("a") == FIRST.unanswered
    assert notebook.models == {}


def test_shutting_down_takes_the_question_back(page: Open) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    notebook.asked()
    notebook.client.shutdown()
    notebook.until(lambda: not notebook.dialogs)
    assert notebook.below("a") == FIRST.unanswered


@pytest.mark.parametrize(("answer", "holds"), [("Yes", ON), ("No", "you opted out permanently")])
def test_one_answer_counts_in_every_notebook(
    page: Open, store: ConsentStore, answer: str, holds: str
) -> None:
    one, two = page(), page()
    one.run(LOAD, "a")
    one.asked()
    two.run(LOAD, "a")
    two.settle()
    assert not two.outputs, "one question at a time"
    two.run("%dev_analytics on", "b")
    two.asked()
    one.click(answer)
    one.until(lambda: not one.dialogs)
    two.run("1", "c")
    two.until(lambda: not two.dialogs)
    assert holds in two.below("b")
    assert two.run(LOOK, "d") == f"{answer == 'Yes'}\n"


def test_a_stale_yes_does_not_undo_an_opt_out(page: Open, store: ConsentStore) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    notebook.asked()
    store.opt_out()
    notebook.click("Yes")
    notebook.until(lambda: not notebook.dialogs)
    assert store.read().opted_out
    assert "you opted out permanently" in notebook.below("a")


@pytest.mark.parametrize("word", ["off", "disable"])
def test_a_word_of_the_magic_takes_the_question_back(page: Open, word: str) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    notebook.asked()
    said = notebook.run(f"%dev_analytics {word}", "b")
    assert not notebook.dialogs
    assert notebook.below("a") == said.strip()


@pytest.mark.parametrize("word", ["on", "disable"])
def test_what_a_word_shows_stands_below_what_the_cell_has_printed(
    page: Open, store: ConsentStore, word: str
) -> None:
    if word == "disable":
        store.agree(NOTICE, date.today())
    notebook = page()
    notebook.run(LOAD, "a")
    notebook.run(f"print('printed')\n%dev_analytics {word}", "b")
    notebook.settle()
    printed, shown = [
        each["data"]["text/plain"] for each in notebook.outputs if each["cell"] == "b"
    ]
    assert printed == "printed\n" != shown


def test_on_asks_at_once_and_moves_the_question_to_its_cell(page: Open) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    notebook.asked()
    notebook.run("%dev_analytics on", "b")
    dialog = notebook.asked()
    assert dialog["cell"] == "b"
    assert notebook.below("a") == FIRST.unanswered
    notebook.settle()
    (same,) = notebook.dialogs
    assert same["data"] == dialog["data"], "the end of its own cell does not take it away"


def test_what_captures_outputs_does_not_capture_the_question(page: Open) -> None:
    notebook = page()
    notebook.run(f"%%capture held\n{LOAD}\nprint('mine')", "a")
    assert notebook.asked()["cell"] == "a"
    assert notebook.run("print(held.outputs, repr(held.stdout))", "b") == "[] 'mine\\n'\n"


def test_a_click_on_a_subshell_s_thread_is_an_answer(page: Open, store: ConsentStore) -> None:
    notebook = page()
    notebook.run(LOAD, "a")
    notebook.asked()
    client = notebook.client
    client.control_channel.send(client.session.msg("create_subshell_request"))
    subshell = client.get_control_msg(timeout=240)["content"]["subshell_id"]
    busy = notebook.send("import time; time.sleep(3)", "b")
    data = {"method": "custom", "content": {"event": "click"}}
    message = client.session.msg("comm_msg", {"comm_id": notebook.button("No"), "data": data})
    message["header"]["subshell_id"] = subshell
    client.shell_channel.send(message)
    notebook.until(lambda: store.read().opted_out)
    notebook.until(lambda: not notebook.dialogs)
    assert notebook.below("a").startswith(DISABLED)
    notebook.until(lambda: busy in notebook._idle)


def test_a_front_end_that_takes_no_input_is_never_asked(page: Open, data: Path) -> None:
    notebook = page()
    notebook.run(LOAD, "a", allow_stdin=False)
    notebook.run("1", "b", allow_stdin=False)
    notebook.settle()
    assert not data.exists()
    assert [output["data"] for output in notebook.outputs] == [{"text/plain": "1"}]


def dreamt(log: Any) -> list[str | None]:
    return [record["distinct_id"] for record in log.records if record["event"] == "dreamt"]


@pytest.mark.parametrize("answer", ["Yes", "Keep it as it is"])
def test_a_newer_notice_is_asked_about_with_the_difference_alone(
    page: Open, store: ConsentStore, log: Any, answer: str, newer_catalogue: dict[str, str]
) -> None:
    user = store.agree(1, date(2026, 11, 1)).user_id
    notebook = page({"DEV_ANALYTICS_LOG": str(log.path), **newer_catalogue})
    notebook.run(f"import newer\n{LOAD}", "a")
    notebook.asked()
    assert "dreamt: A dream was dreamt." in notebook.html()
    for known in ("cell executed", "never collects"):
        assert known not in notebook.html()
    dream = "__import__('dev_analytics').get_analytics().event('dreamt', vivid=True)"
    notebook.run(dream, "b")
    assert dreamt(log) == [None], "withheld until the answer"
    notebook.click(answer)
    notebook.until(lambda: not notebook.dialogs)
    agreed = answer == "Yes"
    assert notebook.below("a") == (ON if agreed else KEPT)
    assert store.read().user_id == user
    notebook.run(dream, "c")
    assert dreamt(log) == [None, user if agreed else None]
    again = page(newer_catalogue)
    again.run(f"import newer\n{LOAD}", "a")
    again.settle()
    assert not again.dialogs, "it is asked once"
    again.run("%dev_analytics on", "b")
    assert len(again.dialogs) == (not agreed), "unless somebody wants it"


def test_a_front_end_that_names_no_cells_is_not_to_save_the_identifier_either(
    kernel: Callable[..., Any], data: Path
) -> None:
    user_id = ConsentStore(data).agree(NOTICE, date.today()).user_id
    assert user_id is not None
    running = kernel()
    running.run("%load_ext dev_analytics", allow_stdin=True)
    shown = running.run("%dev_analytics disable", allow_stdin=True)
    ((kind, output),) = [each for each in shown.messages if user_id in str(each)]
    assert (kind, output["metadata"]) == ("display_data", {MARK: True})
