"""The proof that nothing private can leave: of the core by its tests, of a tool by `prove`."""

from __future__ import annotations

from dev_analytics.testing.proving import NotPrivateError, Proof, prove

__all__ = ["NotPrivateError", "Proof", "prove"]
