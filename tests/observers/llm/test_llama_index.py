"""llama-index, in a process of its own: it asks for an older openai than the other tests have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_llm import MARK, FakeLLM, failure

FOLDER = Path(sys.prefix) / "llama-index" / "site-packages"
PROGRAM = """
import asyncio, sys
from pathlib import Path
from dev_analytics.analytics import Analytics
from dev_analytics.observers.llm import hooks

analytics = Analytics(delivery=None, strict=True)
analytics.log_to(Path(sys.argv[1]))
hooks.register(analytics)
from llama_index.core.llms import ChatMessage
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI, OpenAIResponses

mark, options = sys.argv[3], dict(api_base=sys.argv[2], api_key=sys.argv[3], max_retries=0)
messages = [ChatMessage(role="user", content=mark)]
llm = OpenAI(model="gpt-4o", **options)
{call}
analytics.pipeline.catch_up()
assert not analytics.drops.counts, analytics.drops.counts
"""
CALLS = {
    "chat": "llm.chat(messages)",
    "chat, streamed": "assert list(llm.stream_chat(messages))",
    "chat, asynchronous": "asyncio.run(llm.achat(messages))",
    "completion of a chat model": "llm.complete(mark)",
    "responses": 'OpenAIResponses(model="gpt-4o", **options).chat(messages)',
}


def record(server: FakeLLM, log: Any, call: str) -> dict[str, Any]:
    """Make a call in a process of its own, and give the properties of the only record."""
    assert FOLDER.is_dir(), "llama-index is missing: run make .venv/llama-index.stamp"
    done = subprocess.run(
        [
            *(sys.executable, "-c", PROGRAM.format(call=call), str(log.path)),
            *(f"{server.address}/v1", MARK),
        ],
        env={**os.environ, "PYTHONPATH": str(FOLDER)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert MARK.lower().encode() not in log.path.read_bytes().lower()
    (request,) = log.of("$ai_generation", "$ai_embedding")
    assert isinstance(request, dict)
    return request


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_one_record_of_openai(server: FakeLLM, log: Any, name: str) -> None:
    told = record(server, log, CALLS[name])
    assert (told["sdk"], told["$ai_model"], told["$ai_is_error"]) == ("openai", "gpt-4o", False)
    counted = told.get("$ai_input_tokens"), told.get("$ai_output_tokens")
    # It does not ask a stream of chats for its usage.
    expected = {"chat, streamed": (None, None), "responses": (220, 40)}
    assert counted == expected.get(name, (120, 30))


def test_an_embedding_is_one_record(server: FakeLLM, log: Any) -> None:
    call = 'OpenAIEmbedding(model="text-embedding-3-small", **options).get_text_embedding(mark)'
    told = record(server, log, call)
    assert (told["operation"], told["$ai_model"]) == ("embeddings", "text-embedding-3-small")


def test_an_error_is_one_record(server: FakeLLM, log: Any) -> None:
    server.replies.append(failure(429))
    told = record(
        server,
        log,
        "try: llm.chat(messages)\nexcept Exception as error: assert '429' in str(error)",
    )
    assert (told["$ai_error"], told["$ai_http_status"]) == ("openai.RateLimitError", 429)
