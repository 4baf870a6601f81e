"""Whatever private is asked of a model, with whichever SDK, none of it is in a record or a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_llm import MARK, FakeLLM, failure, running
from further_ways import WAYS

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.observers import hooks


@pytest.fixture
def server() -> Iterator[FakeLLM]:
    with running() as server:
        yield server


@pytest.fixture
def hooked(analytics: Analytics, log: Any) -> Iterator[Analytics]:
    """The hooks, while everything is kept that can be: records, a log, a preview."""
    analytics.gate.store.agree(NOTICE, date.today())
    hooks.register(analytics)
    yield analytics
    hooks.unregister()


def ask(name: str, server: FakeLLM) -> None:
    """Ask for an answer, a stream and a private model, and meet an error that repeats a mark."""
    way = WAYS[name]
    client = way.make(server, False)
    way.ask(client, False)
    list(way.stream(client, False))
    way.ask(client, False, model=f"{MARK}-7b")
    server.replies.append(failure(429))
    with pytest.raises(Exception, match=MARK):
        way.ask(client, False)


@pytest.mark.parametrize("name", WAYS)
def test_no_mark_is_in_any_byte_that_is_kept(
    name: str,
    server: FakeLLM,
    hooked: Analytics,
    log: Any,
    kept: Any,
    tmp_path: Path,
    everything: Callable[[Path], bytes],
) -> None:
    ask(name, server)
    hooked.pipeline.catch_up()
    calls = list(log.of("$ai_generation"))
    assert [call["$ai_is_error"] for call in calls] == [False, False, False, True]
    previewed = b"".join(each.record for each in hooked.pipeline.preview)
    found = everything(tmp_path) + previewed + b"".join(kept.records)
    assert MARK.encode() in b"".join(request.body for request in server.received)
    # Names of models are looked up in small letters.
    assert MARK.lower().encode() not in found.lower()
    assert not hooked.drops.counts
