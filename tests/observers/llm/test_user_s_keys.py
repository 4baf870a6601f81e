"""What the user hands to an SDK, and gets from it: no look-up runs a method of a key of theirs."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from fake_llm import FakeLLM
from keys import Key

from dev_analytics import Analytics
from dev_analytics.observers.llm.answers import get
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.request import begin_call
from dev_analytics.observers.llm.sdks import (
    bedrock,
    google_genai,
    huggingface,
    litellm,
    ollama,
    transformers,
)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modules of ours in whose look-ups a method of a key has run."""
    found: list[str] = []
    monkeypatch.setattr(Key, "ran", found, raising=False)
    return found


@pytest.fixture
def recorder(analytics: Analytics, recorded: Any) -> Recorder:
    return Recorder(analytics)


AWS = SimpleNamespace(
    meta=SimpleNamespace(service_model=SimpleNamespace(service_name="bedrock-runtime"))
)
MODEL: dict[str, object] = {Key("model"): "gpt-4o"}


@pytest.mark.parametrize(
    "read",
    [
        lambda recorder: google_genai._interaction((), {"request": MODEL}),
        lambda recorder: ollama._request((dict, "POST", "/api/chat"), {"json": MODEL}),
        lambda recorder: ollama._request((dict, "POST", Key("/api/chat")), {"json": MODEL}),
        lambda recorder: bedrock._begin(recorder, AWS, ("Converse", {Key("modelId"): "a"}), {}),
        lambda recorder: bedrock._watch(
            recorder.begin(bedrock.BEDROCK, "chat", ""), {Key("stream"): 1}
        ),
        lambda recorder: litellm._begun(recorder, {Key("call_type"): "completion"}),
        lambda recorder: litellm._first((), {Key("result"): 1}, "result"),
        lambda recorder: transformers._watch(
            SimpleNamespace(config=SimpleNamespace()),
            (),
            {Key("inputs"): 1},
            recorder.begin(transformers.TRANSFORMERS, "chat", ""),
            None,
        ),
        lambda recorder: get({Key("usage"): 1}, "usage"),
    ],
)
def test_an_sdk_s_arguments_and_answers(
    recorder: Recorder, ran: list[str], read: Callable[[Recorder], object]
) -> None:
    read(recorder)
    assert not ran


def test_keyword_arguments(recorded: Any, ran: list[str]) -> None:
    seen: list[object] = []

    def begin(recorder: Recorder, own: Any, args: Any, kwargs: Any) -> None:
        seen.append((kwargs.get("model"), kwargs.get("stream")))

    begin_call(begin, None, (), {Key("model"): "gpt-4o", "stream": True})
    assert seen == [(None, True)]
    assert not ran


def test_a_body_of_huggingface(
    recorder: Recorder, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = SimpleNamespace(operation="chat", call=None)
    monkeypatch.setattr(huggingface, "current_outer", lambda: outer)
    request = SimpleNamespace(json=MODEL, model="gpt2", url="")
    call = huggingface._begin(recorder, None, (request,), {})
    assert call is not None
    assert call.model == "gpt2"
    assert not ran


def test_a_body_of_openai(server: FakeLLM, recorded: Any, ran: list[str]) -> None:
    client = openai.OpenAI(base_url=f"{server.address}/v1", api_key="k", max_retries=0)
    body = {**MODEL, "messages": []}
    client.post("/chat/completions", body=body, cast_to=openai.types.chat.ChatCompletion)
    assert recorded.call()["operation"] == "chat"
    assert not ran
