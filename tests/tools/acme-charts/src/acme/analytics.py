"""What Acme Charts records, for those who agree."""

from __future__ import annotations

from typing import Annotated

from dev_analytics.tools import Duration, Event, Flag, Tool, Vocabulary, Why, Word

KINDS = Vocabulary("chart kinds", "bar", "line", "pie")


class ChartMade(Event):
    """A chart was drawn."""

    wire = "acme: chart made"
    why = Why(
        "To know which charts deserve work.",
        kind="Shows which kinds are used.",
        seconds="Shows which kinds are too slow.",
        titled="Shows whether titles are found.",
    )

    kind: Annotated[str, Word("Kind of chart.", (KINDS,))]
    seconds: Annotated[float, Duration("How long it took.", "s", decimals=3)]
    titled: Annotated[bool, Flag("It has a title.")]


TOOL = Tool(
    name="acme",
    title="Acme Charts",
    about="It would show its makers which charts deserve work.",
    notice=1,
    events=(ChartMade,),
)
