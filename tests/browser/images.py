"""The pictures of the documents, made in a real JupyterLab by ``make images``.

Every state of the question and of the views, in both themes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

IMAGES = Path(__file__).parents[2] / "docs" / "images"
CELLS = (
    "%load_ext dev_analytics",
    "totals = [1, 2, 3]\nsum(totals)",
    "%dev_analytics",
    "%dev_analytics preview",
)
SAMPLE = IMAGES.parent / "sample-analytics.jsonl"
REPORT = f"%dev_analytics report {SAMPLE.name}"
NEWER = """\
from typing import Annotated
from dev_analytics.catalogue.events import EVENTS, Event
from dev_analytics.catalogue.values import Flag
class Dreamt(Event, frozen=True):
    'An example of an event that a later version adds.'
    wire, since = "example", 2
    vivid: Annotated[bool, Flag("An example of a property.", 2)]
EVENTS["dreamt"] = Dreamt
__import__("dev_analytics").get_analytics().gate.notice = 2
%load_ext dev_analytics"""


@pytest.fixture
def front_end() -> str:
    return "lab"


@pytest.mark.parametrize(
    ("name", "theme"), [("light", "JupyterLab Light"), ("dark", "JupyterLab Dark")]
)
def test_pictures(open_notebook: Callable[..., Any], name: str, theme: str) -> None:
    usual = Path.home() / ".local" / "share" / "dev-analytics"
    own = {"DEV_ANALYTICS_DIR": str(usual), "DEV_ANALYTICS_LOG": ""}
    page = open_notebook(*CELLS, **own)
    page.page.set_viewport_size({"width": 1280, "height": 1300})
    page.page.evaluate("document.querySelector('.jp-SideBar.jp-mod-left .lm-mod-current')?.click()")
    page.use_theme(theme)
    page.run(0)
    expect(page.question).to_have_count(1)

    def picture(what: str, cell: int, part: str = ".jp-Cell") -> None:
        page.page.mouse.move(1270, 5)
        path = IMAGES / f"{what}-{name}.png"
        page.page.locator(f".jp-Notebook {part}").nth(cell).screenshot(path=path)

    picture("question", 0)
    page.button("See what would be sent").click()
    expect(page.button("Hide what would be sent")).to_be_visible()
    expect(page.below(0)).to_contain_text("launched")
    picture("records", 0)
    page.button("Yes").click()
    expect(page.question).to_have_count(0)
    picture("answered", 0)
    page.run(1, 2, 3)
    expect(page.below(3)).to_contain_text("Records of this session")
    picture("status", 2)
    page.below(3).locator("summary").first.click()
    picture("preview", 3)
    newer = open_notebook(NEWER, **own)
    newer.page.set_viewport_size({"width": 1280, "height": 900})
    page = newer
    page.run(0)
    expect(page.question).to_have_count(1)
    picture("newer", 0, ".jp-Cell-outputWrapper")


@pytest.mark.parametrize(
    ("name", "theme"), [("light", "JupyterLab Light"), ("dark", "JupyterLab Dark")]
)
def test_picture_of_the_report(open_notebook: Callable[..., Any], name: str, theme: str) -> None:
    page = open_notebook("%load_ext dev_analytics", REPORT, DEV_ANALYTICS="off")
    shutil.copy(SAMPLE, page.file.parent)
    page.page.set_viewport_size({"width": 1240, "height": 2400})
    page.page.evaluate("document.querySelector('.jp-SideBar.jp-mod-left .lm-mod-current')?.click()")
    page.use_theme(theme)
    page.run(0, 1)
    expect(page.below(1)).to_contain_text("Gaps and drops")
    page.page.mouse.move(1230, 5)
    box: Any = page.page.locator(".jp-Notebook .jp-Cell").nth(1).bounding_box()
    ends: Any = page.below(1).get_by_text("Errors", exact=True).first.bounding_box()
    box["height"] = ends["y"] - box["y"] - 8
    page.page.screenshot(path=IMAGES / f"report-{name}.png", clip=box)
