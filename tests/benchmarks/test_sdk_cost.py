"""What observing adds to a call with an SDK that makes its requests in a way of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import boto3
import httpx2
import huggingface_hub
import pytest

from dev_analytics.analytics import Analytics
from dev_analytics.observers.llm import hooks

CALL_BOUND = 2.5
"""How many times the work of a call that is not observed: here without that of HTTP."""
AIM = 40
"""µs more on a machine that does nothing else."""
BLOCK = 30
SAID = {"role": "user", "content": "hello"}
CHAT = {
    "id": "c",
    "created": 1,
    "model": "Qwen/Qwen3-14B",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
}


def ask_huggingface(monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    def make() -> httpx2.Client:
        transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=CHAT))
        return httpx2.Client(transport=transport)

    huggingface_hub.set_client_factory(make)
    client = huggingface_hub.InferenceClient(base_url="http://127.0.0.1", token="k")
    return lambda: client.chat_completion([SAID], model="Qwen/Qwen3-14B")


def ask_bedrock(monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    client = boto3.client(
        "bedrock-runtime",
        region_name="eu-central-1",
        aws_access_key_id="k",
        aws_secret_access_key="k",
    )
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
        "usage": {"inputTokens": 12, "outputTokens": 5, "totalTokens": 17},
    }
    # Nothing is signed or sent: what is left is less than a real call's work.
    client.meta.events.register(
        "before-call.bedrock-runtime.Converse",
        lambda **_: (SimpleNamespace(status_code=200), answer),
    )
    asked = [{"role": "user", "content": [{"text": "hello"}]}]
    return lambda: client.converse(modelId="amazon.nova-lite-v1:0", messages=asked)


ASKS = {"huggingface_hub": ask_huggingface, "boto3": ask_bedrock}


@pytest.fixture
def agreed(data: Path) -> Iterator[Analytics]:
    analytics = Analytics(data, delivery=None)
    analytics.gate.store.agree(1, date.today())
    os.utime(data / "consent", (0, 0))
    yield analytics
    hooks.unregister()
    huggingface_hub.set_client_factory(huggingface_hub.utils._http.default_client_factory)


def work(ask: Callable[[], object]) -> float:
    """Make some calls, and return the µs of work of one, in all threads: waiting is none."""
    begin = time.process_time()
    for _ in range(BLOCK):
        ask()
    return (time.process_time() - begin) / BLOCK * 1e6


@pytest.mark.parametrize("name", ASKS)
def test_a_call_to_a_model(
    name: str, agreed: Analytics, monkeypatch: pytest.MonkeyPatch, figure: Any
) -> None:
    ask = ASKS[name](monkeypatch)
    hooks.register(agreed)
    recorder = hooks.State.active
    ask()
    taken: dict[bool, list[float]] = {True: [], False: []}
    for number in range(30):
        for observed in (True, False) if number % 2 else (False, True):
            hooks.State.active = recorder if observed else None
            taken[observed].append(work(ask))
    assert agreed.recording.recorded["$ai_generation"] == 30 * BLOCK + 1
    assert not agreed.drops.counts

    pairs = list(zip(taken[True], taken[False], strict=True))
    more = median(one - other for one, other in pairs)
    ratio = median(one / other for one, other in pairs)
    figure(
        f"a call with {name}, observed",
        f"{more:.0f} µs more, {ratio:.2f}x",
        f"not observed {median(taken[False]):.0f} µs, in memory",
        f"{AIM} µs more",
    )
    assert ratio < CALL_BOUND
