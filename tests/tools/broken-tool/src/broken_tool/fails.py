"""Warns, and raises with a text of its own."""

import warnings

warnings.warn("a secret warning", DeprecationWarning, stacklevel=1)
raise RuntimeError("a secret message")
