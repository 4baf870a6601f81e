"""Calls that DSPy makes with its own client; those through litellm are recorded there.

An engine's public method calls `_target`, which looks up the provider; the request goes out then.
An attempt that fails earlier, for example for want of a key, makes no request and is not recorded.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.answers import SDK, Answer, get, text
from dev_analytics.observers.llm.method import begins, observe, request_of
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.request import call_being_made, counted, observe_result
from dev_analytics.observers.llm.streams import observe_lazy_stream

MODULES: Final = ("dspy.clients.engines.lm15_engine",)
COVERS: Final = ("dspy", "3.4", "3.4", "calls through DSPy's own client")


def read(answer: Any) -> Answer:
    """Return the content of an answer or a stream event."""
    usage = get(answer, "usage")
    return Answer(
        get(answer, "model"),
        get(usage, "input_tokens"),
        get(usage, "output_tokens"),
        cache_read_input_tokens=get(usage, "cache_read_tokens"),
        cache_write_input_tokens=get(usage, "cache_write_tokens"),
        reasoning_output_tokens=get(usage, "reasoning_tokens"),
    )


def _read_anthropic(answer: Any) -> Answer:
    """Return the content where the input count excludes cached tokens."""
    found = read(answer)
    cached = (found.cache_read_input_tokens, found.cache_write_input_tokens)
    return found._replace(input_tokens=(found.input_tokens, *cached))


def _read_separately(answer: Any) -> Answer:
    """Return the content where the output count excludes reasoning."""
    found = read(answer)
    return found._replace(output_tokens=(found.output_tokens, found.reasoning_output_tokens))


DSPY: Final = SDK("dspy", "dspy", read)
_SDKS: Final = {
    f"{prefix}{name}": DSPY._replace(read=reader)
    for prefix in ("", "Async")
    for name, reader in {
        "AnthropicLM": _read_anthropic,
        "GeminiLM": _read_separately,
        "XaiLM": _read_separately,
    }.items()
}
"""The readers of DSPy's classes whose counts are not those of `read`."""


def hook(module: ModuleType) -> None:
    """Install the hooks."""
    observe_result(module._Routing, "_target", _found)  # the base of both engines
    for engine in (module.LM15Engine, module.AsyncLM15Engine):
        observe(DSPY, engine, "complete", request_of("chat"), announced=True)
        observe_lazy_stream(engine, "stream", begins(DSPY, request_of("chat", stream=True)))


@counted
def _found(recorder: Recorder, engine: Any, target: Any, *arguments: Any) -> None:
    """Note the client that serves the model, to which the request goes out now."""
    lm, request = target
    call = call_being_made()
    if call is not None:
        names = [cls.__name__ for cls in type(lm).__mro__]
        call.sdk = next((_SDKS[name] for name in names if name in _SDKS), DSPY)
        call.model, call.address = text(request.model), lm.base_url
        call.unsent = False
        call.restart()
