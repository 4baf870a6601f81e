"""Answers from litellm's cache; it needs packages of its proxy in the newest version."""

from __future__ import annotations

import asyncio
from typing import Any

import litellm
import pytest
from fake_llm import MARK, FakeLLM
from litellm.caching.caching import Cache
from litellm.types.caching import LiteLLMCacheType


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_a_cached_answer_is_not_a_call(
    server: FakeLLM,
    recorded: Any,
    monkeypatch: pytest.MonkeyPatch,
    asynchronous: bool,
    stream: bool,
) -> None:
    monkeypatch.setattr(litellm, "cache", Cache(type=LiteLLMCacheType.LOCAL))
    monkeypatch.setattr(litellm, "callbacks", litellm.callbacks.copy())
    asked = {
        "model": "anthropic/claude-3-5-haiku-20241022",
        "messages": [{"role": "user", "content": MARK}],
        "api_base": server.address,
        "api_key": MARK,
        "caching": True,
        "stream": stream,
    }

    async def several() -> None:
        for _ in range(3):
            answer = await litellm.acompletion(**asked)
            if stream:
                _ = [chunk async for chunk in answer]
            # The cache is filled by a task.
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                if "cache" in repr(task.get_coro()):
                    await task

    if asynchronous:
        asyncio.run(several())
    else:
        for _ in range(3):
            answer = litellm.completion(**asked)
            if stream:
                list(answer)
    assert len(server.received) == 1
    assert recorded.call()["$ai_input_tokens"] == 335
