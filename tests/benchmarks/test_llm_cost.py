"""What observing adds to a call to a language model and to the import of an SDK, in one run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
import openai
import pytest

from dev_analytics.analytics import Analytics
from dev_analytics.observers.llm import hooks

CALL_BOUND = 1.35
"""How many times the work of a call that is not observed, in all threads."""
AIM = 40
"""µs more on a machine that does nothing else."""
BLOCK = 50
IMPORT_BOUND = 1.5
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-2024-08-06",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
}
IMPORT = """
import time
{before}
begin = time.perf_counter()
import openai
print(time.perf_counter() - begin)
"""
PLAIN = """
from dev_analytics.analytics import Analytics
from dev_analytics.observers.llm import hooks
"""
LOADED = f"{PLAIN}hooks.register(Analytics(delivery=None))"


@pytest.fixture
def client() -> openai.OpenAI:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=ANSWER))
    return openai.OpenAI(api_key="k", http_client=httpx2.Client(transport=transport))


@pytest.fixture
def agreed(data: Path) -> Iterator[Analytics]:
    analytics = Analytics(data, delivery=None)
    analytics.gate.store.agree(1, date.today())
    os.utime(data / "consent", (0, 0))
    yield analytics
    hooks.unregister()


def work(ask: Callable[[], object]) -> float:
    """Make some calls, and return the µs of work of one, in all threads: waiting is none."""
    begin = time.process_time()
    for _ in range(BLOCK):
        ask()
    return (time.process_time() - begin) / BLOCK * 1e6


def test_a_call_to_a_model(client: openai.OpenAI, agreed: Analytics, figure: Any) -> None:
    def ask() -> None:
        client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "hello"}]
        )

    hooks.register(agreed)
    recorder = hooks.State.active
    ask()
    taken: dict[bool, list[float]] = {True: [], False: []}
    for number in range(40):
        for observed in (True, False) if number % 2 else (False, True):
            hooks.State.active = recorder if observed else None
            taken[observed].append(work(ask))
    assert agreed.recording.recorded["$ai_generation"] == 40 * BLOCK + 1
    assert not agreed.drops.counts

    pairs = list(zip(taken[True], taken[False], strict=True))
    more = median(one - other for one, other in pairs)
    ratio = median(one / other for one, other in pairs)
    figure(
        "a call with openai, observed",
        f"{more:.0f} µs more, {ratio:.2f}x",
        f"not observed {median(taken[False]):.0f} µs, in memory",
        f"{AIM} µs more",
    )
    assert ratio < CALL_BOUND


def test_the_import_of_an_sdk(data: Path, monkeypatch: pytest.MonkeyPatch, figure: Any) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)

    def seconds(before: str) -> float:
        program = IMPORT.format(before=before)
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
        return float(ran.stdout) * 1000

    taken: dict[str, list[float]] = {LOADED: [], PLAIN: []}
    for number in range(8):
        for before in (LOADED, PLAIN) if number % 2 else (PLAIN, LOADED):
            taken[before].append(seconds(before))
    # The quickest of each: what else the machine does only adds to them.
    observed, plain = (min(times[1:]) for times in taken.values())
    figure(
        "import openai, observed",
        f"{observed:.0f} ms, {observed / plain:.2f}x",
        f"not observed {plain:.0f} ms",
        "1.1x",
    )
    assert observed / plain < IMPORT_BOUND
