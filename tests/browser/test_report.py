"""The report where people read it: in JupyterLab, and as a page opened without a network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from dev_analytics.apps.jupyter import main

SAMPLE = Path(__file__).parents[2] / "docs" / "sample-analytics.jsonl"
PUBLIC_PAGE = SAMPLE.parent / "public-page" / "index.html"
LOAD = "%load_ext dev_analytics"

_CONTRAST = """(elements) => {
    const context = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const rgba = colour => {
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data];
    };
    const luminance = parts => parts.slice(0, 3).map(part => part / 255)
        .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
    const paper = element => {
        for (; element; element = element.parentElement) {
            const found = rgba(getComputedStyle(element).backgroundColor);
            if (found[3] === 255) return found;
        }
        return [255, 255, 255];
    };
    return Math.min(...elements.map(element => {
        const style = getComputedStyle(element);
        const ink = element.closest('svg') ? style.fill : style.color;
        const [low, high] = [luminance(rgba(ink)), luminance(paper(element))].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    }));
}"""


@pytest.fixture
def front_end() -> str:
    return "lab"


def test_it_is_legible_in_the_notebook_s_theme(open_notebook: Callable[..., Any]) -> None:
    notebook = open_notebook(LOAD, f"%dev_analytics report {SAMPLE}", DEV_ANALYTICS="off")
    notebook.run(0)
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        notebook.use_theme(theme)
        notebook.run(1)
        below = notebook.below(1)
        expect(below.locator("table caption").first).to_have_text("Activity by hour")
        figures = below.locator("svg[role=img]")
        assert figures.count() == 3
        for figure in figures.all():
            assert any(letter.isdigit() for letter in str(figure.get_attribute("aria-label")))
        written = below.locator("svg text, th, td, dt, dd, p").filter(visible=True)
        assert written.evaluate_all(_CONTRAST) >= 4.5
        view = below.locator(".dev-analytics-view")
        assert view.evaluate("it => it.scrollWidth <= it.clientWidth")
        assert len(notebook.outputs(1)) == 1
        assert len(json.dumps(notebook.outputs(1))) < 100_000


@pytest.mark.usefixtures("loaded_anew")  # it takes the network from every page
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["report", "public page"])
def test_a_page_needs_no_network_and_no_script(
    chromium: BrowserContext,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    which: str,
    scheme: Any,
) -> None:
    file = PUBLIC_PAGE
    if which == "report":
        file = tmp_path / "report.html"
        assert main(["report", str(SAMPLE), "--html", str(file)]) == 0
    page = chromium.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    chromium.set_offline(True)
    try:
        page.emulate_media(color_scheme=scheme)
        page.goto(file.as_uri())
        assert asked == [file.as_uri()]
        assert complaints == []
        paper = page.locator("body").evaluate("it => getComputedStyle(it).backgroundColor")
        assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 20, 20)"}[scheme]
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        text = "svg text, h1, h2, th, td, dt, dd, p, li, a, summary, footer"
        written = page.locator(text).filter(visible=True)
        assert written.evaluate_all(_CONTRAST) >= 4.5
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("document.scripts.length") == 0
        tables = page.locator("table").count()
        assert tables >= page.locator("h2").count() - (which == "public page")
    finally:
        chromium.set_offline(False)
        page.close()


def test_a_long_log_leaves_the_report_alone_in_the_notebook(
    open_notebook: Callable[..., Any], tmp_path: Path
) -> None:
    """While it is read its progress is shown, and the report takes that place."""
    log = tmp_path / "long.jsonl"
    with log.open("wb") as opened:
        for _ in range(300):
            with SAMPLE.open("rb") as sample:
                shutil.copyfileobj(sample, opened)
    notebook = open_notebook(LOAD, f"%dev_analytics report {log}", DEV_ANALYTICS="off")
    notebook.run(0)
    notebook.start(1)
    expect(notebook.below(1)).to_contain_text("records read")
    notebook.wait()
    expect(notebook.below(1)).to_contain_text("300,000")
    (output,) = notebook.saved()["cells"][1]["outputs"]
    assert set(output["data"]) == {"text/plain", "text/html"}
    assert "records read" not in json.dumps(output)
