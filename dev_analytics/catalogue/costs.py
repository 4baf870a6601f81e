"""What PostHog makes of token counts: what it adds up, and when a price must be stated.

PostHog prices a request by its model. It adds reasoning to the output of the Gemini models that
report it apart, and knows no model that runs on the user's own machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

# Compiled when they are used, which few sessions do.
_COUNTED_SEPARATELY: Final = r"gemini-(2\.5|3(\.\d+)?)-"
OWN: Final = frozenset({"local", "ollama"})
"""The providers that are the user's own machine."""

_NONE: Final[Mapping[str, object]] = {}

_NEVER_LOCAL: Final = (
    r"(openai/|anthropic/|x-ai/)?(gpt-[345]|chatgpt|o[134](-|$)|text-embedding-[a3]|claude|grok)"
    r"|(google/)?gemini-|.*[:-]cloud$"
)
"""Models that are served by their makers only: what is local then is a proxy."""


def counted_output(model: str, output: int | None, reasoning: int | None) -> int | None:
    """Return the output tokens of a request as PostHog wants them.

    `model` is its public name; `output` includes the tokens that were spent on reasoning.
    """
    if output is None or reasoning is None or not re.match(_COUNTED_SEPARATELY, model):
        return output
    return max(0, output - reasoning)


def prices(request: Mapping[str, object]) -> Mapping[str, object]:
    """Return the prices that a request must state: zero for one to the user's own machine."""
    if request.get("provider") not in OWN or re.match(_NEVER_LOCAL, str(request.get("model"))):
        return _NONE
    return {"input_token_price": 0, "output_token_price": 0}
