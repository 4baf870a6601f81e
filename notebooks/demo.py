"""Run a notebook in a real kernel, as somebody who agrees, and show all that was recorded.

``python notebooks/demo.py [NOTEBOOK]``: home, data directory and event log are temporary, nothing
leaves the machine, and nothing stays behind. Fails if a cell fails that is not tagged
``raises-exception``.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import tempfile
import textwrap
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from filelock import FileLock
from jupyter_client.manager import KernelManager

from dev_analytics.catalogue.fields import Event, fields
from dev_analytics.consent.asking.prompt import READING_SECONDS

NOTEBOOK = Path(__file__).with_name("tour.ipynb")
SECONDS = 120
WIDTH = 100
QUERIES = (
    """\
SELECT event, count(*) AS records, max(duration_ms) AS longest_ms
FROM events GROUP BY event ORDER BY records DESC, event""",
    """\
SELECT provider, model, fine_tuned, edit_format, count(*) AS calls,
       sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out
FROM events WHERE event = '$ai_generation' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2""",
)
OF_THE_USER = (
    *("DEV_ANALYTICS", "DO_NOT_TRACK", "CI"),
    *("IPYTHON", "JUPYTER", "XDG_", "PYTHONSTARTUP"),
)
COMMON = {*(each.wire for each in fields(Event)), "$ai_trace_id", "$ai_cache_reporting_exclusive"}


def main(notebook: Path) -> None:
    """Run the notebook and print what it left in the event log."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    with tempfile.TemporaryDirectory(prefix="dev-analytics-demo-") as folder:
        log = Path(folder, "events.jsonl")
        become_somebody_else(Path(folder), log)
        print(f"Running {notebook.name} in a kernel, and answering its question.\n")
        run([cell for cell in cells if cell["cell_type"] == "code"], Path(folder))
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        if not lines:
            sys.exit("The event log is empty.")
        show(lines)
        show_archive(Path(folder, "data"))


def become_somebody_else(home: Path, log: Path) -> None:
    """Give this process, and so the kernel, a user who has not answered yet."""
    for name in [name for name in os.environ if name.startswith(OF_THE_USER)]:
        del os.environ[name]
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        os.environ[name] = str(home / name.lower())
    os.environ |= {
        "HOME": str(home),
        # Nor is the machine's configuration for everybody taken: see tests/machine/fake_root.py.
        "FAKE_ROOT": str(home / "root"),
        "XDG_CONFIG_DIRS": str(home / "root" / "etc" / "xdg"),
        "DEV_ANALYTICS_DIR": str(home / "data"),
        "DEV_ANALYTICS_LOG": str(log),
        # The notebook's shell command finds the Python that runs it.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }


def run(cells: list[dict[str, Any]], folder: Path) -> None:
    """Run the cells, and answer yes where they ask."""
    # The path of a socket has at most 104 bytes: a temporary folder may lie too deep.
    with tempfile.TemporaryDirectory(prefix="k-", dir="/tmp") as sockets:
        run_in_kernel(cells, folder, f"{sockets}/k")


def run_in_kernel(cells: list[dict[str, Any]], folder: Path, sockets: str) -> None:
    """Run the cells in a kernel that listens on sockets: ports others may take before it does."""
    # What lies beside the notebook can be imported, as it can where somebody runs it.
    shutil.copy(NOTEBOOK.with_name("small_llm.py"), folder)
    manager = KernelManager(transport="ipc", ip=sockets)
    manager.start_kernel(cwd=str(folder), extra_arguments=["--log-level=ERROR"])
    client = manager.client()
    client.start_channels()
    shown: list[str] = []

    def answer(message: dict[str, Any]) -> None:
        question = message["content"]["prompt"]
        print("".join(shown) + question + "y")
        time.sleep(READING_SECONDS)
        client.input("y")

    def output(message: dict[str, Any]) -> None:
        content = message["content"]
        shown.append(content.get("text") or "\n".join(content.get("traceback", ())))

    try:
        client.wait_for_ready(timeout=SECONDS)
        for cell in cells:
            shown.clear()
            reply = client.execute_interactive(
                "".join(cell["source"]),
                allow_stdin=True,
                stop_on_error=False,
                timeout=SECONDS,
                stdin_hook=answer,
                output_hook=output,
            )
            expected = "raises-exception" in cell["metadata"].get("tags", ())
            if reply["content"]["status"] != "ok" and not expected:
                sys.exit(f"Cell {cell['id']} failed:\n{''.join(shown)}")
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


def show(lines: list[str]) -> None:
    """Print the records as a table, the counts by event, and one record as it stands."""
    records = [json.loads(line) for line in lines]
    rows = [
        (
            record["timestamp"][11:19],
            record["event"],
            ", ".join(
                f"{name}={value}"
                for name, value in record["properties"].items()
                if name not in COMMON
            ),
        )
        for record in records
    ]
    print("\nEvery record of the event log, without what all records have in common:\n")
    table([("time", "event", "properties"), *rows])
    print("\nCounts by event:\n")
    table([(str(number), event) for event, number in count(records)])
    print("\nOne record, exactly as it stands in the log and would be sent:\n")
    print(max(zip(lines, records, strict=True), key=worth_showing)[0])


def show_archive(data: Path) -> None:
    """Print queries over the archive, once all is delivered."""
    wait_for_sender(data)
    print("\nDelivered to the archive on this machine, as there is no project key:\n")
    with closing(sqlite3.connect(data / "archive.sqlite")) as archive:
        for query in QUERIES:
            print(textwrap.indent(query, "    ") + "\n")
            found = archive.execute(query)
            names = tuple(column[0] for column in found.description)
            rows = [tuple("-" if each is None else str(each) for each in row) for row in found]
            table([names, *rows])
            print()


def wait_for_sender(data: Path) -> None:
    """Wait until all is delivered and the sender has ended."""
    end = time.monotonic() + SECONDS
    while list(Path(data, "spool").glob("*")):
        if time.monotonic() > end:
            sys.exit("Nothing was delivered.")
        time.sleep(0.05)
    with FileLock(data / "sender.lock", timeout=SECONDS):
        """The sender has ended."""


def table(rows: list[tuple[str, ...]]) -> None:
    """Print aligned columns, the last one wrapped."""
    *widths, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    left = sum(widths) + 2 * len(widths)
    for *cells, last in rows:
        start = "".join(f"{cell:{width}}  " for cell, width in zip(cells, widths, strict=True))
        print(textwrap.fill(last, WIDTH, initial_indent=start, subsequent_indent=" " * left))


def count(records: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Count the records of each event, the most frequent first."""
    return Counter(record["event"] for record in records).most_common()


def worth_showing(item: tuple[str, dict[str, Any]]) -> tuple[bool, bool]:
    """Prefer a record that was made after the yes, and of these a cell."""
    record = item[1]
    return record["distinct_id"] is not None, record["event"] == "cell executed"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else NOTEBOOK)
