"""What an event of another tool costs: as much as one of the core's with the same properties."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.catalogue.events import OUTCOMES
from dev_analytics.tools import Duration, Event, Tool, Vocabulary, Why, Word
from dev_analytics.tools.installed import declared
from dev_analytics.tools.terms import scope_of

BOUND = 1.6


class Done(Event):
    """Something was done."""

    wire = "toy: done"
    why = Why("To know it.", outcome="How.", duration_ms="How long.")

    outcome: Annotated[str, Word("How.", (Vocabulary("outcomes", *OUTCOMES.words),))]
    duration_ms: Annotated[int, Duration("How long.", "ms")]


def test_an_event_of_a_tool_against_one_of_the_core(
    data: Path, in_turns: Callable[..., Any], figure: Callable[..., None]
) -> None:
    toy = Tool(name="toy", title="Toy", about="To know it.", events=(Done,))
    analytics = Analytics(data, delivery=None, strict=True)
    with declared(toy) as installed:
        analytics.gate.store.agree(NOTICE, date.today(), {installed.key: scope_of(toy)})
        a_while_ago = time.time() - 60
        os.utime(data / "consent", (a_while_ago, a_while_ago))
        pair = in_turns(
            lambda: analytics.event("toy.done", outcome="ok", duration_ms=120),
            lambda: analytics.event("cell_executed", outcome="ok", duration_ms=120),
            rounds=200,
            loops=50,
        )
    assert set(analytics.recording.recorded) == {"toy: done", "cell executed"}
    figure("event of another tool", f"{pair.first:.1f} µs, {pair.ratio:.2f}x", "core event", "1.1x")
    assert pair.ratio < BOUND
