"""Make the tables of public names that the package ships, from genai-prices and SDKs.

``make vocabularies`` runs it; ``--check`` only says whether the shipped tables are stale. It is not
part of the package: what it needs is in the dependency group ``test``.

genai-prices has rules that say which model a name means. Rules of equality are taken as they are.
Rules about parts of a name ("begins with", "contains", regular expressions) would make a private
name public, as in ``claude-3-opus-acme``. So they are only applied here, to names that the makers
of models and SDKs list, and the results go into the table. Regular expressions that end with a date
are taken, too, as a name that ends with the form of that date.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from vocabularies import prices, published
from vocabularies.listed import litellm, openai_models, words_of
from vocabularies.rules import Rules
from vocabularies.withheld import is_about_a_person, is_template

from dev_analytics.catalogue.events import MODELS
from dev_analytics.catalogue.models import FAMILIES, PREFIXES, without_prefixes
from dev_analytics.catalogue.public_names import FOLDER

HOSTS: Final = {
    "aws": ["bedrock-runtime.*.amazonaws.com"],
    "azure": [
        *("openai.azure.com", "azure-api.net", "cognitiveservices.azure.com"),
        "services.ai.azure.com",
    ],
    "cloudflare": ["api.cloudflare.com"],
    "cohere": ["api.cohere.ai", "api.cohere.com"],
    "databricks": ["azuredatabricks.net", "cloud.databricks.com", "gcp.databricks.com"],
    "elevenlabs": [
        *("api.elevenlabs.io", "api.us.elevenlabs.io", "api.eu.residency.elevenlabs.io"),
        *("api.in.residency.elevenlabs.io", "api.sg.residency.elevenlabs.io"),
    ],
    "google": ["googleapis.com"],
    "minimax": ["api.minimax.com", "api.minimax.io", "api.minimaxi.com", "api.minimaxi.io"],
    "modal": ["modal.direct", "modal.run"],
    "moonshotai": ["api.moonshot.ai", "api.moonshot.cn"],
    "openai-decisions": [],  # its host is that of openai
    "openrouter": ["openrouter.ai"],
}
"""The hosts of the providers whose rule is not a plain host."""

OLD_IDS: Final = {
    "gpt2": "openai-community/gpt2",
    "gpt2-medium": "openai-community/gpt2-medium",
    "gpt2-large": "openai-community/gpt2-large",
    "gpt2-xl": "openai-community/gpt2-xl",
    "distilgpt2": "distilbert/distilgpt2",
    "t5-small": "google-t5/t5-small",
    "t5-base": "google-t5/t5-base",
    "t5-large": "google-t5/t5-large",
    "embed-english-v3": "embed-english-v3.0",
    "embed-multilingual-v3": "embed-multilingual-v3.0",
}
"""What Hugging Face, and Cohere's documents, called models before their names were longer.

The keys are those that published.txt has as ``older``.
"""

OWN_HOSTS: Final = {
    "aws": [
        # docs.aws.amazon.com/general/latest/gr/bedrock.html
        *("bedrock-runtime-fips.*.amazonaws.com", "bedrock-runtime.*.amazonaws.com.cn"),
        "bedrock-mantle.*.api.aws",
    ],
    # alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope
    "dashscope": [
        *("dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com", "dashscope-us.aliyuncs.com")
    ],
    # deepinfra.com/docs/openai_api
    "deepinfra": ["api.deepinfra.com"],
    # docs.github.com/en/rest/models/inference
    "github": ["models.github.ai", "models.inference.ai.azure.com"],
    # huggingface.co/docs/inference-providers, huggingface.co/docs/inference-endpoints
    "huggingface": [
        *("router.huggingface.co", "api-inference.huggingface.co"),
        "endpoints.huggingface.cloud",
    ],
    # docs.api.nvidia.com/nim/reference/llm-apis
    "nvidia": ["integrate.api.nvidia.com", "ai.api.nvidia.com"],
    # docs.ollama.com/cloud
    "ollama-cloud": ["ollama.com"],
}
"""The hosts that genai-prices does not have, each as its documents give it."""

_PLAIN_HOST: Final = re.compile(
    r"https://(?P<host>[a-z0-9-]+(?:\\\.[a-z0-9-]+)+)(?P<path>/[a-z0-9-]+)?(?:\(\?:/\|\$\))?"
)
_DATED: Final = re.compile(
    r"\^(?P<name>(?:[a-z0-9/-]|\\\.)+)"
    r"(?P<mark>[-@]|\[-@\])(?P<date>\\d\{8\}|\\d\{4\}-\\d\{2\}-\\d\{2\})\$"
)
_FORMS: Final = {r"\d{8}": "YYYYMMDD", r"\d{4}-\d{2}-\d{2}": "YYYY-MM-DD"}


def listed() -> dict[str, str | None]:
    """Return the names that makers of models and SDKs list, each with its provider, if known."""
    from anthropic.types import Model
    from openai.types import ChatModel, EmbeddingModel
    from pydantic_ai.models import KnownModelName

    names: dict[str, str | None] = dict.fromkeys(
        words_of(Model, ChatModel, EmbeddingModel, KnownModelName)
    )
    for name, told in litellm().items():
        names.setdefault(name, PREFIXES.get(told.get("litellm_provider")))
    return names


def _parts(clauses: Iterable[tuple[str, str, Any]]) -> Iterator[str]:
    """Yield what names begin with, contain or end with: most of these are whole names, too."""
    for _, _, clause in clauses:
        for kind in ("starts_with", "contains", "ends_with"):
            part = getattr(clause, kind, "")
            if part[-1:].isalnum():
                yield part


def models() -> dict[str, str]:
    """Return the id of each public name that is not an id itself."""
    rules = Rules()
    members = MODELS.members
    table: dict[str, str] = {}

    def is_open(name: str) -> bool:
        return (
            name not in table
            and name not in members
            and not (is_template(name) or is_about_a_person(name))
            and " " not in name
            and FAMILIES.find(name.partition(":")[0]) is None
        )

    def put(name: str, model: str | None) -> None:
        if model in members and is_open(name):
            table[name] = str(model)

    def put_meant(name: str, provider: str | None) -> None:
        # The rules are hundreds of patterns: they are asked only where it matters.
        if is_open(name):
            put(name, rules.model(name, provider))

    clauses = list(rules.clauses())
    names = {**dict.fromkeys([*published.names("retired"), *_parts(clauses)]), **listed()}
    for name, served_by in sorted(names.items()):
        bare, hint = without_prefixes(name.lower())
        put_meant(bare, hint or served_by)
    # What genai-prices itself says where no provider is known goes before a single provider's word.
    for provider, model, clause in clauses:
        own = getattr(clause, "equals", None)
        if own is not None:
            bare, hint = without_prefixes(own.lower())
            put_meant(bare, hint)
            if provider == "openrouter":
                put(own.lower(), model)
        regex = _DATED.fullmatch(getattr(clause, "regex", ""))
        if regex is not None:
            name = regex["name"].replace("\\", "")
            for mark in regex["mark"].strip("[]") if len(regex["mark"]) > 1 else regex["mark"]:
                put(f"{name}{mark}{_FORMS[regex['date']]}", model)
    for _, model, clause in clauses:
        for own in (model, getattr(clause, "equals", model)):
            put(without_prefixes(own.lower())[0], model)
    for model in openai_models():
        put(f"{model}-YYYY-MM-DD", model)
    for name, model in OLD_IDS.items():
        put(name, model)
    for model in MODELS.words:
        put(without_prefixes(model.lower())[0], model)
    return table


def hosts() -> dict[str, str]:
    """Return the provider of each host, in genai-prices' order.

    Raises
    ------
    ValueError
        A provider's rule is no plain host, and `HOSTS` does not have it.
    """
    table: dict[str, str] = {}
    for provider in Rules().providers:
        plain = _PLAIN_HOST.fullmatch(provider.api_pattern)
        if provider.id in HOSTS:
            own = HOSTS[provider.id]
        elif plain is None:
            raise ValueError(f"add the hosts of {provider.id}: {provider.api_pattern}")
        else:
            own = [plain["host"].replace("\\", "") + (plain["path"] or "")]
        for host in own:
            table.setdefault(host, provider.id)
    for provider_id, own in OWN_HOSTS.items():
        for host in own:
            table.setdefault(host, provider_id)
    return table


def text(what: str, source: str, table: dict[str, str]) -> str:
    """Return the text of a table: a line for each meaning, with all the names that have it."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, meaning in table.items():
        names[meaning].append(name)
    lines = [f"{meaning} {' '.join(sorted(names[meaning]))}" for meaning in sorted(names)]
    return "\n".join([f"# {what}", f"# Made by scripts/model_table.py from {source}.", *lines, ""])


def tables() -> dict[Path, str]:
    """Return the text of every table by its file."""
    sdks = ("anthropic", "litellm", "openai", "pydantic-ai-slim")
    listing = ", ".join(f"{name} {version(name)}" for name in sdks)
    return {
        FOLDER / "models.txt": text(
            "Ids of public models, each with the other names that it has.",
            f"{prices.described()}\n# and the lists of {listing},\n"
            "# and from scripts/vocabularies/published.txt",
            models(),
        ),
        FOLDER / "hosts.txt": text(
            "Public providers, each with its hosts.",
            f"{prices.described()} and the documents of providers",
            hosts(),
        ),
    }


def main(arguments: Iterable[str]) -> int:
    """Write the tables, or say which of them are stale; return the exit status."""
    stale = 0
    for file, content in tables().items():
        if "--check" not in arguments:
            file.write_text(content, "utf-8")
        elif not file.exists() or file.read_text("utf-8") != content:
            print(f"{file.name} is stale, run: python scripts/model_table.py")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
