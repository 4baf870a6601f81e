"""llama-index, in a process of its own: it asks for an older openai than the other tests have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from fake_llm import MARK, FakeLLM, failure

FOLDER = Path(sys.prefix) / "llama-index" / "site-packages"
PROGRAM = """
import asyncio, sys
from pathlib import Path
from dev_analytics.analytics import Analytics
from dev_analytics.observers import hooks

analytics = Analytics(delivery=None, strict=True)
analytics.log_to(Path(sys.argv[1]))
hooks.register(analytics)
from llama_index.core.llms import ChatMessage
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI, OpenAIResponses

mark, options = sys.argv[3], dict(api_base=sys.argv[2], api_key=sys.argv[3], max_retries=0)
messages = [ChatMessage(role="user", content=mark)]
llm = OpenAI(model="gpt-4o", **options)
{calls}
analytics.pipeline.catch_up()
assert not analytics.drops.counts, analytics.drops.counts
"""
CHAT = {"sdk": "openai", "$ai_model": "gpt-4o", "$ai_is_error": False}
COUNTED = {"$ai_input_tokens": 120, "$ai_output_tokens": 30}
FAILED = """
try:
    llm.chat(messages)
except Exception as error:
    assert "429" in str(error)
"""
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    (FAILED, {"$ai_error": "openai.RateLimitError", "$ai_http_status": 429}),
    ("llm.chat(messages)", CHAT | COUNTED),
    # It does not ask a stream of chats for its usage.
    (
        "assert list(llm.stream_chat(messages))",
        CHAT | {"$ai_input_tokens": None, "$ai_output_tokens": None},
    ),
    ("asyncio.run(llm.achat(messages))", CHAT | COUNTED),
    ("llm.complete(mark)", CHAT | COUNTED),
    (
        'OpenAIResponses(model="gpt-4o", **options).chat(messages)',
        CHAT | {"$ai_input_tokens": 220, "$ai_output_tokens": 40},
    ),
    (
        'OpenAIEmbedding(model="text-embedding-3-small", **options).get_text_embedding(mark)',
        {"operation": "embeddings", "$ai_model": "text-embedding-3-small"},
    ),
)
"""Calls, the first of which is refused, and what the record of each says."""


def test_each_call_is_one_record_of_openai(server: FakeLLM, log: Any) -> None:
    assert FOLDER.is_dir(), "llama-index is missing: run make .venv/llama-index.stamp"
    server.replies.append(failure(429))
    program = PROGRAM.format(calls="\n".join(call for call, _ in CALLS))
    done = subprocess.run(
        [sys.executable, "-c", program, str(log.path), f"{server.address}/v1", MARK],
        env={**os.environ, "PYTHONPATH": str(FOLDER)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert MARK.lower().encode() not in log.path.read_bytes().lower()
    recorded = log.of("$ai_generation", "$ai_embedding")
    assert [
        {name: record.get(name) for name in expected}
        for record, (_, expected) in zip(recorded, CALLS, strict=True)
    ] == [expected for _, expected in CALLS]
