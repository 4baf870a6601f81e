"""The proof that nothing private can leave: for the core in its tests, for a tool by `prove`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dev_analytics.testing.proving import NotPrivateError, Proof, prove

__all__ = ["NotPrivateError", "Proof", "prove"]


def __getattr__(name: str) -> Any:
    """Import the proof only when it is used: every run of pytest loads the plugin beside it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dev_analytics.testing import proving

    return getattr(proving, name)
