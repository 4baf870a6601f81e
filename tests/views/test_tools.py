"""Another tool's events in the views: named as its makers', with everything that they can say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest

from dev_analytics.analytics import Analytics
from dev_analytics.tools import Event, Flag, Tool, Why
from dev_analytics.tools.installed import declared
from dev_analytics.views.kinds import kinds_html, kinds_text
from dev_analytics.views.schema import named


class Opened(Event):
    """The toy was opened."""

    wire = "toy: opened"
    why = Why("To know whether it is used.")


class Closed(Event):
    """The toy was closed."""

    wire = "toy: closed"
    why = Why("To know how it ends.", well="To find faults.")

    well: Annotated[bool, Flag("It ended well.")]


@pytest.fixture
def toy() -> Iterator[Tool]:
    tool = Tool(name="toy", title="Toy", about="To improve it.", events=(Opened, Closed))
    with declared(tool):
        yield tool


@pytest.mark.usefixtures("toy")
def test_what_would_be_sent_names_the_tool_its_package_and_its_reason(
    data: Path, read_view: Callable[[str], Any]
) -> None:
    analytics = Analytics(data, strict=True)
    text = kinds_text(analytics)
    assert "Toy, by the package tests: To improve it.\n  toy: opened: The toy was opened." in text
    assert "  toy: closed: The toy was closed.\n      well\n" in text
    view = read_view(kinds_html(analytics))
    assert 'Toy, by the package tests, whose makers say: "To improve it."' in view.text
    assert "toy: opened (none yet): The toy was opened." in view.summaries
    assert ["well", "It ended well."] in view.rows


def test_a_schema_can_be_asked_for_by_the_tool_and_by_each_name_of_an_event(toy: Tool) -> None:
    assert list(named("toy")) == ["toy.opened", "toy.closed"]
    for asked in ("toy.closed", "toy: closed"):
        ((name, event),) = named(asked).items()
        assert (name, event.wire) == ("toy.closed", "toy: closed")
    assert toy.by_name.keys() <= named("").keys()
