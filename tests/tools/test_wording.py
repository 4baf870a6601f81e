"""What a tool is called and says of itself: short, plain, its own, and no order to its reader."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics.tools import DeclarationError, Event, Tool, Why
from dev_analytics.tools.wording import FOREIGN_NAMES, foreign_name, is_text, is_title, is_word

struct: Callable[..., type[Event]] = type(Event)
"""Make a class of an event as a ``class`` statement does."""


class Made(Event):
    """A chart was made."""

    wire = "acme: made"
    why = Why("To know it.")


def tool(**changes: object) -> Tool:
    said = {"name": "acme", "title": "Acme", "about": "It helps.", "events": (Made,), **changes}
    return Tool(**said)  # type: ignore[arg-type]


@pytest.mark.parametrize("title", ["Acme", "Acme Charts", "nbdime", "Plot 2", "scikit-plot"])
def test_a_plain_title_is_accepted(title: str) -> None:
    assert tool(title=title).title == title


@pytest.mark.parametrize(
    "title",
    [
        "Dev", "dev", "DEV", "Dev Tools", "DevTools", "D3v", "Jupyter", "Jupyt3r", "lPython",
        "IPython", "lPyth0n Security", "Micros0ft", "Systern", "System Update", "S-y-s-t-e-m",
        "Py thon", "Security Notice", "GitHub Helper", "Press Enter", "Answer yes", "Please Do",
        "Dev2", "Clev", "ClevTools", "Dev.2", "X-Dev", "dev.chat", "d.e.v", "De-v 2", "MyDeV",
        "ro-ot", "Y.e.s", "py pi",
        "Аcme", "Ac\u200bme", "ＡＣＭＥ", "Acme\n", "Acme ", " Acme", "Acme  Charts", "Acme: ok?",
        "Acme (Y)es", "A b c d e", "1 2 3 4 5", "x" * 31, "", "%dev", "D e v", "<b>A</b>",
    ],
)  # fmt: skip
def test_a_title_with_somebody_else_s_name_is_refused(title: str) -> None:
    with pytest.raises(DeclarationError, match="title is"):
        tool(title=title)


@pytest.mark.parametrize(
    "wire",
    ["acme: press enter", "acme: answer yes", "acme: system update", "acme: jupyter stopped",
     "acme: please wait", "acme: dev updated", "acme: jupyt3r stopped", "acme: d e v updated",
     "acme: p r e s s"],
)  # fmt: skip
def test_an_event_whose_name_instructs_the_reader_is_refused(wire: str) -> None:
    event = struct("Made", (Event,), {"__doc__": "It.", "wire": wire, "why": Why("It.")})
    with pytest.raises(DeclarationError, match="wire is"):
        tool(events=(event,))


@pytest.mark.parametrize(
    "about",
    ["Dev needs it.", "Your system asks for it.", "See https://acme.example", "Press [Enter]",
     "It helps.\nAllow? ", "\x1b[2J", "It hеlps.", "x" * 161, "", "50% off", "`rm`",
     "IPython says so"],
)  # fmt: skip
def test_an_about_that_is_not_plain_text_is_refused(about: str) -> None:
    with pytest.raises(DeclarationError, match="about"):
        tool(about=about)


@given(st.text(), st.sampled_from([is_title, is_text, is_word]))
def test_a_text_is_one_line_of_ascii(text: str, allowed: object) -> None:
    if allowed(text):  # type: ignore[operator]
        assert text.isascii()
        assert text.isprintable()
        assert text == " ".join(text.split())
        assert not set(text) & set('<>&"%$@:=?!|[]{}\\`~^#*')


@given(st.sampled_from(sorted(FOREIGN_NAMES)), st.sampled_from(["", " ", "-", "x "]), st.data())
def test_somebody_else_s_name_is_found_however_it_is_written(
    name: str, before: str, data: st.DataObject
) -> None:
    alike = {"o": "oO0", "l": "lI1", "e": "eE3", "a": "aA4", "s": "sS5", "t": "tT7", "i": "iI1"}
    written = "".join(data.draw(st.sampled_from(alike.get(c, c + c.upper()))) for c in name)
    assert foreign_name(f"{before}{written}")


@pytest.mark.parametrize("text", ["Device", "developed", "Which charts deserve work.", "adevp"])
def test_a_word_that_only_begins_like_one_is_not_somebody_else(text: str) -> None:
    assert foreign_name(text) == ""
