"""One session's records from its spool to PostHog: every byte that was kept, told or sent."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from fake_posthog import FakePostHog, hang
from processes import senders

from dev_analytics.delivery.launcher import MODULE

FILES = re.compile(
    r"archive\.sqlite|(consent|ledger|sender)\.(lock|json|log)|consent"
    r"|consent/consent\.json|sender-([0-9a-f]{8}|archive)\.lock"
    r"|spool|spool/[0-9a-f]{16}-([0-9a-f]{8}|archive)(\.live)?\.jsonl"
)
SENDER_LOG = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 (\d+ delivered"
    r"|the server could not be reached \([A-Za-z]+\)|the server took too long)"
)


class Delivered:
    """What is left of a session whose records go to a PostHog on this machine.

    It is made before the session begins, and PostHog answers nothing until `end` has looked.

    Parameters
    ----------
    data
        The data directory.
    log
        The event log.
    posthog
        The PostHog.
    until, everything
        The fixtures of these names.

    Attributes
    ----------
    lines, sent, archived
        The records in the log, in the requests, and in the archive that a copy was delivered to.
    files
        The names of all files, below the data directory and its copy.
    places
        The bytes of everything, by where they stand.
    """

    def __init__(
        self,
        data: Path,
        log: Path,
        posthog: FakePostHog,
        until: Callable[[Callable[[], bool]], None],
        everything: Callable[[Path], bytes],
    ) -> None:
        self.lines: list[bytes] = []
        self.sent: list[bytes] = []
        self.archived: list[bytes] = []
        self.files: set[str] = set()
        self.places: dict[str, bytes] = {}
        self._data, self._log, self._posthog = data, log, posthog
        self._until, self._everything = until, everything
        posthog.answer(hang)

    def end(self, copy: Path) -> None:
        """Look at everything, after the session's end, in a `copy` of the data directory too."""
        data, posthog, everything = self._data, self._posthog, self._everything
        # Its sender waits for an answer, with the records still in the spool.
        assert posthog.arrived.wait(240)
        if sys.platform == "linux":
            (number,) = senders(data)
            sender = Path(f"/proc/{number}")
            self.places["the sender's arguments"] = (sender / "cmdline").read_bytes()
            self.places["the sender's environment"] = (sender / "environ").read_bytes()
        shutil.copytree(data, copy)
        self.places["spool"] = everything(copy / "spool")
        self.archived = list(archived(copy))
        self.places["archive"] = (copy / "archive.sqlite").read_bytes()
        posthog.released.set()
        self._until(lambda: bool(posthog.stored) and not list((data / "spool").iterdir()))
        self._until(lambda: not senders(data))
        self.lines = self._log.read_bytes().splitlines()
        self.sent = [json.dumps(event).encode() for (event, *_) in posthog.stored.values()]
        self.files = {
            str(path.relative_to(folder)) for folder in (data, copy) for path in folder.rglob("*")
        }
        self.places |= {
            "log": self._log.read_bytes(),
            "sender's log": (data / "sender.log").read_bytes(),
            "data directory": everything(data),
            "copy of the data directory": everything(copy),
            "request bodies": b"\n".join(each.body for each in posthog.requests),
            "request headers": json.dumps([each.headers for each in posthog.requests]).encode(),
        }

    def check(self) -> None:
        """Fail where what lies beside the records has no closed shape, or two records differ."""
        assert sorted(self.lines) == sorted(self.sent) == sorted(self.archived)
        assert [name for name in self.files if not FILES.fullmatch(name)] == []
        assert all(map(SENDER_LOG.fullmatch, self.places["sender's log"].decode().splitlines()))


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
