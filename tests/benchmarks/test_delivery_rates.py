"""What delivery costs the user's path, and how fast a sender is: ratios within one run."""

from __future__ import annotations

import gc
import json
import os
import time
from collections.abc import Iterator
from datetime import date
from math import inf
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from measure import Hosts

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.destinations import ARCHIVE

KEY = "phc_of_a_test"
APPEND_BOUND = 6
RATE_BOUND = 0.8
WAITING = 10_000
ROUNDS, MAX_ROUNDS = 3, 12
"""More than the first number only where a busy machine did not yet tell."""
BATCH = 500


@pytest.fixture
def quick_server() -> Iterator[str]:
    """A server in a process of its own that acknowledges whatever comes; its address."""
    hosts = Hosts()
    yield hosts.good
    hosts.close()


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Collect no garbage while measuring; send nothing through a proxy."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def agreed(data: Path) -> Analytics:
    """An `Analytics` with a spool, whose user agreed a while ago."""
    ConsentStore(data).agree(NOTICE, date.today())
    os.utime(data / "consent", (0, 0))
    return Analytics(data, delivery=None, strict=True)


@pytest.fixture
def event(agreed: Analytics) -> Any:
    """Record one event."""
    return lambda: agreed.event("cell_executed", outcome="ok", duration_ms=120)


def test_the_spool_against_a_bare_write(
    agreed: Analytics, event: Any, tmp_path: Path, in_turns: Any, figure: Any
) -> None:
    event()
    record = agreed.pipeline.preview[-1].record
    user_id = json.loads(record)["distinct_id"]
    descriptor = os.open(tmp_path / "bare", os.O_APPEND | os.O_CREAT | os.O_WRONLY)

    def bare() -> None:
        os.write(descriptor, record + b"\n")

    alone = in_turns(
        lambda: agreed.pipeline.sink.accept(record, user_id, ARCHIVE), bare, rounds=200, loops=50
    )
    whole = in_turns(event, bare, rounds=200, loops=50)
    os.close(descriptor)
    reference = f"bare write of its bytes {alone.second:.2f} µs"
    figure("spool alone", f"{alone.first:.1f} µs, {alone.ratio:.1f}x", reference, "3x")
    figure("event into the spool", f"{whole.first:.1f} µs, {whole.ratio:.1f}x", reference, "-")
    assert alone.ratio < APPEND_BOUND


def test_a_sender_against_bare_batch_post(
    agreed: Analytics, event: Any, data: Path, quick_server: str, figure: Any
) -> None:
    import requests
    from posthog.request import batch_post

    from dev_analytics.delivery.sender import Sender
    from dev_analytics.destinations.posthog_requests import PostHog

    for _ in range(WAITING):
        event()
    agreed.pipeline.sink.close(at_exit=False)
    content = {file.name: file.read_bytes() for file in (data / "spool").iterdir()}
    events = [json.loads(line) for lines in content.values() for line in lines.splitlines()]
    assert len(events) == WAITING
    for file in (data / "spool").iterdir():
        file.unlink()
    batches = [events[first : first + BATCH] for first in range(0, WAITING, BATCH)]
    taken: dict[str, list[float]] = {"sender": [], "bare": []}
    rounds, sender, bare = 0, 0.0, inf
    while rounds < ROUNDS or (rounds < MAX_ROUNDS and sender / bare <= RATE_BOUND):
        rounds += 1
        for name, lines in content.items():
            # A name of its own: what the ledger knows of a file is not sent again.
            fresh = uuid4().hex[:16] + name[16:]
            (data / "spool" / fresh).write_bytes(lines)
        begin = time.perf_counter()
        Sender(data, PostHog(KEY, quick_server), max_days=30).run()
        taken["sender"].append(time.perf_counter() - begin)
        session = requests.Session()
        begin = time.perf_counter()
        for batch in batches:
            batch_post(KEY, quick_server, gzip=True, batch=batch, session=session)
        taken["bare"].append(time.perf_counter() - begin)
        sender, bare = (WAITING / min(times) for times in taken.values())
    assert read_ledger(data).delivered == rounds * WAITING
    figure(
        "sender, events per second",
        f"{sender:,.0f}, {sender / bare:.2f}x",
        f"bare batch_post of ready batches {bare:,.0f}",
        "0.8x or more",
    )
    assert sender / bare > RATE_BOUND
