"""What the tests of delivery share: users who agreed, a PostHog that can misbehave, senders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_posthog import KEY, FakePostHog, to_posthog
from processes import senders

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import Delivery


@pytest.fixture
def posthog() -> Iterator[FakePostHog]:
    """A PostHog on this machine; at the end, no request may have broken a rule."""
    server = FakePostHog()
    yield server
    server.close()
    assert not server.broken


@pytest.fixture
def agreed(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A user who agreed and has no proxy; at the end, no sender is left."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    ConsentStore(data).agree(NOTICE, date.today())
    yield
    for sender in senders(data):
        with suppress(ProcessLookupError):
            os.kill(sender, signal.SIGKILL)


@pytest.fixture
def agree_to(data: Path) -> Callable[..., None]:
    """Make the user agree to send records to the project at a server."""

    def agree(server: str, key: str = KEY) -> None:
        named = [Delivery(recipient=to_posthog(server, key)).recipient]
        ConsentStore(data).agree(NOTICE, date.today(), recipients=named)

    return agree


@pytest.fixture
def spool_events(data: Path) -> Callable[..., list[bytes]]:
    """Record `number` events of a user who agrees; return their records from the spool.

    They are for a server, or recorded where no settings are known.
    """

    def events(number: int, server: str = "") -> list[bytes]:
        delivery = Delivery(recipient=to_posthog(server, KEY)) if server else None
        named = [delivery.recipient] if delivery else []
        consent = ConsentStore(data).agree(NOTICE, date.today(), recipients=named)
        assert consent.user_id
        # The consent folder looks unchanged for a while, so that it is not read for every event.
        os.utime(data / "consent", (0, 0))
        analytics = Analytics(data, delivery=delivery, strict=True)
        records = []
        for count in range(number):
            if count % 3:
                analytics.event("cell_executed", outcome="ok", duration_ms=count)
            else:
                analytics.event("message_send", model="gpt-4o", input_tokens=count)
            records.append(analytics.pipeline.preview[-1].record)
        analytics.delivery = None  # it starts no sender
        analytics.pipeline.sink.close(at_exit=False)
        return records

    return events


SENDER = """
import json, sys
from dev_analytics.delivery.sender_process import run
run(**json.loads(sys.argv[1]))
"""


@pytest.fixture
def start_sender(data: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a sender as a process that the test can wait for; to the archive without a server."""
    started: list[subprocess.Popen[bytes]] = []

    def start(
        server: str = "", *, first_pause: float = 0.01, **variables: str
    ) -> subprocess.Popen[bytes]:
        options: dict[str, object] = {"data": str(data), "max_days": 30, "first_pause": first_pause}
        if server:
            options["recipient"] = to_posthog(server)
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", SENDER, json.dumps(options)],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def waiting(data: Path) -> Callable[[], list[bytes]]:
    """Return the lines that wait in the spool, sorted."""
    return lambda: sorted(
        line for file in (data / "spool").glob("*") for line in file.read_bytes().splitlines()
    )


def pytest_make_parametrize_id(val: Any) -> str | None:
    """Name cases by what they are."""
    return getattr(val, "__name__", None)
