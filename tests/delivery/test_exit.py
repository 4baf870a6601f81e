"""The end of a kernel or a terminal waits for nothing, wherever its events are to go."""

from __future__ import annotations

import os
import select
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fake_posthog import KEY, FakePostHog, ok, status, to_posthog
from processes import senders

from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import read_ledger

Until = Callable[[Callable[[], bool]], None]

MAX_ROUNDS = 20
"""As many as a busy machine needs until each case was once as fast as it is."""
MAX_SECONDS = 0.25
"""What a busy machine keeps; the figures that are printed are to be below 0.05."""

EVENTS = """
from dev_analytics import get_analytics
for _ in range(100): get_analytics().event("cell_executed", outcome="ok", duration_ms=1)
""".strip()

WITHOUT = "without the extension"


pytestmark = pytest.mark.usefixtures("agreed")


@pytest.fixture
def hosts(agreed: None, agree_to: Callable[[str], None]) -> Iterator[dict[str, str]]:
    """Addresses of PostHog that never take anything, though the user agreed to them."""
    with socket.socket() as silent, socket.socket() as gone:
        silent.bind(("127.0.0.1", 0))
        silent.listen(100)
        # Bound and not listening: nobody else gets the port meanwhile.
        gone.bind(("127.0.0.1", 0))
        found = {
            "refuses": f"http://127.0.0.1:{gone.getsockname()[1]}",
            "never answers": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "does not resolve": "https://posthog.invalid",
        }
        for host in found.values():
            agree_to(host)
        yield found


def settings(host: str) -> list[str]:
    return [f"--DevAnalytics.posthog_project_key={KEY}", f"--DevAnalytics.posthog_host={host}"]


def parent_of(process: int) -> int:
    """Return the parent of a process."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()[1])


def seconds_to_end(process: int, end: Callable[[], None]) -> float:
    """Measure how long `process` takes to end, from when it is told to."""
    handle = os.pidfd_open(process)
    try:
        since = time.perf_counter()
        end()
        assert select.select([handle], [], [], 240)[0], "it does not end"
        return time.perf_counter() - since
    finally:
        os.close(handle)


def rounds(seconds: dict[str, list[float]]) -> Iterator[int]:
    """Count rounds, and no further once they tell."""
    for number in range(MAX_ROUNDS):
        if number and as_fast(seconds):
            return
        yield number


def as_fast(seconds: dict[str, list[float]]) -> bool:
    """Compare the best or the median of each with that of an exit without the extension.

    On a busy machine one exit may be lucky, and so the best of them alone tells nothing.
    """
    return any(
        all(of(each) < of(seconds[WITHOUT]) + MAX_SECONDS for each in seconds.values())
        for of in (min, statistics.median)
    )


def judge(what: str, seconds: dict[str, list[float]]) -> None:
    """Print the medians, and compare with an exit without the extension."""
    medians = {case: statistics.median(each) for case, each in seconds.items()}
    for case, median in medians.items():
        over = median - medians[WITHOUT]
        print(f"exit of {what}, {case}: {median * 1000:.0f} ms ({over * 1000:+.0f} ms)")
    assert as_fast(seconds), seconds


def failed(data: Path, until: Until) -> None:
    """Wait for what a sender that was started at the exit notes of its first request."""
    until(lambda: bool(read_ledger(data).failure) or bool(senders(data)))
    for sender in senders(data):
        try:
            parent = parent_of(sender)
            os.kill(sender, signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        assert parent != os.getpid()


def not_of_kernel(said: str) -> list[str]:
    """Return the lines of one kernel's end that are not ipykernel's own.

    It warns there, on a busy machine also that its output took long, and its tornado may log a
    traceback, with and without the extension.
    """
    if "ERROR:tornado" in said and "dev_analytics" not in said:
        return []
    own = ("IPKernelApp", "IOStream.flush timed out")
    return [line for line in said.splitlines() if not any(word in line for word in own)]


def clear(data: Path) -> None:
    """Leave nothing for which the next process would start a sender before its end."""
    for file in Backlog(data).files():
        file.unlink()


def test_a_kernel_ends_as_fast_as_without_the_extension(
    kernel: Any, data: Path, until: Until, hosts: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    seconds: dict[str, list[float]] = {case: [] for case in (WITHOUT, *hosts)}
    shown: list[str] = []
    for _ in rounds(seconds):
        for case, each in seconds.items():
            with_it = case != WITHOUT
            shown += not_of_kernel(capfd.readouterr().err)
            running = kernel(None, *(settings(hosts[case]) if with_it else ()))
            # A kernel whose port was taken says so, and is started again.
            capfd.readouterr()
            running.run(f"%load_ext dev_analytics\n{EVENTS}" if with_it else "0")
            before = Backlog(data).count()
            each.append(seconds_to_end(running.manager.provisioner.pid, running.client.shutdown))
            running.stop()
            if with_it:
                failed(data, until)
                assert Backlog(data).count() > before >= 100
                clear(data)
    shown += not_of_kernel(capfd.readouterr().err)
    assert not shown, "\n".join(shown)
    judge("a kernel", seconds)


def test_a_terminal_ends_as_fast_as_without_the_extension(
    terminal: Any, data: Path, until: Until, hosts: dict[str, str]
) -> None:
    seconds: dict[str, list[float]] = {case: [] for case in (WITHOUT, *hosts)}
    shown = {}
    for _ in rounds(seconds):
        for case, each in seconds.items():
            with_it = case != WITHOUT
            running = terminal(*(settings(hosts[case]) if with_it else ()))
            running.prompt()
            if with_it:
                running.run("%load_ext dev_analytics")
                for line in EVENTS.splitlines():
                    running.run(line)
                assert Backlog(data).count() >= 100
            else:
                running.run("0")
            running.process.delaybeforesend = None
            each.append(seconds_to_end(running.process.pid, partial(running.type, "exit")))
            shown[case] = running.process.read().replace("exit", "").strip()
            running.process.close()
            if with_it:
                failed(data, until)
                clear(data)
    assert set(shown.values()) == {""}
    judge("a terminal", seconds)


def test_a_plain_process_ends_without_a_warning_or_a_word(
    data: Path, until: Until, hosts: dict[str, str]
) -> None:
    code = f"""
from dev_analytics import get_analytics
from dev_analytics.delivery import Delivery
analytics = get_analytics()
analytics.delivery = Delivery(recipient={to_posthog(hosts["refuses"])!r})
{EVENTS}
analytics.pipeline.sink.resume()
analytics.event("cell_executed", outcome="ok", duration_ms=1)
analytics.pipeline.sink.close(at_exit=True)
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", code],
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    failed(data, until)
    assert Backlog(data).count() == 101


def test_what_the_sender_could_not_deliver_is_delivered_once_there_is_a_way(
    kernel: Any, data: Path, until: Until, posthog: FakePostHog, agree_to: Callable[[str], None]
) -> None:
    agree_to(posthog.url)
    posthog.answer(then=status(503))
    running = kernel(None, *settings(posthog.url))
    running.run(f"%load_ext dev_analytics\n{EVENTS}")
    running.stop()
    until(lambda: read_ledger(data).failure != "")
    for sender in senders(data):
        os.kill(sender, signal.SIGKILL)
    waiting = Backlog(data).count()
    assert waiting > 100
    posthog.answer(then=ok)
    again = kernel(None, *settings(posthog.url))
    again.run("%load_ext dev_analytics")
    until(lambda: read_ledger(data).delivered >= waiting)
    assert read_ledger(data).dropped == {}
