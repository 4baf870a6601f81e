"""No library at all."""

from __future__ import annotations

from rivals import Base


class Library(Base):
    """Does nothing."""
