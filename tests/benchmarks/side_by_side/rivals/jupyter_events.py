"""Jupyter's own event logger."""

from __future__ import annotations

import logging

from jupyter_events import EventLogger

from rivals import DURATION, OUTCOME, Base

ID = "https://events.example.org/cell-executed"
SCHEMA = """
"$id": {id}
version: "1"
title: Cell executed
description: A cell was executed.
type: object
required: [outcome, duration_ms]
properties:
  outcome:
    type: string
    enum: [ok, error, interrupted]
  duration_ms:
    type: integer
"""


class Library(Base):
    """Validates and hands to a handler."""

    def setup(self, declared: int = 1) -> None:
        """Register `declared` schemas."""
        handler = logging.FileHandler(self.folder / "events.jsonl")
        self.logger = EventLogger(handlers=[handler])
        self.logger.register_event_schema(SCHEMA.format(id=ID))
        for number in range(1, declared):
            self.logger.register_event_schema(SCHEMA.format(id=f"{ID}-{number}"))

    def event(self) -> None:
        """Emit one event."""
        data = {"outcome": OUTCOME, "duration_ms": DURATION}
        self.logger.emit(schema_id=ID, data=data)
