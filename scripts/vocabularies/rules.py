"""The rules of genai-prices: which model a name means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

MAIN: Final = (
    *("openai", "anthropic", "google", "mistral", "cohere", "deepseek", "x-ai"),
    *("meta", "groq", "perplexity", "moonshotai", "voyageai"),
)
"""The providers whose rules are asked where a name does not say whose it is, in this order."""


class Rules:
    """The rules of genai-prices."""

    def __init__(self) -> None:
        from genai_prices.data import providers
        from genai_prices.data_snapshot import DataSnapshot

        self.providers: Any = providers
        self._snapshot = DataSnapshot(providers=providers, from_auto_update=False)

    def model(self, name: str, provider: str | None) -> str | None:
        """Return the id of the model that `name` means at `provider`, or at the main ones.

        Bedrock's rules come last: they find parts of other providers' names.
        """
        first = () if provider == "aws" else (provider,)
        for where in dict.fromkeys((*first, None, *MAIN, provider)):
            try:
                return str(self._snapshot.find_provider_model(name, None, where, None)[1].id)
            except LookupError:
                continue
        return None

    def clauses(self) -> Iterator[tuple[str, str, Any]]:
        """Yield every clause of every rule, with its provider and its model."""
        for provider in self.providers:
            for model in provider.models:
                for clause in _alternatives(model.match):
                    yield provider.id, model.id, clause


def _alternatives(rule: Any) -> Iterator[Any]:
    """Yield the clauses of which one is enough."""
    for clause in getattr(rule, "or_", None) or (rule,):
        if clause is rule:
            yield clause
        else:
            yield from _alternatives(clause)
