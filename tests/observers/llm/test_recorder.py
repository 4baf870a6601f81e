"""When a call is recorded, and under which consent."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import openai
import pytest
from fake_llm import MARK, FakeLLM

from dev_analytics.analytics import Analytics
from dev_analytics.consent.store import ConsentStore
from dev_analytics.observers import hooks

CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": MARK}]}


def client(server: FakeLLM) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.address}/v1", api_key=MARK, max_retries=0)


@pytest.fixture
def observed(analytics: Analytics) -> Iterator[Analytics]:
    """The hooks, for a user who was not asked yet."""
    hooks.register(analytics)
    yield analytics
    hooks.unregister()


def test_a_call_is_recorded_when_it_is_over(server: FakeLLM, recorded: Any, log: Any) -> None:
    one = client(server)
    for number in range(1, 21):
        one.chat.completions.create(**CHAT)
        assert len(log.of("$ai_generation")) == number
        recorded.analytics.event("command_run", command="status")
    assert log.events == ["$ai_generation", "command run"] * 20
    assert [record["properties"]["seq"] for record in log.records] == list(range(1, 41))


def test_no_thread_and_no_process_is_started_for_it(server: FakeLLM, recorded: Any) -> None:
    one = client(server)
    # Only what is started from here on: the SDK starts some of its own with the first call.
    one.chat.completions.create(**CHAT)
    begun = []

    def audit(event: str, _: object) -> None:
        if event in ("_thread.start_new_thread", "os.posix_spawn", "os.fork", "subprocess.Popen"):
            begun.append((threading.get_ident(), event))

    sys.addaudithook(audit)
    one.chat.completions.create(**CHAT)
    here = [event for thread, event in begun if thread == threading.get_ident()]
    assert here == []
    assert len(recorded.calls()) == 2


def test_abandoned_streams_are_recorded_in_order_before_the_next_event(
    server: FakeLLM, recorded: Any, log: Any
) -> None:
    """Garbage may be collected while a lock of ours is held, so it only waits to be recorded."""
    one = client(server)
    streams = [one.chat.completions.create(**CHAT, stream=True) for _ in range(3)]
    for stream in streams:
        next(stream)
    formats = ("diff", "whole", "udiff")
    for stream, _ in zip(streams, formats, strict=True):
        stream.response.close()
    while streams:
        del stream
        stream = streams.pop(0)
    del stream
    gc.collect()
    assert log.of("$ai_generation") == []
    recorded.analytics.event("command_run", command="status")
    assert log.events == [*["$ai_generation"] * 3, "command run"]
    assert not recorded.analytics.drops.counts


def test_a_stream_collected_while_the_spool_is_locked_waits_for_no_lock(
    server: FakeLLM, observed: Analytics, kept: Any
) -> None:
    observed.gate.store.agree(1, date.today())
    stream: Any = client(server).chat.completions.create(**CHAT, stream=True)
    next(stream)
    accept = kept.accept
    busy: list[Any] = []

    def collecting(record: bytes, user_id: str, recipient: str) -> None:
        nonlocal stream
        assert not busy, "one record is written in the midst of another"
        busy.append(True)
        stream = None
        gc.collect()
        accept(record, user_id, recipient)
        busy.clear()

    kept.accept = collecting
    observed.event("command_run", command="status")
    assert [b"command run" in record for record in kept.records] == [True]
    observed.event("command_run", command="status")
    assert [b"$ai_generation" in record for record in kept.records] == [False, True, False]


def test_finalizers_of_the_user_s_keep_their_order(
    server: FakeLLM, recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first `weakref.finalize` of a process says when all of them come, the user's too."""
    monkeypatch.setattr(weakref.finalize, "_registered_with_atexit", False)
    stream: Any = client(server).chat.completions.create(**CHAT, stream=True)
    next(stream)
    assert not vars(weakref.finalize)["_registered_with_atexit"]
    stream.close()


@pytest.mark.parametrize("who", ["this process", "another one"])
def test_a_call_after_the_yes_is_sent(
    server: FakeLLM, observed: Analytics, kept: Any, data: Path, who: str
) -> None:
    one = client(server)
    observed.event("command_run", command="status")
    store = observed.gate.store if who == "this process" else ConsentStore(data)
    store.agree(1, date.today())
    one.chat.completions.create(**CHAT)
    observed.pipeline.catch_up()
    (record,) = kept.records
    assert b"$ai_generation" in record


@pytest.mark.parametrize("end", ["read", "left"])
def test_a_call_that_began_before_the_yes_never_leaves(
    server: FakeLLM, observed: Analytics, kept: Any, end: str
) -> None:
    answer: Any = client(server).chat.completions.create(**CHAT, stream=True)
    next(answer)
    observed.gate.store.agree(1, date.today())
    if end == "read":
        list(answer)
    else:
        answer = None
        gc.collect()
        observed.pipeline.catch_up()
    assert kept.records == []
    assert not observed.drops.counts, "it never was a record"


def test_an_event_by_hand_names_the_model_and_its_provider(analytics: Analytics, log: Any) -> None:
    analytics.event("message_send", model="openai/gpt-4o-2024-08-06")
    (request,) = log.of("$ai_generation")
    assert (request["$ai_model"], request["$ai_provider"]) == ("gpt-4o", "openai")


def test_an_event_by_hand_names_the_base_of_a_fine_tuned_model(
    analytics: Analytics, log: Any
) -> None:
    analytics.event("message_send", model="ft:gpt-4o-mini-2024-07-18:acme::Xanadu7")
    (request,) = log.of("$ai_generation")
    assert (request["$ai_model"], request["fine_tuned"]) == ("gpt-4o-mini", True)
    assert b"xanadu7" not in log.path.read_bytes().lower()
