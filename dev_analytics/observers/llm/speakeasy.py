"""SDKs that Speakeasy generated: a stream is an object that gives what its own generator yields."""

from __future__ import annotations

from typing import Any

from dev_analytics.drops import Drop
from dev_analytics.observers.llm.method import watch
from dev_analytics.observers.llm.recorder import Call
from dev_analytics.observers.llm.streams import follow, follow_async


def watch_stream(call: Call, answer: Any) -> Any:
    """Watch a stream's own iterator for the call, which ends with it at the latest."""
    if not call.stream or not hasattr(answer, "generator"):
        return watch(call, answer)
    try:
        chunks = answer.generator
        answer.generator = (follow_async if hasattr(chunks, "__anext__") else follow)(call, chunks)
        call.recorder.hold(answer, call)
    except Exception:
        call.recorder.drops.count(Drop.FAILURE)
        call.end()
    return answer
