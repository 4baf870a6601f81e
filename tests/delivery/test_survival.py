"""What was accepted arrives: after ``kill -9``, from forked children, pools, many kernels."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dev_analytics import NOTICE
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import read_ledger

Until = Callable[[Callable[[], bool]], None]

EVENTS = """
import os, sys, time
from dev_analytics import get_analytics
def events(number):
    analytics = get_analytics()
    for _ in range(number):
        analytics.event("cell_executed", outcome="ok", duration_ms=1)
    assert not analytics.drops.counts
"""


@pytest.fixture(autouse=True)
def agreed(data: Path) -> ConsentStore:
    store = ConsentStore(data)
    store.agree(NOTICE, date.today())
    return store


def start(code: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", EVENTS + code], **options)


def next_process() -> None:
    """Be the next process of the user: one event, and its end."""
    end = """
from dev_analytics.delivery import Delivery
get_analytics().delivery = Delivery()
events(1)
get_analytics().pipeline.sink.close(at_exit=True)
"""
    done = subprocess.run([sys.executable, "-c", EVENTS + end], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def rows(data: Path, query: str) -> list[tuple[Any, ...]]:
    try:
        with closing(sqlite3.connect(f"file:{data / 'archive.sqlite'}?mode=ro", uri=True)) as file:
            return file.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


def archived(data: Path) -> int:
    found = rows(data, "SELECT count(*) FROM events")
    return found[0][0] if found else 0


def identifiers(data: Path) -> list[str]:
    """Return the uuid of every record that waits; a malformed one fails."""
    return [json.loads(record)["uuid"] for record in Backlog(data).records()]


def delivered(data: Path, until: Until, number: int) -> None:
    """Wait for `number` records in the archive, each a whole one, and an empty spool."""
    until(lambda: archived(data) >= number and not Backlog(data).files())
    assert archived(data) == number
    found = rows(data, "SELECT uuid, event, distinct_id, seq, properties FROM events")
    assert len({row[0] for row in found}) == number
    assert {row[2] for row in found} == {ConsentStore(data).read().user_id}
    assert all(json.loads(row[4])["seq"] == row[3] for row in found)
    assert read_ledger(data).dropped == {}


def test_a_thousand_events_survive_a_kill_within_a_tenth_of_a_second(
    data: Path, until: Until
) -> None:
    code = "events(0); input(); events(1000); print('done', flush=True); time.sleep(600)"
    process = start(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"done\n"
    process.kill()
    process.communicate()
    assert len(set(identifiers(data))) == 1000
    next_process()
    delivered(data, until, 1001)


def test_a_kernel_killed_in_the_middle_of_a_loop_loses_nothing_it_counted(
    kernel: Any, data: Path, until: Until, tmp_path: Path
) -> None:
    running = kernel()
    running.run("%load_ext dev_analytics")
    running.client.execute(
        f"""
from pathlib import Path
from dev_analytics import get_analytics
for number in range(1_000_000):
    get_analytics().event("cell_executed", outcome="ok", duration_ms=number % 100)
    if number % 1000 == 999:
        Path({str(tmp_path / "count")!r}).write_text(str(number + 1))
"""
    )
    until(lambda: (tmp_path / "count").exists())
    running.kill()
    until(lambda: not running.manager.is_alive())
    counted = int((tmp_path / "count").read_text() or 1000)
    waiting = set(identifiers(data))
    assert len(waiting) >= counted
    next_process()
    until(lambda: not Backlog(data).files())
    found = {row[0] for row in rows(data, "SELECT uuid FROM events")}
    assert waiting <= found


@pytest.mark.parametrize("killed", [False, True])
def test_parent_and_forked_child_deliver_both(data: Path, until: Until, killed: bool) -> None:
    end = "os.kill(os.getpid(), 9)" if killed else "os._exit(0)"
    process = start(
        f"""
events(500)
child = os.fork()
events(1000)
if child:
    os.waitpid(child, 0)
{end}
"""
    )
    assert process.wait() == (-signal.SIGKILL if killed else 0)
    assert len(Backlog(data).files()) == 2
    assert len(set(identifiers(data))) == 2500
    next_process()
    delivered(data, until, 2501)


def test_no_number_of_a_session_is_used_twice_by_parent_and_child(data: Path) -> None:
    code = "events(5); child = os.fork(); events(5); child and os.waitpid(child, 0); os._exit(0)"
    assert start(code).wait() == 0
    records = [json.loads(record)["properties"] for record in Backlog(data).records()]
    used = Counter((record["$session_id"], record["seq"]) for record in records)
    assert sorted(used.values()) == [1] * 15
    assert sorted(Counter(session for session, _ in used).values()) == [5, 10]


def test_a_child_that_lives_on_does_not_keep_the_file_of_its_killed_parent(
    data: Path, until: Until
) -> None:
    process = start(
        """
events(100)
if os.fork() == 0:
    events(10)
    print(os.getpid(), flush=True)
    time.sleep(600)
os.wait()
""",
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        assert len(set(identifiers(data))) == 110
        process.kill()
        process.wait()
        next_process()
        until(lambda: archived(data) == 101)
        until(lambda: len(Backlog(data).files()) == 1)
        os.kill(child, 0)
    finally:
        os.kill(child, signal.SIGKILL)
    process.stdout.close()
    next_process()
    delivered(data, until, 112)


def test_a_child_forked_by_any_thread_at_any_moment_keeps_no_file_of_its_parent(
    data: Path, until: Until
) -> None:
    """The fork falls into the writing and handing over of another thread."""
    process = start(
        """
import threading
from dev_analytics.delivery import spool
spool.MAX_BYTES = 2000
stop = threading.Event()
def work():
    while not stop.is_set():
        events(10)
writer = threading.Thread(target=work)
writer.start()
children = []
for _ in range(30):
    child = os.fork()
    if child == 0:
        time.sleep(600)
    children.append(child)
stop.set()
writer.join()
print(*children, flush=True)
os.kill(os.getpid(), 9)
""",
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    children = [int(child) for child in process.stdout.readline().split()]
    assert len(children) == 30
    try:
        process.wait()
        waiting = set(identifiers(data))
        next_process()
        delivered(data, until, len(waiting) + 1)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        process.stdout.close()


POOL = """
import multiprocessing, os, sys
from dev_analytics import get_analytics
def work(number):
    get_analytics().event("cell_executed", outcome="ok", duration_ms=number)
    return os.getpid()
if __name__ == "__main__":
    work(0)
    with multiprocessing.get_context(sys.argv[1]).Pool(3) as pool:
        used = set(pool.map(work, range(1000), chunksize=10))
    assert os.getpid() not in used
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_workers_of_a_pool_lose_nothing(
    data: Path, until: Until, tmp_path: Path, method: str
) -> None:
    (tmp_path / "pool.py").write_text(POOL)
    done = subprocess.run(
        [sys.executable, tmp_path / "pool.py", method], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(set(identifiers(data))) == 1001
    next_process()
    delivered(data, until, 1002)


def test_eight_kernels_at_once_lose_nothing(kernel: Any, data: Path, until: Until) -> None:
    # Senders come and go while the kernels write, and leave them the machine in between.
    kernels = [kernel(None, "--DevAnalytics.flush_interval=2") for _ in range(8)]
    for each in kernels:
        each.run("%load_ext dev_analytics")
    for _ in range(2):
        asked = [
            each.client.execute(
                """
from dev_analytics import get_analytics
for number in range(2_000):
    get_analytics().event("cell_executed", outcome="ok", duration_ms=number)
"""
            )
            for each in kernels
        ]
        for each, request in zip(kernels, asked, strict=True):
            assert each.reply_to(request)["content"]["status"] == "ok"
        # A sender is started with an event, once the interval is over.
        until(lambda: kernels[0].run("0").status == "ok" and read_ledger(data).delivered > 0)
    shown = {each.run("print(get_analytics().drops.counts)").text for each in kernels}
    assert shown == {"Counter()\n"}
    for each in kernels:
        each.stop()
    exited = "SELECT event FROM events WHERE event = 'exited'"
    until(lambda: rows(data, exited) == [("exited",)] * 8)
    until(lambda: not Backlog(data).files())
    counts = dict(rows(data, "SELECT event, count(*) FROM events GROUP BY event"))
    assert (counts["launched"], counts["exited"]) == (8, 8)
    assert counts["cell executed"] >= 32_000
    sessions = dict(rows(data, "SELECT session_id, count(*) FROM events GROUP BY session_id"))
    last = dict(rows(data, "SELECT session_id, max(seq) FROM events GROUP BY session_id"))
    assert len(sessions) == 8
    assert sessions == last, "a gap in a session's numbers"
    assert all(number > 4_000 for number in last.values())
    assert read_ledger(data).dropped == {}
    assert read_ledger(data).delivered == sum(sessions.values())


def test_a_worker_that_knows_no_settings_leaves_its_records_to_a_process_that_does(
    data: Path, until: Until
) -> None:
    """A sender of its own would deliver everybody's records to where no setting sends them."""
    worker = start("events(5); get_analytics().pipeline.sink.close(at_exit=True)")
    assert worker.wait() == 0
    assert Backlog(data).count() == 5
    assert not (data / "sender.lock").exists()
    next_process()
    until(lambda: read_ledger(data).delivered == 6)


WORKERS = """
import multiprocessing, os, sys, threading
from dev_analytics import get_analytics
analytics = get_analytics()
ended = threading.Event()
def work(threads=True):
    if not threads:
        threading.stack_size(2**46)  # the system has no room for one
    for kind in ("cell_executed", "no such event"):
        analytics.event(kind, outcome="ok", duration_ms=1)
    # As the stream of a model's answer that nobody read to its end.
    analytics.pipeline.later(late)
def late():
    analytics.event("cell_executed", outcome="ok", duration_ms=2)
    ended.set()
if sys.argv[1:]:
    work()
    analytics.event("cell_executed", outcome="ok", duration_ms=3)
workers = [multiprocessing.get_context("fork").Process(target=work, args=(number > 0,))
           for number in range(3)]
for worker in workers: worker.start()
for worker in workers: worker.join()
assert [worker.exitcode for worker in workers] == [0] * 3
for _ in range(2):
    ended.clear()
    child = os.fork()
    if child == 0:
        work()
        os._exit(0 if ended.wait(60) else 1)
    assert os.waitpid(child, 0)[1] == 0
analytics.pipeline.sink.close(at_exit=True)
"""


AT_WORK = """
import multiprocessing, threading
from multiprocessing.util import Finalize
from dev_analytics import get_analytics
analytics = get_analytics()
begun, ending = threading.Event(), threading.Event()
def late():
    begun.set()
    assert ending.wait(60)
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
def work():
    analytics.pipeline.later(late)
    assert begun.wait(60)
    Finalize(None, ending.set, exitpriority=10)  # before ours
analytics.event("cell_executed", outcome="ok", duration_ms=1)
worker = multiprocessing.get_context("fork").Process(target=work)
worker.start()
worker.join()
assert worker.exitcode == 0
analytics.pipeline.sink.close(at_exit=True)
"""


def test_the_end_of_a_worker_waits_for_the_thread_that_records(data: Path) -> None:
    done = subprocess.run([sys.executable, "-c", AT_WORK], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(set(identifiers(data))) == 2


@pytest.mark.parametrize(("parent", "invalid"), [((), 5), (("records",), 6)])
def test_what_waits_in_a_forked_child_is_recorded_and_what_it_drops_is_counted(
    data: Path, parent: tuple[str, ...], invalid: int
) -> None:
    """It ends by ``os._exit``, which calls nothing; its parent may have recorded nothing before."""
    done = subprocess.run([sys.executable, "-c", WORKERS, *parent], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(set(identifiers(data))) == 3 * len(parent) + 5 * 2
    assert read_ledger(data).dropped == {"invalid": invalid}
