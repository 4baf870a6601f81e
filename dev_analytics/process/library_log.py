"""Keeps what a library logs about our calls out of the user's log, which a notebook shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident


@contextmanager
def unlogged(library: str) -> Iterator[None]:
    """Drop what this thread logs under the name of `library`, and nothing from other threads."""
    import logging

    thread = get_ident()

    def is_another_s(record: logging.LogRecord) -> bool:
        return get_ident() != thread

    logger = logging.getLogger(library)
    logger.addFilter(is_another_s)
    try:
        yield
    finally:
        logger.removeFilter(is_another_s)
