"""Names of public models that SDKs list, and that genai-prices does not have.

From OpenAI's own list, those names are taken that genai-prices counts as another model of the same
price. Names that end with a date, or with the place where a model runs, are not names of models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any, Final, get_args

from dev_analytics.catalogue.models import PREFIXES, REGIONS, without_prefixes
from vocabularies.rules import Rules
from vocabularies.withheld import is_about_a_person, is_template

MODES: Final = frozenset({"chat", "completion", "embedding", "responses"})
"""The modes that litellm gives language models."""

PROVIDERS: Final = frozenset(
    """
    ai21 anthropic bedrock bedrock_converse cerebras cohere cohere_chat dashscope deepseek
    fireworks_ai gemini groq mistral moonshot openai perplexity vertex_ai voyage xai
    """.split()
)
"""The providers of litellm that use the names that the models' makers use."""

MAKERS: Final = frozenset(
    """
    01-ai BAAI CohereForAI CohereLabs EleutherAI HuggingFaceH4 HuggingFaceTB LGAI-EXAONE
    MiniMaxAI Qwen Snowflake THUDM ai21labs allenai apple bigcode bigscience codellama
    deepseek-ai facebook google ibm-granite intfloat jinaai meta-llama microsoft mistralai
    mixedbread-ai moonshotai nomic-ai nvidia openai-community sentence-transformers thenlper
    tiiuae upstage zai-org
    """.split()
)
"""Publishers of open models on Hugging Face, by the names that litellm's other providers use."""

_MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*[A-Za-z0-9]")
_NOT_A_NAME: Final = re.compile(
    r"[-@.](?:latest|preview|exp|nightly|maas|tput|\d{3,4}|\d{6,8}|\d{2}-\d{2,4})(?:-|$|@)"
    r"|\d{4}-\d{2}-\d{2}|default$|-to-\d|up-to-|above-|commitment|/\*|/preset/|^container$"
    r"|flux|diffusion|ssd-|whisper|asr-|rerank|pairrm|playground|-draft|rope$|chronos",
    re.IGNORECASE,
)
_OPENAI: Final = re.compile(r"(?:gpt-\d|o\d|text-embedding-)[a-z0-9.-]*")
_NO_TEXT: Final = re.compile(r"audio|realtime|transcribe|tts|image|search|-preview|-\d{4}")


def described() -> str:
    """Name the sources."""
    return f"the lists of litellm {version('litellm')} and openai {version('openai')}"


def models() -> set[str]:
    """Return the names, without those that say something about a person."""
    rules = Rules()
    ids = {model.id.lower() for provider in rules.providers for model in provider.models}
    found = {
        name
        for name, provider in _of_litellm()
        if _MODEL.fullmatch(name)
        and not _NOT_A_NAME.search(name)
        # A distilled model is not the one it learned from, although a rule about parts says so.
        and ("distill" in name or rules.model(name.lower(), provider) is None)
        and name.lower() not in ids
    }
    # Of two names that differ only in case, the makers' own has capitals.
    capitals = {name.lower() for name in found if name != name.lower()}
    return {
        name
        for name in {*(found - capitals), *openai_models()} - ids
        if not is_template(name) and not is_about_a_person(name)
    }


def openai_models() -> set[str]:
    """Return the language models that OpenAI lists, without their dated versions."""
    from openai.types import ChatModel, EmbeddingModel
    from openai.types.shared import ResponsesModel

    words = words_of(ChatModel, EmbeddingModel, ResponsesModel)
    return {word for word in words if _OPENAI.fullmatch(word) and not _NO_TEXT.search(word)}


def litellm() -> dict[str, Any]:
    """Return litellm's list of models."""
    file = "litellm/model_prices_and_context_window_backup.json"
    found: dict[str, Any] = json.loads(
        Path(str(distribution("litellm").locate_file(file))).read_text("utf-8")
    )
    return found


def words_of(*types: Any) -> Iterator[str]:
    """Yield the words of literal types, however they are nested."""
    for each in types:
        inner = get_args(getattr(each, "__value__", each))
        yield from (word for word in inner if type(word) is str)
        yield from words_of(*(word for word in inner if type(word) is not str))


def _of_litellm() -> Iterator[tuple[str, str | None]]:
    """Yield the names, each with its provider."""
    for name, told in litellm().items():
        if told.get("mode") not in MODES:
            continue
        served = str(told.get("litellm_provider")).partition("_ai-")[0]
        bare = name[-len(without_prefixes(name.lower())[0]) :]
        *_, maker, last = ("", *name.split("/"))
        if maker in MAKERS:
            yield f"{maker}/{last}", None
        elif (served in PROVIDERS or f"{served}_ai" in PROVIDERS) and "/" not in bare:
            region, _, rest = bare.partition(".")
            yield rest if region in REGIONS else bare, PREFIXES.get(served)
