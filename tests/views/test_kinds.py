"""The kinds of event: the catalogue in words, and the records of each kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev_analytics.analytics import Analytics
from dev_analytics.catalogue.events import EVENTS
from dev_analytics.catalogue.meanings import declared, sentence
from dev_analytics.consent.decision import Switch
from dev_analytics.views.kinds import MAX_IN_TEXT, kinds_html, kinds_text
from dev_analytics.views.preview import MAX_SHOWN

ReadView = Callable[[str], Any]


@pytest.fixture
def analytics(data: Path) -> Analytics:
    return Analytics(data, strict=True)


def test_before_any_record_it_shows_the_whole_catalogue(
    analytics: Analytics, read_view: ReadView
) -> None:
    view = read_view(kinds_html(analytics))
    assert view.summaries == [
        f"{event.wire} (none yet): {sentence(event)}" for event in EVENTS.values()
    ]
    assert [row for row in view.rows if row != ["property", "meaning"]] == [
        [name, kind.meaning] for event in EVENTS.values() for name, kind in declared(event).items()
    ]
    assert view.exact == []
    assert " open>" not in view.html


def test_a_kind_shows_the_values_of_its_newest_record(
    analytics: Analytics, aged: Callable[[Analytics], None], read_view: ReadView
) -> None:
    aged(analytics)
    analytics.event("cell_executed", outcome="error", duration_ms=7)
    analytics.event("cell_executed", outcome="ok", duration_ms=120)
    analytics.event("message_send", model="gpt-4o", stream=True)
    view = read_view(kinds_html(analytics))
    assert ["outcome", "How it ended.", "ok"] in view.rows
    assert ["duration_ms", "How long it ran.", "120"] in view.rows
    assert ["$ai_model", "Public name of the model.", "gpt-4o"] in view.rows
    assert ["stream", "The answer was streamed.", "true"] in view.rows
    assert ["sdk", "Client library that made it.", "not given"] in view.rows
    assert any(title.startswith("cell executed (2 in this session): ") for title in view.summaries)
    assert view.html.count(" open>") == 2


def test_as_text_it_has_every_kind_and_the_newest_exact_records(analytics: Analytics) -> None:
    text = kinds_text(analytics)
    for event in EVENTS.values():
        assert f"  {event.wire}: {sentence(event)}\n" in text
        assert ", ".join(declared(event)) in text
    assert text.endswith("There is no record of this session yet.")
    for _ in range(MAX_IN_TEXT + 1):
        analytics.event("cell_executed", outcome="ok", duration_ms=120)
    records = [kept.record.decode() for kept in analytics.pipeline.preview]
    text = kinds_text(analytics)
    assert records[0] not in text
    assert all(f"# would have been sent\n{record}" in text for record in records[1:])


def test_places_in_the_source_are_one_text(analytics: Analytics, read_view: ReadView) -> None:
    def row() -> str:
        rows = read_view(kinds_html(analytics)).rows
        return str(next(row[2] for row in rows if row[0] == "frames"))

    error = {"exception": "KeyError", "exact": True, "package": "user code", "phase": "cell"}
    analytics.event("error_raised", **error, frames=[])
    assert row() == "none"
    function = sentence.__code__
    place = ("dev_analytics.catalogue.meanings", "sentence", function.co_firstlineno + 1)
    analytics.event("error_raised", **error, frames=[place, place])
    assert row() == ", ".join([":".join(map(str, place))] * 2)


def test_a_kind_opens_to_the_exact_bytes_of_its_records_the_newest_first(
    analytics: Analytics, read_view: ReadView
) -> None:
    analytics.event("cell_executed", outcome="error", duration_ms=7)
    analytics.event("message_send", model="gpt-4o")
    analytics.event("cell_executed", outcome="ok", duration_ms=120)
    older, request, newer = (kept.record for kept in analytics.pipeline.preview)
    view = read_view(kinds_html(analytics))
    assert [text.encode() for text in view.exact] == [newer, older, request]
    assert "The exact records of cell executed, the newest first: 2" in view.summaries


def test_a_kind_with_very_many_records_opens_to_the_newest(
    analytics: Analytics, read_view: ReadView
) -> None:
    for _ in range(MAX_SHOWN + 1):
        analytics.event("cell_executed", outcome="ok", duration_ms=1)
    _, *newest = (kept.record for kept in analytics.pipeline.preview)
    view = read_view(kinds_html(analytics))
    assert [text.encode() for text in view.exact] == newest[::-1]
    assert "The exact records of cell executed, the newest first: 100 of 101" in view.summaries


def test_after_a_no_the_schema_is_still_shown(analytics: Analytics, read_view: ReadView) -> None:
    analytics.strict = False
    analytics.gate.switch = Switch(False, "a test")
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
    view = read_view(kinds_html(analytics))
    assert len(view.summaries) == len(EVENTS)
    assert "none yet" in view.summaries[1]


def test_it_says_what_every_record_also_has(analytics: Analytics, read_view: ReadView) -> None:
    shown = read_view(kinds_html(analytics)).text
    assert "These are all kinds of event" in shown
    assert "random identifier of its own, of its recording and, only once you have agreed" in shown
