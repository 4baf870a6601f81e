"""Run dev with a PostHog of your own on this machine, and compare what it got with the event log.

``python docs/wire.py``: answer the question, run what you like, leave with ``exit``. A record that
you agreed to send must have come over the wire as the very bytes of its line in the log; a line
without an identifier was made without your yes, and must not have come at all.
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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DEV = "from dev_analytics.commands.dev import main; main()"
KEY = "phc_of_nobody"
SECONDS = 60

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


def main() -> int:
    """Be the command: 0 if the bytes are the same."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "events.jsonl")
        run_dev(f"http://127.0.0.1:{server.server_port}", log)
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
    same = sent == agreed and b'"event"' not in rest
    print("\nThe same bytes, and no others." if same else "\nTHIS IS NOT THE SAME.")
    return 0 if same else 1


def run_dev(host: str, log: Path) -> None:
    """Run dev in this terminal, with a project at `host` and its event log in `log`."""
    settings = (f"--DevAnalytics.posthog_project_key={KEY}", f"--DevAnalytics.posthog_host={host}")
    flags = ("--analytics", "--analytics-log", str(log), "--no-banner", "--no-confirm-exit")
    subprocess.run(
        [sys.executable, "-c", DEV, *flags, *settings],
        env={**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
        check=False,
    )


def wait_for(lines: list[bytes]) -> None:
    """Wait until as many records have come, and a little longer for what must not come."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and not all(line in b"".join(bodies) for line in lines):
        time.sleep(0.1)
    time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
