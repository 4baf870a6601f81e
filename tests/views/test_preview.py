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
from dev_analytics.views.preview import fates, preview

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


def test_it_tells_waiting_from_sent(data: Path, until: Callable[..., None]) -> None:
    analytics = Analytics(data, strict=True)
    cell(analytics)
    analytics.gate.store.agree(1, TODAY)
    cell(analytics)
    assert [fate for fate, _ in fates(analytics)] == ["would have been sent", "waiting"]
    analytics.sink.close(at_exit=False)
    until(lambda: not Backlog(data).files())
    cell(analytics)
    assert [fate for fate, _ in fates(analytics)] == ["would have been sent", "sent", "waiting"]


def test_its_records_are_the_spool_s_and_the_log_s_bytes(data: Path, log: Any) -> None:
    analytics = Analytics(data, strict=True)
    analytics.gate.store.agree(1, TODAY)
    analytics.log_to(log.path)
    cell(analytics)
    cell(analytics)
    shown = [record for _, record in fates(analytics)]
    assert shown == list(Backlog(data).records()) == log.path.read_bytes().splitlines()
    assert all(record.decode() in preview(analytics) for record in shown)
    analytics.sink.purge()


def test_where_somebody_said_no_there_is_nothing_to_show(data: Path) -> None:
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
