"""Run dev with a PostHog of your own on this machine, and compare what it got with the event log.

``python docs/wire.py``: answer the question, run what you like, leave with ``exit``. A record that
you agreed to send must have come over the wire as the very bytes of its line in the log; a line
without an identifier was made without your yes, and must not have come at all.

``python docs/wire.py --later`` asks nothing by itself: run what you like, say ``%dev_analytics on``
when you like, go on, and leave. It has an answer of its own, which is gone afterwards. Then it also
shows where each record that came stands in its recording.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DEV = "from dev_analytics.apps.dev import main; main()"
KEY = "phc_of_nobody"
SECONDS = 180

heads: list[str] = []
bodies: list[bytes] = []


class Recorder(BaseHTTPRequestHandler):
    """Keeps every request, unpacked, and acknowledges it as PostHog does."""

    def do_POST(self) -> None:
        """Take a request."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        zipped = self.headers.get("Content-Encoding") == "gzip"
        heads.append(f"{self.requestline}\n{str(self.headers).strip()}")
        bodies.append(gzip.decompress(body) if zipped else body)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": 1}')

    def log_message(self, *words: object) -> None:
        """Print nothing: the terminal is dev's."""


def main(later: bool) -> int:
    """Be the command: 0 if the bytes are the same."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        log = Path(folder, "events.jsonl")
        host = f"http://127.0.0.1:{server.server_port}"
        if later:
            run_dev(host, log, ("--DevAnalytics.sample_percent=0",), {"DEV_ANALYTICS_DIR": folder})
        else:
            run_dev(host, log, ("--analytics",), {})
        lines = log.read_bytes().splitlines()
        agreed = [line for line in lines if json.loads(line)["distinct_id"]]
        wait_for(agreed)
    wire = b"".join(bodies)
    sent = [line for line in lines if line in wire]
    rest = wire
    for line in sent:
        rest = rest.replace(line, b"<a line of the log>")
    print(f"\n{len(lines)} lines in the log, {len(agreed)} of them made after a yes.")
    print(f"{len(sent)} of them came over the wire, byte for byte. All that came beside them:\n")
    print(*heads, rest.decode(), sep="\n")
    if later:
        show_places(lines, sent)
    same = sent == agreed and b'"event"' not in rest
    print("\nThe same bytes, and no others." if same else "\nTHIS IS NOT THE SAME.")
    return 0 if same else 1


def show_places(lines: list[bytes], sent: list[bytes]) -> None:
    """Show where each record stands in its recording: first what was not sent, then what was."""
    for title, shown in (
        ("Not sent", [line for line in lines if line not in sent]),
        ("Sent", sent),
    ):
        print(f"\n{title}:")
        for record in map(json.loads, shown):
            own = record["properties"]
            counted = {name: own[name] for name in ("cells", "duration") if name in own}
            print(f"{own['seq']:4} {record['event']:14} {record['timestamp']}", end="  ")
            print(f"$session_id {own['$session_id']} of {began(own['$session_id'])}", end="")
            print(*(f"  {name} {value}" for name, value in counted.items()), sep="")


def began(session_id: str) -> str:
    """Return the time that stands in a UUID7."""
    milliseconds = uuid.UUID(session_id).int >> 80
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def run_dev(host: str, log: Path, flags: tuple[str, ...], variables: dict[str, str]) -> None:
    """Run dev in this terminal, with a project at `host` and its event log in `log`."""
    settings = (f"--DevAnalytics.posthog_project_key={KEY}", f"--DevAnalytics.posthog_host={host}")
    flags = (*flags, "--analytics-log", str(log), "--no-banner", "--no-confirm-exit")
    subprocess.run(
        [sys.executable, "-c", DEV, *flags, *settings],
        env={**os.environ, **variables, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
        check=False,
    )


def wait_for(lines: list[bytes]) -> None:
    """Wait until as many records have come, and a little longer for what must not come."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and not all(line in b"".join(bodies) for line in lines):
        time.sleep(0.1)
    time.sleep(1)


if __name__ == "__main__":
    sys.exit(main("--later" in sys.argv[1:]))
