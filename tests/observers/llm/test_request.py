"""The hook in a method that makes a request: a failure of ours is counted, and nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextvars import copy_context
from types import coroutine
from typing import Any

import pytest

from dev_analytics.observers import hooks
from dev_analytics.observers.llm.answers import SDK, Answer
from dev_analytics.observers.llm.call import Call
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.request import counted, observe_closing, observe_request

OURS = SDK("openai", __name__, lambda answer: Answer("gpt-4o"), "openai")


class Client:
    """An SDK's client, whose answer is the question."""

    def ask(self, question: object) -> object:
        return question

    async def ask_async(self, question: object) -> object:
        return question

    async def wait_async(self, question: object) -> object:
        await paused()
        return question


@coroutine
def paused() -> Generator[None, None, None]:
    yield


def begin(recorder: Recorder, client: object, args: Any, kwargs: Any) -> Call | None:
    return recorder.begin(OURS, "chat", args[0])


def fail(*_: object) -> None:
    raise RuntimeError("out of order")


@pytest.fixture
def failures(recorded: Any) -> Any:
    """The hooks, and how many of their failures were counted."""
    hooks.State.active = Recorder(recorded.analytics)
    return lambda: recorded.analytics.drops.counts.pop("failure inside", 0)


def test_an_answer_that_cannot_be_watched_is_the_user_s_and_one_call(
    failures: Any, recorded: Any
) -> None:
    for name in ("ask", "ask_async"):
        observe_request(Client, name, begin, fail)
    assert Client().ask("gpt-4o") == "gpt-4o"
    assert asyncio.run(Client().ask_async("gpt-4o")) == "gpt-4o"
    assert failures() == 2
    assert [call["$ai_model"] for call in recorded.calls()] == ["gpt-4o", "gpt-4o"]


def test_a_coroutine_may_be_closed_in_another_context_than_it_ran_in(failures: Any) -> None:
    observe_request(Client, "wait_async", begin, fail, announced=True)
    its, waiting = copy_context(), Client().wait_async("gpt-4o")
    its.run(waiting.send, None)
    waiting.close()
    assert failures() == 0


def test_a_stream_that_cannot_be_closed_is_left_as_it_is() -> None:
    before = dict(vars(Client))
    observe_closing(Client)
    assert dict(vars(Client)) == before


def test_what_looks_on_is_called_with_the_recorder_while_there_is_one(failures: Any) -> None:
    seen: list[Any] = []
    look = counted(lambda *given: seen.append(given))
    look(1, 2)
    assert seen == [(hooks.State.active, 1, 2)]
    counted(fail)(1)
    assert failures() == 1
    hooks.State.active = None
    look(3)
    assert len(seen) == 1
