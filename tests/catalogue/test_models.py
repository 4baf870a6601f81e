"""From what a user calls a model to the vocabulary's word for it, and never further."""

from __future__ import annotations

import subprocess
import sys
from string import ascii_lowercase

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dev_analytics.catalogue import public_names
from dev_analytics.catalogue.events import MODELS, PROVIDERS
from dev_analytics.catalogue.models import (
    FAMILIES,
    MAX_NAME,
    PREFIXES,
    TAG_WORDS,
    UNKNOWN,
    ModelName,
    name_model,
    with_date_form,
    without_prefixes,
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
claude-haiku-4-5-20251001                   claude-haiku-4-5
claude-opus-5-20261122                      claude-opus-5
gpt-6-luna-2026-10-01                       gpt-6-luna
us.anthropic.claude-3-5-sonnet-20241022-v2:0  claude-3-5-sonnet
bedrock/eu.anthropic.claude-3-haiku-20240307-v1:0  claude-3-haiku
mistral:latest                              mistral
ollama/gemma3:4b-it-qat                     gemma3
llama3.1:8b-instruct-q4_K_M                 llama3.1
~openai/gpt-latest                          ~openai/gpt-latest
Qwen/Qwen3-14B                              Qwen/Qwen3-14B
gpt-5.1-codex-max                           gpt-5.1-codex-max
gpt-5.1-codex-max-2025-11-19                gpt-5.1-codex-max
gpt-5-codex                                 gpt-5-codex
accounts/fireworks/models/llama-v3p1-70b-instruct  llama-v3p1-70b-instruct
fireworks_ai/accounts/fireworks/models/deepseek-v3  deepseek-v3
publishers/google/models/gemini-2.5-flash   gemini-2.5-flash
publishers/anthropic/models/claude-3-5-sonnet@20240620  claude-3-5-sonnet
openai-community/gpt2                       openai-community/gpt2
gpt2                                        openai-community/gpt2
meta-llama/Llama-3.2-1B-Instruct            meta-llama/Llama-3.2-1B-Instruct
microsoft/Phi-3-mini-4k-instruct            microsoft/Phi-3-mini-4k-instruct
mistralai/Mistral-7B-Instruct-v0.3          mistralai/Mistral-7B-Instruct-v0.3
huggingface/HuggingFaceTB/SmolLM2-1.7B-Instruct  HuggingFaceTB/SmolLM2-1.7B-Instruct
sentence-transformers/all-MiniLM-L6-v2      sentence-transformers/all-MiniLM-L6-v2
deepseek-ai/DeepSeek-R1-Distill-Qwen-7B     deepseek-ai/DeepSeek-R1-Distill-Qwen-7B
embed-english-v3.0                          embed-english-v3.0
text-embedding-004                          text-embedding-004
cohere.command-r-v1:0                       cohere.command-r-v1:0
us.deepseek.v3.2                            deepseek.v3.2
dashscope/qwen-plus                         qwen-plus
voyage/voyage-3-large                       voyage-3-large
llava:7b                                    llava
smollm2:1.7b                                smollm2
qwen2.5vl:7b                                qwen2.5vl
qwen3-vl:8b                                 qwen3-vl
command-r:35b                               command-r
deepseek-v3.1:671b-cloud                    deepseek-v3.1
granite3.1-dense:8b                         granite3.1-dense
embeddinggemma:300m                         embeddinggemma
"""
PRIVATE = (
    *("acme-corp/secret-model", "acme-internal-7b", "my-company-llm", "gpt4-acme-x"),
    *("/home/jane/llama.gguf", "./model", "~/models/x", r"C:\models\x", "hf.co/acme/private-gguf"),
    *("arn:aws:bedrock:us-east-1:123456789012:custom-model/x", "sk-proj-abcdef", "jane@acme.com"),
    *("azure/acme-deployment-7", "azure/gpt-4o-acme-prod", "openai/acme/secret", "a b", "", "."),
    *("ollama/acme-private:7b", "secret:latest", "http://10.0.0.1/model", "x" * (MAX_NAME + 1)),
    *("llama-acme-tuned", "claude-internal-acme", "gpt-4o\n", "other", "models/", "ft:", "openai/"),
    # Each begins with, ends with or contains the name of a public model.
    *("acme-claude-3-opus", "claude-3-5-sonnet-acme-merger", "claude-3-opus-20240229-acme"),
    *("my/gpt-4o", "gpt-4o/acme", "gpt-4o:acme", "gpt-4o-2024-08-06-acme", "gemini-2.5-pro-jane"),
    *("gemma3:cancer-patients", "ollama/gemma3:4b-cancer", "mistral:acme", "jane/gemma3:4b"),
    *("claude-opus-5-20261322", "gpt-6-luna-2026-1001", "acme-opus-5-20261122", "gpt-4o-YYYYMMDD"),
    *("accounts/acme/models/llama-v3p1-70b-instruct", "accounts/fireworks/models/acme-7b"),
    *("publishers/acme/models/gemini-2.5-flash", "publishers/google/models/gemini-2.5-acme"),
    "projects/acme/locations/us/publishers/google/models/gemini-2.5-flash",
    *("acme/Llama-3.2-1B-Instruct", "meta-llama/Llama-3.2-1B-Instruct-acme", "llava:acme"),
    *("gpt-5.1-codex-max-acme", "sentence-transformers/acme", "smollm2:1.7b-acme"),
    *("acme.anthropic.claude-3-haiku-20240307-v1:0", "us.acme.claude-3-haiku-20240307-v1:0"),
)


@pytest.mark.parametrize("row", PUBLIC.strip().splitlines())
def test_a_public_name_is_the_vocabulary_s_word(row: str) -> None:
    given, expected = row.split()
    assert name_model(given).id == expected
    assert name_model(given).fine_tuned is None


@pytest.mark.parametrize("given", PRIVATE)
def test_a_private_name_is_other(given: str) -> None:
    assert name_model(given).id == "other"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ft:gpt-4o-mini-2024-07-18:acme::abc123", ModelName("gpt-4o-mini", None, True)),
        ("openai/ft:gpt-3.5-turbo:acme:x:1", ModelName("gpt-3.5-turbo", "openai", True)),
        ("gpt-4o-mini-2024-07-18.ft-0123acme", ModelName("gpt-4o-mini", None, True)),
        ("ft:acme-base:acme:x:1", ModelName("other", None, True)),
        ("ft:gpt-4o-acme:org::id", ModelName("other", None, True)),
        ("acme-gpt-4o.ft-0123acme", ModelName("other", None, True)),
    ],
)
def test_a_fine_tuned_model_is_its_base(given: str, expected: ModelName) -> None:
    assert name_model(given) == expected


def test_a_prefix_says_who_serves_it() -> None:
    assert name_model("azure/acme-7").provider == "azure"
    assert name_model("acme/acme-7").provider is None
    assert set(PREFIXES.values()) <= PROVIDERS.members


def test_every_family_is_a_public_model() -> None:
    assert FAMILIES.members <= MODELS.members


def test_every_shipped_name_is_itself_or_the_same_without_its_prefix() -> None:
    for word in MODELS.words:
        bare, _ = without_prefixes(word.lower())
        assert name_model(word).id in (word, bare), word


def test_the_table_names_members_only() -> None:
    assert set(public_names.models().values()) <= MODELS.members
    assert set(public_names.hosts().values()) <= PROVIDERS.members


def test_what_is_no_plain_text_is_never_touched() -> None:
    class Hostile(str):
        __slots__ = ()

        def __getattribute__(self, name: str) -> object:
            raise AssertionError(name)

    assert name_model(Hostile("gpt-4o")) == UNKNOWN


SHIPPED = sorted({*MODELS.words, *public_names.models()})
PARTS = st.text(ascii_lowercase + "0123456789", min_size=1, max_size=12)
CLOSED = {*PREFIXES, *TAG_WORDS, "models", "ft", *"apac au ca eu global in jp us us-gov".split()}


@given(
    name=st.sampled_from(SHIPPED),
    part=PARTS,
    mark=st.sampled_from(["-", "/", ":", ".", "_", "@", " ", "--", ""]),
    before=st.booleans(),
    provider=st.sampled_from([None, "other", "local", "openai", "azure", "openrouter", "ollama"]),
)
def test_a_private_decoration_of_a_public_name_makes_it_private(
    name: str, part: str, mark: str, before: bool, provider: str | None
) -> None:
    """Unless the whole is public again, as a size or another version of the model is."""
    decorated = f"{part}{mark}{name}" if before else f"{name}{mark}{part}"
    bare, _ = without_prefixes(decorated.lower())
    public = {word.lower() for word in SHIPPED}
    assume(part not in CLOSED)
    assume(not {decorated.lower(), bare, with_date_form(bare)} & public)
    assume(".ft-" not in decorated)
    assert name_model(decorated, provider).id == "other"


PIECES = st.sampled_from(
    [*PREFIXES, *PRIVATE, *PUBLIC.split(), "ft:", ":", "/", "-", "@", "acme", "models/", "7b"]
)


@given(st.lists(PIECES | st.text(max_size=9), max_size=6).map("".join) | st.text())
def test_nothing_outside_the_vocabulary_comes_out(given: str) -> None:
    for provider in (None, "openai", "ollama", given):
        named = name_model(given, provider)
        assert named.id in MODELS.members
        assert named.provider is None or named.provider in PROVIDERS.members


def test_importing_the_rule_reads_no_table() -> None:
    program = (
        "import sys, dev_analytics.analytics, dev_analytics.observers.hooks as h;"
        "import dev_analytics.catalogue.models as m;"
        "print(m.public_names.models.cache_info().currsize, m.MODELS._members);"
        "print({'genai_prices', 'wrapt', 'httpx', 'httpx2', 'pydantic'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout == "0 None\nset()\n"
