"""Calls in a forked child, and in a process with two shells."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import openai
import pytest
from fake_llm import MARK, FakeLLM
from IPython.core.interactiveshell import InteractiveShell

from dev_analytics.analytics import get_analytics
from dev_analytics.apps.extension import load, unload
from dev_analytics.consent.store import ConsentStore

CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": MARK}]}
SECONDS = 240


def client(server: FakeLLM) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.address}/v1", api_key=MARK, max_retries=0)


def in_a_child(work: Any) -> None:
    """Run `work` in a forked child, to the end of which its finalizers belong."""
    child = os.fork()
    if child == 0:
        failed = 1
        try:
            work()
            failed = 0
        finally:
            os._exit(failed)
    assert os.waitpid(child, 0)[1] == 0


def test_a_call_of_a_forked_child_is_recorded_once(server: FakeLLM, recorded: Any) -> None:
    recorded.analytics.log_to(recorded.log.path)
    client(server).chat.completions.create(**CHAT)
    assert len(recorded.calls()) == 1

    def work() -> None:
        client(server).chat.completions.create(**CHAT)

    in_a_child(work)
    client(server).chat.completions.create(**CHAT)
    calls = recorded.calls()
    assert [call["$ai_input_tokens"] for call in calls] == [120] * 3
    assert len({call["$ai_trace_id"] for call in calls}) == 3


def test_a_stream_of_the_parent_is_not_recorded_by_its_child(
    server: FakeLLM, recorded: Any
) -> None:
    recorded.analytics.log_to(recorded.log.path)
    streams = [client(server).chat.completions.create(**CHAT, stream=True)]
    next(streams[0])

    def work() -> None:
        streams.clear()
        gc.collect()
        recorded.analytics.pipeline.catch_up()

    in_a_child(work)
    assert recorded.calls() == []
    streams.clear()
    assert len(recorded.calls()) == 1


PROGRAM = """
import gc, os, sys
from pathlib import Path
from dev_analytics.analytics import Analytics
from dev_analytics.observers import hooks

analytics = Analytics(delivery=None, strict=True)
analytics.log_to(Path({log!r}))
hooks.register(analytics)
import openai

def client():
    # One for each: two processes cannot share a connection that is kept alive.
    return openai.OpenAI(base_url={address!r}, api_key="k", max_retries=0)

def call():
    client().chat.completions.create(model="gpt-4o-2024-08-06", messages=[])

def stream():
    begun = client().chat.completions.create(model="gpt-4o-2024-08-06", messages=[], stream=True)
    next(begun)
    return begun

call()
left = stream()
child = os.fork()
call()
left = None
gc.collect()
analytics.pipeline.catch_up()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_fork_while_a_stream_is_read(server: FakeLLM, log: Any) -> None:
    program = PROGRAM.format(log=str(log.path), address=f"{server.address}/v1")
    done = subprocess.run(
        # From Python 3.12 on a fork beside threads is a warning.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [call["$ai_model"] for call in log.of("$ai_generation")] == ["gpt-4o"] * 4


@pytest.mark.parametrize("first", [0, 1])
def test_two_shells_have_one_hook_that_stays_for_the_other(
    server: FakeLLM, shell: Any, data: Path, log: Any, first: int
) -> None:
    ConsentStore(data).agree(1, date.today())
    shells = [shell, InteractiveShell()]
    for each in shells:
        load(each)
    analytics = get_analytics()
    analytics.log_to(log.path)
    one = client(server)

    def calls() -> int:
        one.chat.completions.create(**CHAT)
        return len(log.of("$ai_generation"))

    assert calls() == 1
    unload(shells.pop(first))
    assert calls() == 2
    load(shells[0])
    assert calls() == 3
    unload(shells.pop())
    assert calls() == 3
