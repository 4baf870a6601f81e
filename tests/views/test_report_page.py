"""The report as HTML, in a notebook and as a page: escaped, described, and of itself alone."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from dev_analytics.views.report import figures as drawing
from dev_analytics.views.report.figures import INSTALL, NoFiguresError, figures
from dev_analytics.views.report.page import MADE_BY, page, report_html
from dev_analytics.views.report.source import Source
from dev_analytics.views.report.tables import Row, Table, tables
from dev_analytics.views.report.tally import Tally, tally

SAMPLE = Path(__file__).parents[2] / "docs" / "sample-analytics.jsonl"
ODD = "<script>alert('$x$')</script>&\"\x1b"


@pytest.fixture(scope="module")
def sample() -> Tally:
    return tally(Source(SAMPLE, SAMPLE.parent))


@pytest.fixture
def hostile(counted: Callable[..., Tally], record: Callable[..., bytes]) -> Tally:
    """A log whose every word is a piece of HTML, or a formula."""
    lines = []
    for number in range(3):
        odd = f"{ODD}{number}"
        time = f"2026-11-2{number}T10:00:00Z"
        lines += [
            record(odd, time),
            record("launched", time, frontend=odd, version=odd),
            record("feature used", time, kind=odd, name=odd),
            record("command run", time, command=odd),
            record("error raised", time, exception=odd, package=odd),
            record("cell executed", time, outcome=odd, duration_ms=10**number),
            record("kernel action", time, action=odd, status=odd),
            record("file action", time, action=odd, kind=odd),
            record(
                *("$ai_generation", time),
                **{
                    "$ai_provider": odd,
                    "$ai_model": odd,
                    "$ai_input_tokens": 5,
                    "edit_format": odd,
                },
            ),
        ]
    return counted(*lines)


def drawn(found: Tally) -> dict[str, str]:
    return figures(tables(found, {}))


def test_in_a_notebook_it_keeps_what_all_views_promise(
    sample: Tally, hostile: Tally, read_view: Callable[[str], Any]
) -> None:
    for found in (sample, hostile):
        parts = tables(found, {ODD: 1})
        view = read_view(report_html(found, parts, figures(parts)))
        assert "<script" not in view.html
        assert view.scopes.count("col") == sum(len(part.columns) for part in parts)
        for part in parts:
            assert f"<caption>{part.title}</caption>" in view.html
            head = view.rows.index(list(part.columns.values()))
            shown = [[f"{v:,}" if isinstance(v, int) else v for v in row] for row in part.rows]
            assert view.rows[head + 1] == (shown[-20] if len(shown) > 20 else shown[0])
            assert part.finding in view.text


def test_a_page_loads_nothing_external(sample: Tally, hostile: Tally) -> None:
    for found in (sample, hostile):
        parts = tables(found, {ODD: 1})
        made = page(found, parts, figures(parts))
        assert made.startswith(MADE_BY)
        assert not re.search(r"<(script|link|img|iframe|object|base)|\bon\w+=|@import", made)
        assert not re.search(r"https?:|//", made)
        for reference in re.findall(r"url\(([^)]*)\)|href=\"([^\"]*)\"", made):
            assert "".join(reference).startswith("#dev-analytics-")
        assert "\x1b" not in made
        names = re.findall(r'\bid="([^"]+)"', made)
        assert len(names) == len(set(names)), "two figures share a name"


def test_every_figure_says_in_words_what_it_finds(hostile: Tally) -> None:
    parts = {part.name: part for part in tables(hostile, {})}
    made = figures(list(parts.values()))
    assert set(made) == {"activity", "features", "errors", "models", "durations"}
    for name, svg in made.items():
        root = ElementTree.fromstring(svg.replace("xlink:", ""))
        assert root.get("role") == "img"
        assert root.get("aria-label") == f"{parts[name].title}: {parts[name].finding}."
        assert re.search(r"\d", parts[name].finding)


def test_figures_have_the_colour_of_the_text_around_them(sample: Tally) -> None:
    for svg in drawn(sample).values():
        assert "currentColor" in svg
        colours = set(re.findall(r"#[0-9a-f]{6}\b", svg))
        assert colours <= {drawing._FIRST, drawing._SECOND}
        for colour in colours:
            for paper in ("#ffffff", "#111111"):
                assert contrast(colour, paper) >= 3
        assert "<style" not in svg, "its rules would be for the whole notebook"


def contrast(one: str, other: str) -> float:
    """Return the ratio of WCAG 2."""

    def luminance(colour: str) -> float:
        parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_cells_that_failed_are_not_shown_by_colour_alone(hostile: Tally) -> None:
    for name in ("durations", "models"):
        assert "url(#dev-analytics-" in drawn(hostile)[name], "no hatching"
        assert "<pattern" in drawn(hostile)[name]


def test_the_user_s_matplotlib_is_left_alone(sample: Tally) -> None:
    code = f"""
import sys
from pathlib import Path
from dev_analytics.views.report.figures import figures
from dev_analytics.views.report.source import Source
from dev_analytics.views.report.tables import Row, Table, tables
from dev_analytics.views.report.tally import tally
path = Path({str(SAMPLE)!r})
parts = tables(tally(Source(path, path.parent)), {{}})
assert "matplotlib" not in sys.modules
plain = figures(parts)
assert "matplotlib.pyplot" not in sys.modules
import matplotlib
matplotlib.use("pdf")
import matplotlib.pyplot as plt
plt.style.use("dark_background")
matplotlib.rcParams |= {{"font.size": 30, "xtick.labelsize": 30, "axes.ymargin": 0.4}}
plt.figure()
before = dict(matplotlib.rcParams), plt.get_fignums(), plt.gcf()
again = figures(parts)
assert (dict(matplotlib.rcParams), plt.get_fignums(), plt.gcf()) == before
assert matplotlib.get_backend() == "pdf"
assert plain == again, "their settings had a say"
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=240)


def test_without_matplotlib_one_line_says_what_to_install(
    sample: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(NoFiguresError) as missing:
        drawn(sample)
    assert str(missing.value) == INSTALL
    assert 'pip install "dev-analytics[report]"' in INSTALL
    made = page(sample, tables(sample, {}), {}, INSTALL)
    assert "dev-analytics[report]" in made
    assert made.count("<table>") == len(tables(sample, {}))


def test_an_empty_report_and_a_truncated_one_say_so(counted: Callable[..., Tally]) -> None:
    none = counted()
    assert "There are no records to count." in report_html(none, tables(none, {}), {})
    rows: list[Row] = [(f"model {number}", number) for number in range(23)]
    part = Table("models", "Models", "Many.", {"model": "model", "count": "count"}, rows, "count")
    assert "3 more rows are not shown." in report_html(none, [part], {})
