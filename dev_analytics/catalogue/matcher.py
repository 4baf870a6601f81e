"""What genai-prices knows: which public model a name means, and whose address a URL is.

No other module imports genai-prices, and this one only when `load` is called: it takes a quarter
to half a second. Its network is never used, its caches neither: they would keep names and
addresses, and its errors quote them.
"""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Final

MAIN: Final = (
    *("openai", "anthropic", "google", "mistral", "cohere", "deepseek", "x-ai"),
    *("meta", "groq", "aws", "perplexity", "moonshotai", "voyageai"),
)
"""The providers whose models are looked through where no provider is known, in this order."""


LONGEST_WAIT: Final = 10.0
"""How many seconds a fork waits at most for the data that a thread is loading."""


class Matcher:
    """Finds public models and providers in the data of genai-prices.

    Parameters
    ----------
    snapshot
        Makes a snapshot of the data, with caches of its own.
    """

    def __init__(self, snapshot: Any) -> None:
        self._snapshot = snapshot

    @lru_cache(maxsize=256)  # noqa: B019, there is one of it in a process
    def model(self, name: str, provider: str | None) -> str | None:
        """Give the id of the public model that `name` means at `provider`, or anywhere."""
        for where in dict.fromkeys((provider, None, *MAIN)):
            try:
                found = self._snapshot().find_provider_model(name, None, where, None)[1].id
            except Exception:  # noqa: S112, its text quotes the name
                continue
            return found if type(found) is str else None
        return None

    @lru_cache(maxsize=64)  # noqa: B019
    def provider(self, url: str) -> str | None:
        """Give the id of the provider that serves `url`, or None."""
        try:
            found = self._snapshot().find_provider(None, None, url).id
        except Exception:
            return None
        return found if type(found) is str else None


class _Loading:
    """Whether the data is there: the matcher, or None where it cannot be had."""

    lock = threading.Lock()
    forking = False
    tried = False
    matcher: Matcher | None = None


def load() -> Matcher | None:
    """Give the matcher, loading it first; None where genai-prices is missing or broken."""
    with _Loading.lock:
        if not _Loading.tried:
            _Loading.matcher = _import()
            _Loading.tried = True
        return _Loading.matcher


def loaded() -> Matcher | None:
    """Give the matcher if it is loaded."""
    return _Loading.matcher


def tried() -> bool:
    """Tell whether loading is over, well or not."""
    return _Loading.tried


def missing() -> bool:
    """Tell whether the names cannot be had; this loads nothing."""
    if _Loading.tried:
        return _Loading.matcher is None
    try:
        return find_spec("genai_prices") is None
    except Exception:
        return True


def _import() -> Matcher | None:
    try:
        from genai_prices.data import providers
        from genai_prices.data_snapshot import DataSnapshot
    except Exception:
        return None
    return Matcher(lambda: DataSnapshot(providers=providers, from_auto_update=False))


def _before_fork() -> None:
    """Let the data be loaded to the end: a child would wait for ever for a half imported module."""
    _Loading.forking = _Loading.lock.acquire(timeout=LONGEST_WAIT)


def _after_fork_in_parent() -> None:
    if _Loading.forking:
        _Loading.lock.release()


def _after_fork() -> None:
    _Loading.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork,
    )
