"""The question below a cell: what a user sees, presses and gets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from dev_analytics.consent.asking.question import DISABLED, FIRST, ON

LOAD = "%load_ext dev_analytics"
SEE, HIDE = "See what would be sent", "Hide what would be sent"

LOOK = """node => {
    const style = getComputedStyle(node), box = node.getBoundingClientRect();
    const names = ['fontSize', 'fontWeight', 'fontFamily', 'color', 'backgroundColor',
        'borderTop', 'boxShadow', 'opacity', 'padding', 'margin'];
    return [box.width, box.height, box.top, ...names.map(name => style[name])];
}"""

CONTRASTS = """root => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    const rgba = color => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], below) =>
        [r, g, b].map((value, i) => value * a + below[i] * (1 - a));
    const background = node => {
        if (!node) return [255, 255, 255];
        const color = rgba(getComputedStyle(node).backgroundColor);
        return color[3] === 1 ? color.slice(0, 3) : over(color, background(node.parentElement));
    };
    const luminance = color => color
        .map(value => value / 255)
        .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const found = {};
    while (texts.nextNode()) {
        const text = texts.currentNode.data.trim(), node = texts.currentNode.parentElement;
        if (!text || !node.checkVisibility()) continue;
        const behind = background(node);
        const inFront = over(rgba(getComputedStyle(node).color), behind);
        const [dark, light] = [behind, inFront].map(luminance).sort((a, b) => a - b);
        found[text] = (light + 0.05) / (dark + 0.05);
    }
    return found;
}"""


def senders(log: Any) -> set[str | None]:
    """Return the identifiers in the log's records; None stands for no identifier."""
    return {record["distinct_id"] for record in log.records}


def test_nothing_is_collected_before_the_answer_and_a_yes_holds_from_the_next_event_on(
    open_notebook: Callable[..., Any], data: Path, stored: Any, log: Any
) -> None:
    """The question below the first cell is the same for who sees it and who hears it.

    No answer is chosen before; a yes is stored, and said in one line.
    """
    notebook = open_notebook(LOAD, "1 + 1", "2 + 2")
    notebook.run(0)
    expect(notebook.question).to_have_count(1)
    for said in (" ".join(FIRST.introduction), FIRST.words):
        expect(notebook.question).to_contain_text(said)
    buttons = notebook.question.get_by_role("button")
    expect(buttons).to_have_text(["Yes", "No", SEE])
    yes, no, _ = buttons.evaluate_all(f"nodes => nodes.map({LOOK})")
    assert yes == no
    assert not notebook.question.evaluate("node => node.contains(document.activeElement)")
    heard = notebook.question.aria_snapshot()
    for said in (FIRST.words, 'button "Yes"', 'button "No"', f'button "{SEE}"', "link "):
        assert heard.count(said) == 1, heard
    assert heard.count("button") == 3, heard
    notebook.run(1)
    expect(notebook.below(1)).to_have_text("2")
    expect(notebook.question).to_have_count(1)
    assert stored.answer is None
    assert sorted(path.name for path in data.iterdir()) == ["consent", "consent.lock"]
    assert set(stored.fields) == {"version", "draw", "asked_on"}
    assert log.events == ["launched", "cell executed"]
    assert senders(log) == {None}
    notebook.note_widget_messages()
    notebook.button("Yes").click()
    expect(notebook.question).to_have_count(0)
    expect(notebook.below(0)).to_have_text(ON)
    assert stored.answer == "yes"
    # The recording begins with the answer, and with its launch.
    assert [each["event"] for each in log.records if each["distinct_id"]] == ["launched"]
    assert log.records[-1]["distinct_id"] == stored.user
    notebook.run(2)
    assert log.events[-1] == "cell executed"
    assert log.records[-1]["distinct_id"] == stored.user
    assert [output["data"] for output in notebook.outputs(0)] == [{"text/plain": ON}]
    # The page ends the subshell of its widgets when the last is gone. What came there with it
    # would be lost, and ipykernel would print a warning of that into the user's next cell.
    assert [message["method"] for message in notebook.widget_messages()] == ["custom"]


# A no in Notebook 7 is given with the keyboard, below.
@pytest.mark.parametrize("front_end", ["lab"], indirect=True)
def test_no_is_permanent_said_in_one_line_and_leaves_no_identifier(
    open_notebook: Callable[..., Any], data: Path, stored: Any, log: Any
) -> None:
    notebook = open_notebook(LOAD, "1 + 1", "%reload_ext dev_analytics\n%dev_analytics status")
    notebook.run(0)
    notebook.button("No").click()
    expect(notebook.question).to_have_count(0)
    expect(notebook.below(0)).to_contain_text(DISABLED)
    assert [list(output["data"]) for output in notebook.outputs(0)] == [["text/plain"]]
    assert stored.answer == "no"
    notebook.run(1, 2)
    expect(notebook.question).to_have_count(0)
    expect(notebook.below(2)).to_contain_text("opted out")
    assert not (data / "spool").exists()
    assert senders(log) == {None}, "the log goes on, in nobody's name"
    assert "cell executed" in log.events


@pytest.mark.parametrize(
    ("front_end", "name", "key", "words"),
    [("lab", "Yes", "Enter", ON), ("notebook", "No", "Space", DISABLED)],
    indirect=["front_end"],
    ids=["lab", "notebook"],
)
def test_the_keyboard_alone_is_enough(
    open_notebook: Callable[..., Any], stored: Any, log: Any, name: str, key: str, words: str
) -> None:
    notebook = open_notebook(LOAD, "1 + 1")
    page = notebook.page
    page.locator(".jp-Cell .cm-content").first.click()
    page.keyboard.press("Control+Enter")
    expect(notebook.button(SEE)).to_be_visible()
    page.keyboard.press("Escape")
    reached = []
    while SEE not in reached:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText"))
        assert len(reached) < 10, reached
    assert reached[-3:] == ["Yes", "No", SEE]
    for _ in range(reached[::-1].index(name)):
        page.keyboard.press("Shift+Tab")
    expect(notebook.button(name)).to_be_focused()
    page.keyboard.press(key)
    expect(notebook.below(0)).to_contain_text(words)
    expect(notebook.question).to_have_count(0)
    assert stored.answer == name.lower()
    notebook.run(1)
    assert log.records[-1]["distinct_id"] == stored.user


def test_see_what_would_be_sent_shows_the_exact_records_of_this_session(
    open_notebook: Callable[..., Any], stored: Any, log: Any
) -> None:
    """Every word can be read in light and dark, also when the theme changes under it."""
    notebook = open_notebook(LOAD, "1 / 0", "1 + 1")
    notebook.run(0)
    expect(notebook.question).to_have_count(1)
    notebook.run(1, 2)
    before = log.path.read_text()
    notebook.button(SEE).click()
    expect(notebook.button(HIDE)).to_have_count(1)
    expect(notebook.question).to_contain_text("cell executed")
    shown = notebook.question.locator("pre").all_text_contents()
    lines = before.splitlines()
    assert sorted(shown) == sorted(lines), "what is shown is what would be sent, byte for byte"
    assert log.events.count("cell executed") == 2
    assert_readable(notebook.question)
    notebook.use_theme("JupyterLab Dark")
    assert_readable(notebook.question)
    notebook.button(HIDE).click()
    expect(notebook.button(SEE)).to_have_count(1)
    expect(notebook.question).not_to_contain_text("cell executed")
    assert log.path.read_text() == before, "to look is no event"
    assert stored.answer is None, "to look is no answer"
    assert senders(log) == {None}
    notebook.button("Yes").click()
    expect(notebook.below(0)).to_have_text(ON)
    assert_readable(notebook.below(0))
    assert stored.answer == "yes"
    assert senders(log) == {None, stored.user}


def assert_readable(shown: Locator) -> None:
    """Find the contrast of WCAG 2.2, level AA, in every text that can be seen."""
    contrasts = shown.evaluate(CONTRASTS)
    assert contrasts
    assert {text: ratio for text, ratio in contrasts.items() if ratio < 4.5} == {}
