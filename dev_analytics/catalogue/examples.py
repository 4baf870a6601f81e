"""An example of every event, for the documents: made up, but made a record as a real one is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dev_analytics.catalogue.events import EVENTS, properties
from dev_analytics.catalogue.fields import Event
from dev_analytics.catalogue.record import Form
from dev_analytics.catalogue.values import Frames, Version

_DISTINCT_ID: Final = "71b00c15-cdb5-4ee2-afb1-2f11ecfbebf4"
_UUID: Final = "4163b27f-0a2e-460a-a170-451d6443b2b5"
_SESSION: Final = "01a2042b-1cc0-7e03-916b-076d9f8c7209"
_SECONDS: Final = 1_795_366_264

_ASKED: Final[Mapping[str, object]] = {
    "provider": "anthropic",
    "model": "claude-sonnet-4-5",
    "input_tokens": 1820,
    "output_tokens": 344,
    "cache_read_input_tokens": 1024,
    "cache_write_input_tokens": 0,
    "reasoning_output_tokens": 64,
    "latency_s": 4.2,
    "time_to_first_chunk_s": 0.61,
    "is_error": True,
    "error_type": "anthropic.APIStatusError",
    "http_status": 529,
    "operation": "chat",
    "sdk": "anthropic",
    "stream": True,
    "edit_format": "diff",
    "tool": "dev",
    "fine_tuned": False,
}

GIVEN: Final[Mapping[str, Mapping[str, object]]] = {
    "launched": {
        "frontend": "jupyter kernel",
        "python": "3.13.1",
        "ipython": "9.1.0",
        "os": "linux",
        "version": "1.0.0",
    },
    "cell_executed": {"outcome": "ok", "duration_ms": 120},
    "feature_used": {"kind": "line magic", "name": "timeit"},
    "command_run": {"command": "preview"},
    "error_raised": {
        "exception": "OSError",
        "exact": False,
        "package": "dev_analytics",
        "phase": "cell",
        "frames": ["dev_analytics.apps.magics:DevAnalyticsMagics.dev_analytics:75"],
    },
    "message_send": _ASKED,
    "embedding": {
        **_ASKED,
        "provider": "openai",
        "model": "text-embedding-3-small",
        "input_tokens": 512,
        "output_tokens": 0,
        "cache_read_input_tokens": 0,
        "reasoning_output_tokens": 0,
        "error_type": "openai.APIStatusError",
        "http_status": 503,
        "operation": "embeddings",
        "sdk": "openai",
        "stream": False,
    },
    "kernel_action": {"action": "restart", "status": "success"},
    "file_action": {"action": "save", "kind": "notebook"},
    "exited": {"reason": "end of process", "cells": 12, "duration": 940},
}
"""What is given for the example of each event, by the names of Python."""


def example(event: type[Event]) -> bytes:
    """Return the example of an event as its record would be written, byte for byte."""
    own = _BY_WIRE.get(event.wire)
    given = typical(event) if own is None else accepted(event, own)
    form = Form(event, distinct_id=_DISTINCT_ID, session_id=_SESSION)
    return form.fill(given, 17, _SECONDS, _UUID)


def accepted(event: type[Event], given: Mapping[str, object]) -> dict[str, object]:
    """Return what a record would keep of `given`.

    Places and versions are kept as they are: real ones change with source and machine.
    """
    kinds = properties(event)
    return {
        name: value if isinstance(kinds[name], Frames | Version) else kinds[name].accept(value)
        for name, value in given.items()
    }


def typical(event: type[Event]) -> dict[str, object]:
    """Return a value for each property of any event, as its record would keep it."""
    return {name: kind.accept(kind.typical) for name, kind in properties(event).items()}


_BY_WIRE: Final = {EVENTS[name].wire: given for name, given in GIVEN.items()}
