"""From what a user calls a model to the vocabulary's word for it, and never further."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics.catalogue import matcher
from dev_analytics.catalogue.events import MODELS, PROVIDERS
from dev_analytics.catalogue.models import (
    FAMILIES,
    LONGEST_NAME,
    PREFIXES,
    UNKNOWN,
    ModelName,
    name_model,
    name_provider,
)

PUBLIC = """
gpt-4o                                      gpt-4o
GPT-4o                                      gpt-4o
gpt-4o-2024-08-06                           gpt-4o
gpt-4o-mini-2024-07-18                      gpt-4o-mini
openai/gpt-4o                               gpt-4o
openai:gpt-4o                               gpt-4o
azure/gpt-4o                                gpt-4o
gpt-3.5-turbo-0125                          gpt-3.5-turbo
gpt-3.5-turbo-instruct                      gpt-3.5-turbo-instruct
gpt-4.1-nano-2025-04-14                     gpt-4.1-nano
gpt-5                                       gpt-5
o1-preview                                  o1-preview
o3-mini                                     o3-mini
chatgpt-4o-latest                           chatgpt-4o-latest
text-embedding-3-small                      text-embedding-3-small
text-embedding-ada-002                      text-embedding-ada-002
claude-3-5-sonnet-20241022                  claude-3-5-sonnet
claude-3-5-sonnet-latest                    claude-3-5-sonnet
claude-sonnet-4-5-20250929                  claude-sonnet-4-5
claude-opus-4-1                             claude-opus-4-1
anthropic/claude-3-haiku-20240307           claude-3-haiku
vertex_ai/claude-3-5-sonnet@20240620        claude-3-5-sonnet
bedrock/us.amazon.nova-lite-v1:0            amazon.nova-lite-v1:0
amazon.nova-pro-v1:0                        amazon.nova-pro-v1:0
gemini-2.5-pro                              gemini-2.5-pro
gemini/gemini-2.0-flash                     gemini-2.0-flash
vertex_ai/gemini-1.5-pro                    gemini-1.5-pro
models/gemini-1.5-flash                     gemini-1.5-flash
google-gla:gemini-2.5-flash                 gemini-2.5-flash
mistral/mistral-large-latest                mistral-large
codestral-latest                            codestral
mistral/open-mixtral-8x7b                   mixtral-8x7b
command-r-plus-08-2024                      command-r-plus
cohere_chat/command-r                       command-r
command-a-03-2025                           command-a
deepseek/deepseek-chat                      deepseek-chat
deepseek-reasoner                           deepseek-reasoner
xai/grok-2-1212                             grok-2-1212
grok-4                                      grok-4-0709
groq/llama-3.3-70b-versatile                llama-3.3-70b-versatile
groq:mixtral-8x7b-32768                     mixtral-8x7b-32768
llama-3.1-8b-instant                        llama-3.1-8b-instant
together_ai/meta-llama/Llama-3-70b-chat-hf  meta-llama/Llama-3-70b-chat-hf
openrouter/anthropic/claude-3.5-sonnet      anthropic/claude-3.5-sonnet
openrouter/openai/gpt-4o                    openai/gpt-4o
perplexity/sonar-pro                        sonar-pro
cerebras/llama3.1-8b                        llama3.1-8b
moonshot/kimi-k2-0711-preview               kimi-k2-0711-preview
voyage-3                                    voyage-3
ollama/llama3.1:8b                          llama3.1
ollama_chat/qwen2.5-coder:32b               qwen2.5-coder
ollama/gemma2                               gemma2
deepseek-r1:14b                             deepseek-r1
llama3.2:latest                             llama3.2
mistral:7b                                  mistral
phi4:14b                                    phi4
gpt-oss:20b                                 gpt-oss
"""
PRIVATE = (
    *("acme-corp/secret-model", "acme-internal-7b", "my-company-llm", "gpt4-acme-x"),
    *("/home/jane/llama.gguf", "./model", "~/models/x", r"C:\models\x", "hf.co/acme/private-gguf"),
    *("arn:aws:bedrock:us-east-1:123456789012:custom-model/x", "sk-proj-abcdef", "jane@acme.com"),
    *("azure/acme-deployment-7", "azure/gpt-4o-acme-prod", "openai/acme/secret", "a b", "", "."),
    *("ollama/acme-private:7b", "secret:latest", "http://10.0.0.1/model", "x" * (LONGEST_NAME + 1)),
    *("llama-acme-tuned", "claude-internal-acme", "gpt-4o\n", "other", "models/", "ft:", "openai/"),
)
NAMES = matcher.load()


@pytest.mark.parametrize("row", PUBLIC.strip().splitlines())
def test_a_public_name_is_the_vocabulary_s_word(row: str) -> None:
    given, expected = row.split()
    assert name_model(given, NAMES).id == expected
    assert name_model(given, NAMES).fine_tuned is None


@pytest.mark.parametrize("given", PRIVATE)
def test_a_private_name_is_other(given: str) -> None:
    assert name_model(given, NAMES).id == "other"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ft:gpt-4o-mini-2024-07-18:acme::abc123", ModelName("gpt-4o-mini", None, True)),
        ("openai/ft:gpt-3.5-turbo:acme:x:1", ModelName("gpt-3.5-turbo", "openai", True)),
        ("ft:acme-base:acme:x:1", ModelName("other", None, True)),
    ],
)
def test_a_fine_tuned_model_is_its_base(given: str, expected: ModelName) -> None:
    assert name_model(given, NAMES) == expected


def test_a_prefix_says_who_serves_it() -> None:
    assert name_model("azure/acme-7", NAMES).provider == "azure"
    assert name_model("acme/acme-7", NAMES).provider is None
    assert set(PREFIXES.values()) <= PROVIDERS.members


def test_every_family_is_a_public_model() -> None:
    assert FAMILIES.members <= MODELS.members


def test_without_names_only_the_vocabulary_s_own_words_are_known() -> None:
    assert name_model("openai/gpt-4o", None).id == "gpt-4o"
    assert name_model("gpt-4o-2024-08-06", None).id == "other"


def test_a_name_that_only_the_matcher_gives_is_other() -> None:
    class Wild:
        def model(self, name: str, provider: str | None) -> str:
            return name

        def provider(self, url: str) -> str:
            return url

    assert name_model("acme-secret", Wild()) == UNKNOWN
    assert name_provider("https://acme.example", Wild()) == "other"


def test_what_is_no_plain_text_is_never_touched() -> None:
    class Hostile(str):
        __slots__ = ()

        def __getattribute__(self, name: str) -> object:
            raise AssertionError(name)

    assert name_model(Hostile("gpt-4o"), NAMES) == UNKNOWN
    assert name_provider(Hostile("https://api.openai.com"), NAMES) == "other"


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1/", "openai"),
        ("https://api.anthropic.com", "anthropic"),
        ("https://api.groq.com/openai/v1/", "groq"),
        ("https://acme.openai.azure.com/openai/", "azure"),
        ("http://localhost:1234/v1", "local"),
        ("http://127.0.0.1/", "local"),
        ("http://[::1]:3/", "local"),
        ("https://jane:pw@localhost/x", "local"),
        ("https://localhost.acme.internal/v1", "other"),
        ("https://llm.acme.internal/v1", "other"),
        (None, "other"),
    ],
)
def test_an_address_is_its_public_provider(url: str | None, provider: str) -> None:
    assert name_provider(url, NAMES) == provider


PIECES = st.sampled_from(
    [*PREFIXES, *PRIVATE, *PUBLIC.split(), "ft:", ":", "/", "-", "@", "acme", "models/", "7b"]
)


@given(st.lists(PIECES | st.text(max_size=9), max_size=6).map("".join) | st.text())
def test_nothing_outside_the_vocabulary_comes_out(given: str) -> None:
    for names in (NAMES, None):
        for provider in (None, "openai", "ollama", given):
            named = name_model(given, names, provider)
            assert named.id in MODELS.members
            assert named.provider is None or named.provider in PROVIDERS.members
    assert name_provider(given, NAMES) in PROVIDERS.members
    assert name_provider(f"https://{given}", NAMES) in PROVIDERS.members


def test_importing_the_rule_loads_no_names() -> None:
    program = (
        "import sys, dev_analytics.analytics, dev_analytics.observers.llm.hooks as h;"
        "print({'genai_prices', 'wrapt', 'httpx', 'httpx2', 'pydantic'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout == "set()\n"
