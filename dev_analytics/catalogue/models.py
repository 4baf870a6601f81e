"""From the name a user wrote for a model to the public model that it means, or ``"other"``.

A name is never passed on, nor any part of it: what comes out is the vocabulary's own word. Names of
deployments, fine-tuned models and private servers are no words of it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple, Protocol, TypeGuard

from dev_analytics.catalogue.events import MODELS, PROVIDERS
from dev_analytics.catalogue.vocabulary import OTHER, Vocabulary


class Names(Protocol):
    """Knows public models and the addresses of providers."""

    def __hash__(self) -> int:
        """Tell it from others: what it found is remembered."""

    def model(self, name: str, provider: str | None) -> str | None:
        """Give the id of the public model that `name` means at `provider`, or anywhere."""

    def provider(self, url: str) -> str | None:
        """Give the id of the provider that serves `url`."""


class ModelName(NamedTuple):
    """A model as it may leave.

    Attributes
    ----------
    id
        A member of the vocabulary ``models``.
    provider
        The member of ``providers`` that a prefix of the name gave, or None.
    fine_tuned
        It is a fine-tuned one of that model; None where nothing says so.
    """

    id: str
    provider: str | None = None
    fine_tuned: bool | None = None


UNKNOWN: Final = ModelName(OTHER)
LONGEST_NAME: Final = 128
LONGEST_URL: Final = 2048

PREFIXES: Final = {
    "anthropic": "anthropic",
    "azure": "azure",
    "azure_ai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "google": "google",
    "google-gla": "google",
    "google-vertex": "google",
    "groq": "groq",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "ollama": "ollama",
    "ollama_chat": "ollama",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together_ai": "together",
    "vertex_ai": "google",
    "xai": "x-ai",
}
"""What tools write before a name to say who serves the model, and whom it means."""

FAMILIES: Final = Vocabulary(
    "families",
    *("llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4", "codellama", "tinyllama"),
    *("qwen", "qwen2", "qwen2.5", "qwen2.5-coder", "qwen3", "qwen3-coder", "qwq"),
    *("gemma", "gemma2", "gemma3", "mistral", "mistral-nemo", "mistral-small", "mixtral"),
    *("deepseek-r1", "deepseek-v3", "deepseek-coder", "deepseek-coder-v2", "starcoder2"),
    *("phi3", "phi4", "gpt-oss", "devstral", "codestral", "granite3.3"),
    *("nomic-embed-text", "mxbai-embed-large", "all-minilm"),
)
"""The open models that ollama serves, by the word before the colon; all are in ``models``, too."""

_REFUSED: Final = re.compile(r"\s|\\|^[/.~]|@[A-Za-z]|arn:|sk-", re.IGNORECASE)
_PREFIX: Final = re.compile(r"([a-z_-]+)[/:](.+)")
_HOST: Final = re.compile(r"https?://(?:[^/?#@]*@)?(\[[^\]/?#]*\]|[^/:?#]*)", re.IGNORECASE)
_LOCAL: Final = re.compile(r"localhost|127(?:\.\d{1,3}){3}|0\.0\.0\.0|\[::1?\]", re.IGNORECASE)


def name_model(given: object, names: Names | None, provider: str | None = None) -> ModelName:
    """Give the public model that `given` means.

    Parameters
    ----------
    given
        What the user, a tool or a server calls the model.
    names
        Where public names are looked up; without it only the vocabulary's own words are known.
    provider
        Who serves it, if that is known: a prefix of the name says more.
    """
    return _named(given, names, provider) if type(given) is str else UNKNOWN


@lru_cache(maxsize=256)
def _named(given: str, names: Names | None, provider: str | None) -> ModelName:
    if not _may_be_public(given):
        return UNKNOWN
    bare, prefix = _without_prefixes(given.lower())
    hint = prefix or provider
    fine_tuned = None
    if bare.startswith("ft:"):
        bare, fine_tuned = bare[3:].partition(":")[0], True
    found = _find(bare, given, names, hint)
    return ModelName(found or OTHER, PROVIDERS.find(prefix), fine_tuned)


def put_public_name(properties: dict[str, object], names: Names | None) -> None:
    """Put the public name in the place of what a request calls the model."""
    given = properties.get("model")
    if given is not None:
        named = name_model(given, names, PROVIDERS.find(properties.get("provider")))
        properties["model"] = named.id
        for name, value in (("provider", named.provider), ("fine_tuned", named.fine_tuned)):
            if properties.get(name) is None:
                properties[name] = value


def name_provider(url: object, names: Names | None) -> str:
    """Give the public provider that serves `url`; a machine of one's own is ``"local"``."""
    return _provider(url, names) if type(url) is str and len(url) <= LONGEST_URL else OTHER


@lru_cache(maxsize=64)
def _provider(url: str, names: Names | None) -> str:
    host = _HOST.match(url)
    if host and _LOCAL.fullmatch(host[1]):
        return PROVIDERS.member("local")
    return PROVIDERS.member(names.provider(url)) if names else OTHER


def _may_be_public(given: object) -> TypeGuard[str]:
    # A subclass of str could be the user's, with methods of theirs.
    return type(given) is str and 0 < len(given) <= LONGEST_NAME and _REFUSED.search(given) is None


def _without_prefixes(name: str) -> tuple[str, str | None]:
    """Strip what stands before the name, and say whom the outermost of it means."""
    hint: str | None = None
    while True:
        name = name.removeprefix("models/")
        found = _PREFIX.fullmatch(name)
        meant = PREFIXES.get(found[1]) if found else None
        if found is None or meant is None or _is_tagged(name):
            return name, hint
        name, hint = found[2], hint or meant
        if meant == "openrouter":
            return name, hint  # there the vendor is part of the public name


def _is_tagged(name: str) -> bool:
    """Tell whether `name` is a family with a tag: in ``mistral:7b`` the first word is no prefix."""
    family, colon, tag = name.partition(":")
    return bool(colon) and tag[:1].isdigit() and FAMILIES.find(family) is not None


def _find(bare: str, given: str, names: Names | None, hint: str | None) -> str | None:
    family, colon, _ = bare.partition(":")
    if hint == "ollama" or (colon and hint in (None, "local", OTHER)):
        found = FAMILIES.find(family)
        if found is not None or hint == "ollama":
            return MODELS.find(found)
    found = MODELS.find(bare) or MODELS.find(given)
    if found is None and names is not None:
        found = MODELS.find(names.model(bare, hint))
    return found
