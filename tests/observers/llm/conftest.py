"""What the tests of all SDKs share: a provider on this machine, and what was recorded of calls."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_llm import MARK, running

from dev_analytics.analytics import Analytics
from dev_analytics.observers import hooks

SECONDS = 240

# Otherwise its import asks the network for prices.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"


@pytest.fixture
def server() -> Iterator[Any]:
    """A provider of language models."""
    with running() as server:
        yield server


class Recorded:
    """What was recorded of the calls to language models.

    Attributes
    ----------
    analytics
        Takes the calls; its user agreed, and has an event log.
    """

    def __init__(self, analytics: Analytics, log: Any, kept: Any) -> None:
        self.analytics = analytics
        self.log = log
        self._kept = kept

    def calls(self) -> list[dict[str, Any]]:
        """Return the properties of every call, once all that waits is recorded."""
        gc.collect()
        self.analytics.pipeline.catch_up()
        assert not self.analytics.drops.counts
        return list(self.log.of("$ai_generation", "$ai_embedding"))

    def call(self) -> dict[str, Any]:
        """Return the properties of the only call, without what differs from run to run."""
        (call,) = self.calls()
        assert call.pop("$ai_trace_id")
        call.pop("$ai_latency", None)
        call.pop("$ai_time_to_first_token", None)
        assert call.pop("$ai_cache_reporting_exclusive") is False
        return call

    def everything(self, folder: Path, everything: Callable[[Path], bytes]) -> bytes:
        """Return every byte that is kept, on disk and in memory."""
        self.calls()
        previewed = b"".join(each.record for each in self.analytics.pipeline.preview)
        return everything(folder) + previewed + b"".join(self._kept.records)


@pytest.fixture
def recorded(analytics: Analytics, log: Any, kept: Any) -> Iterator[Recorded]:
    """The hooks in every SDK, and what they record."""
    analytics.gate.store.agree(1, date.today())
    hooks.register(analytics)
    # What all the SDKs have loaded is no garbage, and takes long to look through: over a second for
    # each collection, were it taken back after the test.
    gc.freeze()
    yield Recorded(analytics, log, kept)
    hooks.unregister()


@pytest.fixture(autouse=True)
def nothing_private(
    request: pytest.FixtureRequest, tmp_path: Path, everything: Callable[[Path], bytes]
) -> Iterator[None]:
    """Find no planted mark, in capitals or not, in any byte that a test kept."""
    recorded = request.getfixturevalue("recorded") if "recorded" in request.fixturenames else None
    yield
    if recorded is not None:
        # Names of models are looked up in lower case.
        assert MARK.lower().encode() not in recorded.everything(tmp_path, everything).lower()
