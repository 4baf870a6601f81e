"""What genai-prices knows: which public model a name means, and whose address a URL is.

No other module imports genai-prices, and this one only in a process of its own, which
`dev_analytics.names` starts and asks: it takes a quarter to half a second, and what it imports
would be seen half imported by other threads of the user's. Its network is never used, its caches
neither: they would keep names and addresses, and its errors quote them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, BinaryIO, Final

from msgspec import json

MAIN: Final = (
    *("openai", "anthropic", "google", "mistral", "cohere", "deepseek", "x-ai"),
    *("meta", "groq", "aws", "perplexity", "moonshotai", "voyageai"),
)
"""The providers whose models are looked through where no provider is known, in this order."""


class Matcher:
    """Finds public models and providers in the data of genai-prices.

    Parameters
    ----------
    snapshot
        Makes a snapshot of the data, with caches of its own.
    """

    def __init__(self, snapshot: Any) -> None:
        self._snapshot = snapshot

    def model(self, name: str, provider: str | None) -> str | None:
        """Give the id of the public model that `name` means at `provider`, or anywhere."""
        for where in dict.fromkeys((provider, None, *MAIN)):
            try:
                found = self._snapshot().find_provider_model(name, None, where, None)[1].id
            except Exception:  # noqa: S112, its text quotes the name
                continue
            return found if type(found) is str else None
        return None

    def provider(self, url: str) -> str | None:
        """Give the id of the provider that serves `url`, or None."""
        try:
            found = self._snapshot().find_provider(None, None, url).id
        except Exception:
            return None
        return found if type(found) is str else None


def load() -> Matcher | None:
    """Give the matcher; None where genai-prices is missing or broken."""
    try:
        from genai_prices.data import providers
        from genai_prices.data_snapshot import DataSnapshot
    except Exception:
        return None
    return Matcher(lambda: DataSnapshot(providers=providers, from_auto_update=False))


def answer(questions: Iterable[bytes], answers: BinaryIO, matcher: Matcher | None) -> None:
    """Answer each line, ``["model", name, provider]`` or ``["provider", url]``, with a line."""
    for line in questions:
        kind, *what = json.decode(line, type=tuple[str | None, ...])
        found = getattr(matcher, str(kind))(*what) if matcher else None
        answers.write(json.encode(found) + b"\n")
        answers.flush()


def main() -> None:
    """Answer on the standard streams, in a child that nobody waits for, until they end."""
    if os.fork():
        os._exit(0)
    answer(sys.stdin.buffer, sys.stdout.buffer, load())


if __name__ == "__main__":
    main()
