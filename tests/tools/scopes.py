"""What a yes to a tool covers, for the tests that give one."""

from __future__ import annotations

from dev_analytics.consent.scope import Scope
from dev_analytics.tools import installed as registry
from dev_analytics.tools.terms import scope_of


def scopes(*names: str) -> dict[str, Scope]:
    """Return what a yes to these installed tools covers."""
    found = {each.name: each for each in registry.installed()}
    return {found[name].key: scope_of(found[name].tool) for name in names if found[name].tool}


def some(word: str = "bar", notice: int = 1) -> Scope:
    """Return a scope of one event and one word, for tests of what is stored."""
    return Scope(
        notice,
        {
            "acme: chart made": frozenset({"A chart was drawn."}),
            "acme: chart made/kind": frozenset({"Kind of chart."}),
            "acme: chart made/kind/word": frozenset({word, "other"}),
        },
    )
