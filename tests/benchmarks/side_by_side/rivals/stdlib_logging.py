"""A line of a log file by the standard library."""

from __future__ import annotations

import logging

from rivals import Base
from rivals.bare import LINE


class Library(Base):
    """Logs."""

    def setup(self) -> None:
        """Open the file."""
        self.text = LINE.decode().rstrip()
        self.logger = logging.getLogger("benchmark")
        self.logger.setLevel(logging.INFO)
        self.logger.propagate = False
        self.logger.addHandler(logging.FileHandler(self.folder / "events.jsonl"))

    def event(self) -> None:
        """Log one line."""
        self.logger.info(self.text)
