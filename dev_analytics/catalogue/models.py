"""Turns the name that a user wrote for a model into the public model that it means, or ``"other"``.

A name is matched as a whole: without its public prefixes and suffixes, which are a closed set, it
is in the table that the package ships, or it is not. No part of a private name makes it public, so
deployments, private models and files are ``"other"``. The result is the vocabulary's own word.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from dev_analytics.catalogue import public_names
from dev_analytics.catalogue.events import MODELS, PROVIDERS
from dev_analytics.catalogue.vocabulary import OTHER, Vocabulary


class ModelName(NamedTuple):
    """A model as it may leave.

    Attributes
    ----------
    id
        A member of the vocabulary ``models``.
    provider
        The member of ``providers`` that a prefix of the name gave, if any.
    fine_tuned
        True if it is a fine-tuned version of that model; None if that is unknown.
    """

    id: str
    provider: str | None = None
    fine_tuned: bool | None = None


UNKNOWN: Final = ModelName(OTHER)
MAX_NAME: Final = 128

PREFIXES: Final = {
    "anthropic": "anthropic",
    "azure": "azure",
    "azure_ai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "dashscope": "dashscope",
    "deepinfra": "deepinfra",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "github": "github",
    "google": "google",
    "google-gla": "google",
    "google-vertex": "google",
    "groq": "groq",
    "huggingface": "huggingface",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "nvidia_nim": "nvidia",
    "ollama": "ollama",
    "ollama_chat": "ollama",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together_ai": "together",
    "vertex_ai": "google",
    "voyage": "voyageai",
    "xai": "x-ai",
}
"""The providers by the prefixes that tools write before a name to say who serves the model."""

REGIONS: Final = frozenset("apac au ca eu global in jp us us-gov".split())
"""The prefixes, followed by a dot, with which Bedrock says where a model runs."""

FAMILIES: Final = Vocabulary(
    "families",
    *"""
    all-minilm athene-v2 aya aya-expanse bakllava bge-large bge-m3 codegeex4 codegemma codellama
    codeqwen codestral codeup cogito command-a command-r command-r-plus command-r7b dbrx deepcoder
    deepscaler deepseek-coder deepseek-coder-v2 deepseek-llm deepseek-ocr deepseek-r1 deepseek-v2
    deepseek-v2.5 deepseek-v3 deepseek-v3.1 deepseek-v3.2 devstral devstral-2 devstral-small-2
    duckdb-nsql embeddinggemma exaone-deep exaone3.5 falcon falcon2 falcon3 firefunction-v2
    functiongemma gemma gemma2 gemma3 gemma3n gemma4 glm4 gpt-oss gpt-oss-safeguard granite-code
    granite-embedding granite3-dense granite3-guardian granite3-moe granite3.1-dense
    granite3.1-moe granite3.2 granite3.2-vision granite3.3 granite4 hermes3 internlm2 kimi-k2
    kimi-k2-thinking kimi-k2.5 llama-guard3 llama2 llama3 llama3-chatqa llama3-gradient llama3.1
    llama3.2 llama3.2-vision llama3.3 llama4 llava llava-llama3 llava-phi3 magicoder magistral
    marco-o1 mathstral meditron minicpm-v ministral-3 mistral mistral-large mistral-large-3
    mistral-nemo mistral-openorca mistral-small mistral-small3.1 mistral-small3.2 mixtral
    moondream mxbai-embed-large nemotron nemotron-3-nano nemotron-mini neural-chat
    nomic-embed-text nomic-embed-text-v2-moe notus olmo-3 olmo-3.1 olmo2 openchat opencoder
    openthinker orca-mini orca2 paraphrase-multilingual phi phi3 phi3.5 phi4 phi4-mini
    phi4-mini-reasoning phi4-reasoning phind-codellama qwen qwen2 qwen2-math qwen2.5 qwen2.5-coder
    qwen2.5vl qwen3 qwen3-coder qwen3-coder-next qwen3-embedding qwen3-next qwen3-vl qwen3.5 qwq
    r1-1776 reader-lm reflection rnj-1 sailor2 shieldgemma smallthinker smollm smollm2
    snowflake-arctic-embed snowflake-arctic-embed2 solar solar-pro sqlcoder stable-beluga
    stable-code stablelm-zephyr stablelm2 starcoder starcoder2 starling-lm tinyllama tulu3 vicuna
    wizard-math wizardcoder wizardlm2 xwinlm yi yi-coder zephyr
    """.split(),
)
"""The open models in ollama's library (ollama.com/library), by the word before the colon.

All are in ``models``, too.
"""

TAG_WORDS: Final = frozenset(
    """
    latest cloud instruct chat text base code python it qat mini medium small large vision preview
    reasoning thinking fast distill llama qwen v1 v1.5 v1.6 v2 v3 v0.1 v0.2 v0.3 2501 2503 2505
    2506 2507 fp16 bf16 fp8 mxfp4 q2_k q3_k_s q3_k_m q3_k_l q4_0 q4_1 q4_k_s q4_k_m q5_0 q5_1
    q5_k_s q5_k_m q6_k q8_0 22m 30m 33m 110m 135m 137m 270m 278m 300m 335m 350m 360m 567m 568m
    0.3b 0.5b 0.6b 1b 1.1b 1.3b 1.5b 1.7b 1.8b 2b 3b 3.8b 4b 6.7b 7b 8b 9b 11b 12b 13b 14b 15b 16b
    20b 22b 24b 27b 30b 32b 33b 34b 65b 67b 70b 72b 90b 110b 120b 123b 235b 236b 405b 480b 671b
    a3b a22b a35b 8x7b 8x22b 16x17b 128x17b e2b e4b 128k 1t 104b 111b 106b 230b 355b 40b 10b 26b
    35b 80b 180b 1.2b 1.6b 2.7b 2.4b 7.8b 10.7b 0.8b 4k 0528 0324
    """.split()
)
"""The parts, separated by ``-``, of the tags in ollama's library; any other tag is private."""

PUBLISHERS: Final = frozenset(
    """
    ai21 anthropic deepseek-ai google meta minimaxai mistralai moonshotai openai qwen zai-org
    """.split()
)
"""The publishers of models at Vertex AI, whose names have ``publishers/WHO/models/`` in front."""

FIREWORKS: Final = "accounts/fireworks/models/"
"""The prefix of Fireworks' own models; those of users have another account."""

_PUBLISHED: Final = re.compile(r"publishers/([a-z0-9-]+)/models/(.+)")
_PREFIX: Final = re.compile(r"([a-z_-]+)[/:](.+)")
_DATE: Final = re.compile(r"(?<=[-@])20[0-9]{2}(-?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12][0-9]|3[01])$")


def name_model(given: object, provider: str | None = None) -> ModelName:
    """Return the public model that `given`, a name of the user, a tool or a server, means.

    `provider` serves it, if that is known: a prefix of the name says more.
    """
    # A subclass of str could be the user's, with methods of theirs.
    return _named(given, provider) if type(given) is str and len(given) <= MAX_NAME else UNKNOWN


@lru_cache(maxsize=256)
def _named(given: str, provider: str | None) -> ModelName:
    bare, prefix = without_prefixes(given.lower())
    fine_tuned = None
    if bare.startswith("ft:"):
        bare, fine_tuned = bare[3:].partition(":")[0], True
    elif ".ft-" in bare:  # as Azure names them
        bare, fine_tuned = bare.partition(".ft-")[0], True
    hint = prefix or provider
    # An id may have capitals, and may begin as a prefix does.
    names = (given[-len(bare) :], bare, given) if fine_tuned is None else (bare,)
    found = _open_model(bare, hint) or next(filter(None, map(MODELS.find, names)), None)
    if found is None and hint != "ollama":
        found = _other_name(bare)
    return ModelName(found or OTHER, PROVIDERS.find(prefix), fine_tuned)


def put_public_name(properties: dict[str, object]) -> None:
    """Replace what a request calls the model by its public name."""
    given = properties.get("model")
    if given is not None:
        named = name_model(given, PROVIDERS.find(properties.get("provider")))
        properties["model"] = named.id
        if named.provider is not None and properties.get("provider") is None:
            properties["provider"] = named.provider
        if named.fine_tuned is not None and properties.get("fine_tuned") is None:
            properties["fine_tuned"] = named.fine_tuned


def without_prefixes(name: str) -> tuple[str, str | None]:
    """Strip the prefixes of `name`, and return the provider that the outermost of them means."""
    hint: str | None = None
    while True:
        name = name.removeprefix("models/")
        if name.startswith(FIREWORKS):
            return name.removeprefix(FIREWORKS), hint or "fireworks"
        published = _PUBLISHED.fullmatch(name)
        if published is not None and published[1] in PUBLISHERS:
            return published[2], hint or "google"
        found = _PREFIX.fullmatch(name)
        meant = PREFIXES.get(found[1]) if found else None
        if found is None or meant is None or _family(name):
            return name, hint
        name, hint = found[2], hint or meant
        if meant == "openrouter":
            return name, hint  # there the vendor is part of the public name


def with_date_form(name: str) -> str:
    """Return `name` with the form of the date at its end in the place of the date."""
    return _DATE.sub(lambda date: "YYYY-MM-DD" if date[1] else "YYYYMMDD", name)


def _family(name: str) -> str | None:
    """Return the family of ``family:tag`` as ollama's library has it."""
    family, _, tag = name.partition(":")
    return FAMILIES.find(family) if TAG_WORDS.issuperset(tag.split("-")) else None


def _open_model(bare: str, hint: str | None) -> str | None:
    """Return the model of ollama's library that `bare` is, if it can be meant."""
    if ":" not in bare:
        return FAMILIES.find(bare) if hint == "ollama" else None
    return _family(bare) if hint in (None, "ollama", "local", OTHER) else None


def _other_name(bare: str) -> str | None:
    table = public_names.models()
    for name in (bare, with_date_form(bare)):
        found = MODELS.find(table.get(name))
        if found is not None:
            return found
    region, _, rest = bare.partition(".")
    return MODELS.find(rest) or _other_name(rest) if region in REGIONS else None
