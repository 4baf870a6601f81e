"""Notebooks as people write them, with a mark wherever they write: what is left of it anywhere.

``notebooks/`` has them, each word of somebody's a ``MARK_of_its_place``. Each is run in a real
kernel, saved, and delivered: to a PostHog on this machine and to the archive. Then every byte that
the package left or sent is searched.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import nbformat
import pytest
from fake_posthog import KEY, FakePostHog, hang
from nbclient import NotebookClient
from traitlets.config import Config

from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.launcher import MODULE
from dev_analytics.proof.marks import Marks
from dev_analytics.version import NOTICE

NOTEBOOKS = sorted(Path(__file__).with_name("notebooks").glob("*.ipynb"))
MARK = re.compile(r"MARK(?:[_-]\w+)?")
BEFORE = ["%load_ext dev_analytics"]
AFTER = ["%dev_analytics on", "%dev_analytics", "%dev_analytics preview", "%dev_analytics log"]
FILES = re.compile(
    r"archive\.sqlite|(consent|ledger|sender)\.(lock|json|log)|consent"
    r"|consent/consent\.json|sender-([0-9a-f]{8}|archive)\.lock"
    r"|spool|spool/[0-9a-f]{16}-([0-9a-f]{8}|archive)(\.live)?\.jsonl"
)
SENDER_LOG = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 (\d+ delivered"
    r"|the server could not be reached \([A-Za-z]+\)|the server took too long)"
)


class Run:
    """A notebook that was run, saved and delivered, and every byte that is left of it."""

    def __init__(self) -> None:
        self.user_id = ""
        self.lines: list[bytes] = []
        self.sent: list[bytes] = []
        self.archived: list[bytes] = []
        self.shown: dict[str, bytes] = {}
        self.places: dict[str, bytes] = {}
        self.files: set[str] = set()


def marked(file: Path, marks: Marks) -> Any:
    """Read a notebook, put a mark for every word of its writer, and our own cells around it."""
    text = MARK.sub(lambda found: marks(found[0]), file.read_text("utf-8"))
    notebook = nbformat.reads(text, as_version=4)
    cell = nbformat.v4.new_code_cell
    notebook.cells = [*map(cell, BEFORE), *notebook.cells, *map(cell, AFTER)]
    return notebook


def is_ours(cell: Any) -> bool:
    return cell.source in BEFORE + AFTER


def without_the_writer_s(notebook: Any) -> bytes:
    """Give the notebook's file without source and outputs of the cells that its writer wrote."""
    kept = json.loads(nbformat.writes(notebook))
    for cell, read in zip(kept["cells"], notebook.cells, strict=True):
        if not is_ours(read):
            del cell["source"]
            cell.pop("outputs", None)
    # The widgets that the writer made are the writer's, and are not ours.
    kept["metadata"].pop("widgets", None)
    return json.dumps(kept).encode()


def senders(data: Path) -> list[Path]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if MODULE.encode() in arguments and os.fsencode(data) in arguments:
            found.append(process)
    return found


def archived(data: Path) -> Iterator[bytes]:
    """Deliver a copy of the spool to the archive, and give its rows as records."""
    for file in (data / "spool").iterdir():
        file.rename(file.with_name(re.sub("-[0-9a-f]{8}", "-archive", file.name)))
    command = [sys.executable, "-P", "-c", f"from {MODULE} import main; main()"]
    subprocess.run([*command, str(data), "--most-days=30"], check=True)
    names = ("event", "distinct_id", "uuid", "timestamp", "properties")
    with closing(sqlite3.connect(data / "archive.sqlite")) as archive:
        for row in archive.execute(f"SELECT {', '.join(names)} FROM events ORDER BY seq"):
            record = dict(zip(names, row, strict=True))
            yield json.dumps(record | {"properties": json.loads(row[-1])}).encode()


@pytest.fixture(params=NOTEBOOKS, ids=lambda file: file.stem)
def run(
    request: pytest.FixtureRequest,
    data: Path,
    log: Any,
    marks: Marks,
    posthog: FakePostHog,
    own_sockets: Callable[[], Config],
    until: Callable[[Callable[[], bool]], None],
    everything: Callable[[Path], bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Run a notebook to the end of its delivery."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    run, copy = Run(), tmp_path / "copy"
    run.user_id = str(ConsentStore(data).agree(NOTICE, date.today()).user_id)
    posthog.answer(hang)
    notebook = marked(request.param, marks)
    folder = tmp_path / marks("folder of the notebook")
    folder.mkdir()
    environment = {
        **os.environ,
        "DEV_ANALYTICS_LOG": str(log.path),
        "USER": marks("user"),
        "HOSTNAME": marks("host"),
        "JPY_SESSION_NAME": f"{folder}/{marks('notebook')}.ipynb",
        f"AWS_{marks('name of a variable')}": marks("value of a variable"),
    }
    client = NotebookClient(
        notebook,
        config=own_sockets(),
        allow_errors=True,
        timeout=240,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=[
            f"--DevAnalytics.posthog_project_key={KEY}",
            f"--DevAnalytics.posthog_host={posthog.url}",
            # No sender before the end: it would be given the answer that never comes.
            "--DevAnalytics.flush_interval=3600",
        ],
    )
    client.execute(env=environment)

    # The kernel has ended. Its sender waits for an answer, with the records still in the spool.
    assert posthog.arrived.wait(240)
    if sys.platform == "linux":
        (sender,) = senders(data)
        run.places["the sender's arguments"] = (sender / "cmdline").read_bytes()
        run.places["the sender's environment"] = (sender / "environ").read_bytes()
    shutil.copytree(data, copy)
    run.places["spool"] = everything(copy / "spool")
    run.archived = list(archived(copy))
    run.places["archive"] = (copy / "archive.sqlite").read_bytes()
    posthog.released.set()
    until(lambda: bool(posthog.stored) and not list((data / "spool").iterdir()))
    until(lambda: not senders(data) if sys.platform == "linux" else True)

    run.lines = log.path.read_bytes().splitlines()
    run.sent = [json.dumps(event).encode() for (event, *_) in posthog.stored.values()]
    run.files = {
        str(path.relative_to(folder)) for folder in (data, copy) for path in folder.rglob("*")
    }
    run.shown = {
        cell.source: json.dumps(cell.outputs).encode() for cell in notebook.cells if is_ours(cell)
    }
    run.places |= {
        "log": log.path.read_bytes(),
        "preview": run.shown["%dev_analytics preview"],
        "status": run.shown["%dev_analytics"],
        "saved notebook": without_the_writer_s(notebook),
        "sender's log": (data / "sender.log").read_bytes(),
        "data directory": everything(data),
        "copy of the data directory": everything(copy),
        "request bodies": b"\n".join(each.body for each in posthog.requests),
        "request headers": json.dumps([each.headers for each in posthog.requests]).encode(),
    }
    return run


def test_nothing_that_somebody_wrote_is_left_anywhere(
    run: Run, marks: Marks, foreign: Callable[[bytes], list[str]]
) -> None:
    assert len(marks.planted) > 30
    for place, content in run.places.items():
        assert content, f"the {place} is empty, and shows nothing"
        assert marks.found_in(content) == [], f"in the {place}"

    # Every record is of closed sets, and the same bytes everywhere.
    for line in run.lines:
        assert foreign(line) == []
    assert sorted(run.lines) == sorted(run.sent) == sorted(run.archived)
    events = {json.loads(line)["event"] for line in run.lines}
    assert events >= {"launched", "cell executed", "feature used", "error raised", "exited"}

    # Beside records there is nothing of no closed shape, and the user's identifier in no output
    # but that of the preview, which shows what is sent.
    assert [name for name in run.files if not FILES.fullmatch(name)] == []
    assert all(map(SENDER_LOG.fullmatch, run.places["sender's log"].decode().splitlines()))
    assert [source for source, shown in run.shown.items() if run.user_id.encode() in shown] == [
        "%dev_analytics preview"
    ]


def test_every_notebook_is_there() -> None:
    assert [file.stem for file in NOTEBOOKS] == ["customers", "database", "plots", "requests"]
    for file in NOTEBOOKS:
        assert len(set(MARK.findall(file.read_text("utf-8")))) > 25
