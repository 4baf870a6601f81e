"""A reader of the views' HTML, which holds every view to what all of them promise."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec import json

from dev_analytics.views.report.source import Source
from dev_analytics.views.report.tally import Tally, tally

ALLOWED = set(
    "div style p table caption thead tbody tr th td details summary pre strong time".split()
    + "dl dt dd section figure svg g path text defs clippath rect use pattern".split()
)
ATTRIBUTES = {"class", "role", "tabindex", "aria-label", "scope", "datetime", "open"}
_DRAWING = set("svg g path text defs clippath rect use pattern".split())


class View(HTMLParser):
    """The HTML of a view, read back as a browser reads it.

    Attributes
    ----------
    rows
        The texts of the cells of every table row, heads included.
    exact, summaries
        The texts of every ``pre`` and every ``summary``.
    text
        All that is shown.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.rows: list[list[str]] = []
        self.exact: list[str] = []
        self.summaries: list[str] = []
        self.text = ""
        self.style = ""
        self.labels: list[str] = []
        self.scopes: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, tag
        given = dict(attrs)
        assert set(given) <= ATTRIBUTES or tag in _DRAWING, given
        for name in (given.get("class") or "").split():
            assert name.startswith("dev-analytics-") or name.endswith("_ignore")
        self.labels += [str(given["aria-label"])] if "aria-label" in given else []
        self.scopes += [str(given["scope"])] if tag == "th" else []
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")
        elif tag == "pre":
            self.exact.append("")
        elif tag == "summary":
            self.summaries.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1] == "style":
            self.style += data
            return
        self.text += data
        if "pre" in self._open:
            self.exact[-1] += data
            return
        if "summary" in self._open:
            self.summaries[-1] += data
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def read_view(html: str) -> View:
    view = View(html)
    assert html.startswith('<div class="dev-analytics-view mathjax_ignore tex2jax_ignore">')
    # Colours are those of the notebook: a border may name one of its variables, nothing names more.
    assert not re.search(r"#[0-9a-f]{3}|rgb|hsl|url|@import|expression", view.style, re.I)
    for name, value in re.findall(r"([a-z-]*(?:color|background))\s*:\s*([^;}]+)", view.style):
        assert value.strip() in ("none", "inherit"), (name, value)
    for value in re.findall(r"border[a-z-]*\s*:\s*([^;}]+)", view.style):
        assert re.fullmatch(r"0|collapse|1px solid var\(--jp-[a-z0-9-]+, .+", value.strip()), value
    for selectors in re.findall(r"([^{}]+)\{(?=[^{}]+\})", view.style):
        for selector in selectors.split(","):
            assert selector.strip().startswith((".dev-analytics-view", ".dev-analytics-report")), (
                selector
            )
    return view


@pytest.fixture(name="read_view")
def reader() -> Callable[[str], View]:
    """Read a view, and check what all of them promise."""
    return read_view


@pytest.fixture
def record() -> Callable[..., bytes]:
    """Make a line of a log, as any program may write it; keywords are properties."""

    def make(
        event: str,
        time: str = "2026-11-22T10:00:00+00:00",
        user: str | None = "user",
        session: str = "session",
        **said: Any,
    ) -> bytes:
        properties = {"$session_id": session, **said}
        fields = {"event": event, "timestamp": time, "distinct_id": user, "properties": properties}
        return json.encode(fields) + b"\n"

    return make


@pytest.fixture
def counted(tmp_path: Path) -> Callable[..., Tally]:
    """Count lines that stand in a log."""

    def count(*lines: bytes, **options: Any) -> Tally:
        file = tmp_path / "log.jsonl"
        file.write_bytes(b"".join(lines))
        return tally(Source(file, tmp_path), **options)

    return count
