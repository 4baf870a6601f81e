"""The pictures of the documents, made in a real JupyterLab by ``make images``.

Every state of the question and of the views, the public page, and a maintainer's question, in both
themes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, expect

IMAGES = Path(__file__).parents[2] / "docs" / "images"
CELLS = (
    "%load_ext dev_analytics",
    "totals = [1, 2, 3]\nsum(totals)",
    "%dev_analytics",
    "%dev_analytics preview",
)
NOTEBOOKS = IMAGES.parents[1] / "notebooks"
SAMPLE = IMAGES.parent / "sample-analytics.jsonl"
REPORT = f"%dev_analytics report {SAMPLE.name}"
NEWER = """\
from typing import Annotated
from dev_analytics.catalogue.fields import Event
from dev_analytics.catalogue.events import EVENTS
from dev_analytics.catalogue.values import Flag
class Dreamt(Event):
    'An example of an event that a later version adds.'
    wire, since = "example", 2
    vivid: Annotated[bool, Flag("An example of a property.", 2)]
EVENTS["dreamt"] = Dreamt
__import__("dev_analytics").get_analytics().gate.notice = 2
%load_ext dev_analytics"""


pytestmark = pytest.mark.usefixtures("loaded_anew")


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
        keep(page.page.locator(f".jp-Notebook {part}").nth(cell).screenshot(), f"{what}-{name}")

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
    keep(page.page.screenshot(clip=box), f"report-{name}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_picture_of_the_public_page(chromium: BrowserContext, scheme: Any) -> None:
    page = chromium.new_page()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 860, "height": 900})
    page.goto((IMAGES.parent / "public-page" / "index.html").as_uri())
    ends: Any = page.get_by_role("heading", name="Edit formats").bounding_box()
    taken = page.screenshot(clip={"x": 0, "y": 0, "width": 860, "height": ends["y"] - 40})
    keep(taken, f"public-page-{scheme}")
    page.close()


@pytest.mark.parametrize(
    ("name", "theme"), [("light", "JupyterLab Light"), ("dark", "JupyterLab Dark")]
)
def test_picture_of_a_maintainers_question(
    open_notebook: Callable[..., Any], name: str, theme: str
) -> None:
    cells = json.loads((NOTEBOOKS / "maintainer.ipynb").read_text())["cells"]
    sources = {cell["id"]: "".join(cell["source"]) for cell in cells}
    asked = [sources[cell] for cell in ("load", "draw", "models_by_week")]
    page = open_notebook(*asked, DEV_ANALYTICS="off", PYTHONPATH=str(NOTEBOOKS))
    page.page.set_viewport_size({"width": 1040, "height": 1600})
    page.page.evaluate("document.querySelector('.jp-SideBar.jp-mod-left .lm-mod-current')?.click()")
    page.use_theme(theme)
    page.run(0, 1, 2)
    expect(page.below(2).locator("img")).to_be_visible()
    page.page.mouse.move(1030, 5)
    whole = page.page.locator(".jp-Notebook .jp-Cell").nth(2)
    taken = whole.screenshot()
    box: Any = whole.bounding_box()
    ends: Any = page.below(2).locator("table tr").nth(7).bounding_box()
    keep(taken, f"question-of-a-maintainer-{name}", round(ends["y"] - box["y"]))


def keep(taken: bytes, name: str, height: int | None = None) -> None:
    """Write a picture, or its upper part, with few colours: a third of its size."""
    picture = Image.open(BytesIO(taken)).convert("RGB")
    picture = picture.crop((0, 0, picture.width, height or picture.height))
    small = picture.quantize(64, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(IMAGES / f"{name}.png", optimize=True)
