"""The preview: exact records, and what became of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from dev_analytics.analytics import Analytics
from dev_analytics.consent.decision import Switch
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.pipeline import MAX_PREVIEWED, Previewed
from dev_analytics.views.preview import MAX_SHOWN, fates, preview, preview_html

TODAY = date(2026, 11, 22)


def cell(analytics: Analytics) -> None:
    analytics.event("cell_executed", outcome="ok", duration_ms=1)


def test_before_an_answer_it_shows_what_would_have_been_sent(data: Path) -> None:
    analytics = Analytics(data, strict=True)
    cell(analytics)
    mark, record = preview(analytics).splitlines()
    assert mark == "# would have been sent"
    assert json.loads(record)["distinct_id"] is None
    assert not data.exists(), "to look is no yes"


def test_waiting_records_are_distinguished_from_sent_ones(
    data: Path, until: Callable[..., None]
) -> None:
    analytics = Analytics(data, strict=True)
    cell(analytics)
    assert [fate for fate, _ in fates(analytics)] == ["would have been sent"]
    analytics.gate.store.agree(1, TODAY)
    cell(analytics)
    assert [fate for fate, _ in fates(analytics)] == ["waiting"], "the rehearsal is over"
    analytics.pipeline.sink.close(at_exit=False)
    until(lambda: not Backlog(data).files())
    cell(analytics)
    assert [fate for fate, _ in fates(analytics)] == ["sent", "waiting"]


def test_the_preview_has_the_same_bytes_as_spool_and_log(data: Path, log: Any) -> None:
    analytics = Analytics(data, strict=True)
    analytics.gate.store.agree(1, TODAY)
    analytics.log_to(log.path)
    cell(analytics)
    cell(analytics)
    shown = [record for _, record in fates(analytics)]
    assert shown == list(Backlog(data).records()) == log.path.read_bytes().splitlines()
    assert all(record.decode() in preview(analytics) for record in shown)
    analytics.pipeline.sink.purge()


def test_after_a_no_the_preview_is_empty(data: Path) -> None:
    analytics = Analytics(data)
    analytics.gate.switch = Switch(False, "a test")
    cell(analytics)
    assert preview(analytics) == (
        "No records in this session. Analytics are off: switched off for this session by a test."
    )
    analytics.gate.switch = None
    analytics.gate.store.agree(1, TODAY)
    assert preview(analytics) == "No records in this session."


def test_the_magic_shows_it_in_a_kernel(kernel: Callable[..., Any]) -> None:
    notebook = kernel()
    notebook.run("%load_ext dev_analytics")
    notebook.run("1")
    shown = notebook.run("%dev_analytics preview").text
    assert '"event": "launched"' in shown
    assert '"event": "cell executed"' in shown
    assert shown.count("# would have been sent") == 2


def test_a_notebook_has_a_row_for_each_record_the_newest_first(
    data: Path, aged: Callable[[Analytics], None], read_view: Callable[..., Any]
) -> None:
    analytics = Analytics(data, strict=True)
    analytics.gate.store.agree(1, TODAY)
    aged(analytics)
    cell(analytics)
    analytics.event("message_send", model="gpt-4o", stream=False)
    times = [json.loads(record)["timestamp"][11:19] for _, record in fates(analytics)]
    view = read_view(preview_html(analytics))
    assert view.rows[1:] == [
        ["2", "$ai_generation", "waiting", times[1], "$ai_model: gpt-4o, stream: false"],
        ["1", "cell executed", "waiting", times[0], "outcome: ok, duration_ms: 1"],
    ]
    assert view.scopes == ["col"] * 5 + ["row"] * 2
    assert view.labels == ["Records of this session"]
    assert "Records of this session, the newest first: 2" in view.text
    analytics.pipeline.sink.purge()


def test_each_row_opens_to_the_exact_bytes(data: Path, read_view: Callable[..., Any]) -> None:
    analytics = Analytics(data, strict=True)
    for milliseconds in range(3):
        analytics.event("cell_executed", outcome="ok", duration_ms=milliseconds)
    hostile = b'{"event": "cell executed", "uuid": "\xc3\xa9</pre><b>&amp;  \\n\'", '
    hostile += b'"timestamp": "", "properties": {"seq": 4, "outcome": "<script>"}}'
    analytics.pipeline.preview.append(Previewed((hostile, False)))
    view = read_view(preview_html(analytics))
    assert [text.encode() for text in view.exact] == [
        kept.record for kept in reversed(analytics.pipeline.preview)
    ]
    assert view.summaries[0] == "outcome: <script>"


def test_a_record_without_properties_of_its_own_can_be_opened_too(
    data: Path, read_view: Callable[..., Any]
) -> None:
    analytics = Analytics(data, strict=True)
    analytics.event("message_send")
    assert read_view(preview_html(analytics)).summaries == ["no properties of its own"]


def test_a_notebook_shows_the_newest_hundred_and_mentions_the_rest(
    data: Path, read_view: Callable[..., Any]
) -> None:
    analytics = Analytics(data, strict=True)
    for _ in range(MAX_PREVIEWED):
        cell(analytics)
    html = preview_html(analytics)
    view = read_view(html)
    assert len(html) < 200_000
    assert [row[0] for row in view.rows[1:]] == [str(1000 - n) for n in range(MAX_SHOWN)]
    assert "the newest first: 100. 900 older ones are not shown here." in view.text
    assert "%dev_analytics log FILE" in view.text
    text = preview(analytics, MAX_SHOWN)
    assert text.startswith("# 900 older ones are not shown here.")
    assert text.count("# would have been sent") == MAX_SHOWN
    assert preview(analytics).count("# would have been sent") == MAX_PREVIEWED


def test_a_notebook_says_that_there_is_nothing(data: Path, read_view: Callable[..., Any]) -> None:
    analytics = Analytics(data)
    analytics.gate.switch = Switch(False, "<b>a test</b>")
    cell(analytics)
    view = read_view(preview_html(analytics))
    assert view.text.strip() == preview(analytics)
    assert "<b>a test</b>" in view.text
