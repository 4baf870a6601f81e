"""When a call is recorded, and under which consent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from fake_llm import MARK, FakeLLM

from dev_analytics.analytics import Analytics
from dev_analytics.consent.store import ConsentStore
from dev_analytics.drops import Drop
from dev_analytics.observers.llm import hooks

SECONDS = 240
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": MARK}]}


def client(server: FakeLLM) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.address}/v1", api_key=MARK, max_retries=0)


@pytest.fixture
def observed(analytics: Analytics) -> Iterator[Analytics]:
    """The hooks, for a user who was not asked yet."""
    hooks.register(analytics)
    yield analytics
    hooks.unregister()
    analytics.pipeline.naming.close()


def test_a_call_is_recorded_before_the_event_that_follows(
    server: FakeLLM, recorded: Any, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = client(server)
    one.chat.completions.create(**CHAT)
    assert len(recorded.calls()) == 1
    gathers, done = threading.Event(), threading.Event()

    def gather(_: float) -> None:
        gathers.set()
        done.wait(SECONDS)

    # A thread that is recording the call would not be waited for.
    monkeypatch.setattr("dev_analytics.naming.time", SimpleNamespace(sleep=gather))
    for _ in range(20):
        one.chat.completions.create(**CHAT)
        assert gathers.wait(SECONDS)
        recorded.analytics.event("command_run", command="status")
    done.set()
    assert log.events == ["$ai_generation", *["$ai_generation", "command run"] * 20]
    assert [record["properties"]["seq"] for record in log.records] == list(range(1, 42))


@pytest.mark.parametrize("who", ["this process", "another one"])
def test_a_call_after_the_yes_is_sent(
    server: FakeLLM, observed: Analytics, kept: Any, data: Path, who: str
) -> None:
    one = client(server)
    observed.event("command_run", command="status")
    store = observed.gate.store if who == "this process" else ConsentStore(data)
    store.agree(1, date.today())
    one.chat.completions.create(**CHAT)
    assert observed.pipeline.naming.settle(SECONDS)
    (record,) = kept.records
    assert b"$ai_generation" in record


@pytest.mark.parametrize("stream", [True, False])
def test_a_call_that_began_before_the_yes_never_leaves(
    server: FakeLLM,
    observed: Analytics,
    kept: Any,
    stream: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agreed = threading.Event()
    gather = SimpleNamespace(sleep=lambda _: agreed.wait(SECONDS))
    monkeypatch.setattr("dev_analytics.naming.time", gather)
    answer = client(server).chat.completions.create(**CHAT, stream=stream)
    observed.gate.store.agree(1, date.today())
    agreed.set()
    for _ in answer if stream else ():
        pass
    assert observed.pipeline.naming.settle(SECONDS)
    assert kept.records == []
    assert observed.drops.counts == {Drop.WITHHELD: 1}
