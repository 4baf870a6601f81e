"""What PostHog makes of a call: its rules in our words, fed by the hooks in the real SDKs.

Whatever the SDK, PostHog must come to the tokens that the provider counted, and to no price for a
model that runs on the user's own machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import anthropic
import ollama
import openai
import pytest
from google import genai
from google.genai import types

from dev_analytics.catalogue.costs import counted_output, prices
from dev_analytics.catalogue.events import MODELS

SAID: Any = [{"role": "user", "content": "hello"}]
PRICED = re.compile(r"gpt|claude|gemini|llama|text-embedding")
"""Models that PostHog knows a price of, hosted somewhere."""


class Billed(NamedTuple):
    """What PostHog would put on the bill: tokens of each kind, or no price at all."""

    fresh: int
    cached: int
    written: int
    received: int
    costs: bool


def billed(properties: Mapping[str, Any]) -> Billed:
    """Add up as PostHog does.

    Cached tokens are part of the input unless that is said to be exclusive. Reasoning is added to
    the output of Gemini 2.5 and 3. A pair of prices in the record beats the price of the model.
    """
    model = properties["$ai_model"].lower()
    cached = properties.get("$ai_cache_read_input_tokens", 0)
    written = properties.get("$ai_cache_creation_input_tokens", 0)
    fresh = properties["$ai_input_tokens"]
    assert properties["$ai_cache_reporting_exclusive"] is False
    fresh -= cached + written
    received = properties.get("$ai_output_tokens", 0)
    if re.match(r"gemini-2\.5-|gemini-3(\.\d+)?-", model):
        received += properties.get("$ai_reasoning_tokens", 0)
    said = [properties.get(f"$ai_{kind}_token_price") for kind in ("input", "output")]
    costs = any(said) if None not in said else bool(PRICED.search(model))
    return Billed(fresh, cached, written, received, costs)


def ask_openai(address: str) -> None:
    client = openai.OpenAI(api_key="none", base_url=f"{address}/v1", max_retries=0)
    client.chat.completions.create(model="gpt-4o", messages=SAID)


def ask_anthropic(address: str) -> None:
    client = anthropic.Anthropic(api_key="none", base_url=address, max_retries=0)
    client.messages.create(model="claude-sonnet-4-5", max_tokens=9, messages=SAID)


def ask_google(address: str) -> None:
    client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=address))
    client.models.generate_content(model="gemini-2.5-flash", contents="hello")


def ask_google_before_it_reasoned(address: str) -> None:
    client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=address))
    client.models.generate_content(model="gemini-2.0-flash", contents="hello")


def ask_ollama(address: str) -> None:
    ollama.Client(address).chat("llama3.2:1b", SAID)


def ask_a_server_of_one_s_own(address: str) -> None:
    client = openai.OpenAI(api_key="none", base_url=f"{address}/v1", max_retries=0)
    client.chat.completions.create(model="llama3.2:1b", messages=SAID)


HOSTED = {
    ask_openai: (20, 100, 0),
    ask_anthropic: (20, 200, 115),
    ask_google: (20, 100, 0),
    ask_google_before_it_reasoned: (20, 100, 0),
}
"""What the server counts of the input: fresh, read from its cache, written to it."""
OWN: list[Any] = [ask_ollama, ask_a_server_of_one_s_own]


def asked(recorded: Any, ask: Any, server: Any) -> Billed:
    ask(server.address)
    (call,) = recorded.calls()
    return billed(call)


@pytest.mark.parametrize("ask", HOSTED, ids=lambda ask: ask.__name__)
def test_a_hosted_model_is_billed_by_what_its_provider_counted(
    recorded: Any, server: Any, ask: Any
) -> None:
    bill = asked(recorded, ask, server)
    assert (bill.fresh, bill.cached, bill.written) == HOSTED[ask]
    assert bill.received == 30
    assert bill.costs


@pytest.mark.parametrize("ask", OWN, ids=lambda ask: ask.__name__)
def test_a_local_model_costs_nothing(recorded: Any, server: Any, ask: Any) -> None:
    bill = asked(recorded, ask, server)
    assert bill.received == 30
    assert not bill.costs


def test_embeddings_are_posthog_s_event_for_them(recorded: Any, server: Any, log: Any) -> None:
    client = openai.OpenAI(api_key="none", base_url=f"{server.address}/v1", max_retries=0)
    client.embeddings.create(model="text-embedding-3-small", input="hello")
    recorded.calls()
    (embedding,) = log.of("$ai_embedding")
    assert embedding["operation"] == "embeddings"
    assert log.of("$ai_generation") == []
    assert billed(embedding).received == 0


def test_reasoning_is_subtracted_exactly_where_posthog_adds_it() -> None:
    for model in MODELS.words:
        output = counted_output(model, 300, 200)
        properties = {
            "$ai_model": model,
            "$ai_input_tokens": 0,
            "$ai_output_tokens": output,
            "$ai_reasoning_tokens": 200,
            "$ai_cache_reporting_exclusive": False,
        }
        assert billed(properties).received == 300, model
    assert counted_output("gemini-2.5-pro", None, 200) is None
    assert counted_output("gemini-2.5-pro", 100, 200) == 0


@pytest.mark.parametrize(
    ("provider", "model", "free"),
    [
        ("ollama", "llama3.2", True),
        ("local", "qwen3", True),
        ("local", "gpt-oss", True),
        ("local", "other", True),
        ("local", "gpt-4o", False),
        ("local", "claude-sonnet-4-5", False),
        ("local", "gemini-2.5-pro", False),
        ("groq", "llama3.2", False),
        (None, "llama3.2", False),
    ],
)
def test_a_model_behind_a_local_proxy_keeps_its_price(
    provider: str | None, model: str, free: bool
) -> None:
    said = prices({"provider": provider, "model": model})
    assert said == ({"input_token_price": 0, "output_token_price": 0} if free else {})
