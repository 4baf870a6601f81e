"""Marks to plant where the user's own things are, the strict reading of records, a PostHog."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fake_posthog import FakePostHog
from hypothesis import settings

from dev_analytics.testing.closed import strange
from dev_analytics.testing.marks import Marks

settings.register_profile(
    "privacy", settings.get_profile("tests"), max_examples=2000, derandomize=False
)


@pytest.fixture
def marks() -> Marks:
    """The marks of a test."""
    return Marks()


@pytest.fixture(scope="session")
def foreign() -> Callable[[bytes], list[str]]:
    """Name what stands in a record and is of no closed set."""
    return strange


@pytest.fixture
def posthog() -> Iterator[FakePostHog]:
    """A PostHog on this machine; at the end, no request may have broken a rule."""
    server = FakePostHog()
    yield server
    server.close()
    assert not server.broken
