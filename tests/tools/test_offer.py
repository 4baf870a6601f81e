"""What a question says about another tool, in our words."""

from __future__ import annotations

from typing import Annotated

import pytest

from dev_analytics.tools import (
    UNSET,
    Count,
    Duration,
    Event,
    Flag,
    Tool,
    UnsetType,
    Version,
    Vocabulary,
    Why,
    Word,
)
from dev_analytics.tools.offer import offer_line
from dev_analytics.tools.terms import scope_of

WHY = Why("To know it.", kind="Which.", rows="How many.", seconds="How long.", well="How.")


class Made(Event):
    """A chart was made."""

    wire = "toy: made"
    why = WHY

    kind: Annotated[str, Word("Kind.", (Vocabulary("kinds", "bar", "line"),))]
    rows: Annotated[int, Count("Rows.", "rows", most=10)]
    seconds: Annotated[float, Duration("Time.", "s", decimals=2)]
    well: Annotated[bool, Flag("It went well.")]


class MadeMore(Event):
    """A chart was made and shown."""

    wire = "toy: made"
    why = WHY

    kind: Annotated[str, Word("Kind.", (Vocabulary("kinds", "bar", "line", "pie", "press"),))]
    rows: Annotated[int, Count("Rows of it.", "rows", most=20)]
    seconds: Annotated[float, Duration("Time.", "s", decimals=3)]
    well: Annotated[bool | UnsetType, Flag("It went well.")] = UNSET


class MadeInDetail(Event):
    """A chart was made."""

    wire = "toy: made"
    why = Why("To know it.", shape="Which.", version="Which.", **WHY.properties)

    kind: Annotated[str, Word("Kind.", (Vocabulary("kinds", "bar", "line"),))]
    rows: Annotated[int, Count("Rows.", "rows", most=10)]
    seconds: Annotated[float, Duration("Time.", "s", decimals=2)]
    well: Annotated[bool, Flag("It went well.")]
    shape: Annotated[str | UnsetType, Word("Shape.", (Vocabulary("shapes", "flat", "round"),))] = (
        UNSET
    )
    version: Annotated[str | UnsetType, Version("Version.", distribution="toy")] = UNSET


class MadeWithOrders(Event):
    """A chart was made."""

    wire = "toy: made"
    why = WHY

    kind: Annotated[str, Word("Kind.", (Vocabulary("kinds", "bar", "line", "visit"),))]
    rows: Annotated[int, Count("Rows.", "rows", most=10)]
    seconds: Annotated[float, Duration("Time.", "s", decimals=2)]
    well: Annotated[bool, Flag("It went well.")]


class Opened(Event):
    """It was opened."""

    wire = "toy: opened"
    why = Why("To know it.")


def toy(*events: type[Event]) -> Tool:
    return Tool(name="toy", title="Toy", about="To know it.", events=events)


def wanted(tool: Tool, before: Tool | None = None) -> str:
    """What the tool would also like to record, as its question says it."""
    text = offer_line(tool, "toy-package", scope_of(before) if before is not None else None)
    begin = "Toy, by the package toy-package, would also like to record: "
    end = ". %dev_analytics schema toy shows all of it."
    assert text.startswith(begin)
    assert text.endswith(end)
    return text.removeprefix(begin).removesuffix(end)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ((Opened,), '"opened", without properties'),
        ((Made,), '"made", with 4 properties and 2 possible words'),
        ((Made, Opened), '"made"; "opened", with 4 properties and 2 possible words'),
    ],
)
def test_a_new_tool_is_asked_about_with_all_its_events(
    events: tuple[type[Event], ...], said: str
) -> None:
    assert wanted(toy(*events)) == said


def test_a_question_about_a_known_tool_names_exactly_what_it_adds() -> None:
    assert wanted(toy(Made, Opened), toy(Made)) == '"opened"'
    assert wanted(toy(MadeMore), toy(Made)).split("; ") == [
        '"made" with another meaning',
        '"made", kind with the words "pie" and 1 more',
        '"made", rows with another meaning',
        '"made", rows (a number up to 20)',
        '"made", seconds (a time with 3 decimals)',
        '"made", well, which may be left out',
    ]
    assert wanted(toy(MadeMore), toy(Opened)) == '"made"'
    assert wanted(toy(MadeInDetail), toy(Made)) == (
        '"made", shape (one of 2 words); "made", version (a version)'
    )


def test_a_word_that_would_instruct_the_reader_is_only_counted() -> None:
    assert wanted(toy(MadeWithOrders), toy(Made)) == '"made", kind with 1 more word'
