"""Run the notebooks in real kernels and keep the last records of their event log.

``python notebooks/sample.py [FILE [NUMBER]]``, ``make sample``: as somebody who agrees, with a home
and a data directory that are gone afterwards, so that the identifier in the records is of nobody.
The notebooks that load the extension are run in turn until there are enough records.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from demo import become_somebody_else, run, wait_for_sender

FOLDER = Path(__file__).parent
SAMPLE = FOLDER.parent / "docs" / "sample-analytics.jsonl"
RECORDS = 1000
LOADS = "%load_ext dev_analytics"


def main(sample: Path = SAMPLE, number: int = RECORDS) -> None:
    """Write the last `number` records of running the notebooks into `sample`."""
    # One that reads logs and makes no records is none to make a sample of.
    notebooks = [
        file for file in sorted(FOLDER.glob("*.ipynb")) if LOADS in file.read_text("utf-8")
    ]
    with tempfile.TemporaryDirectory(prefix="dev-analytics-sample-") as folder:
        log = Path(folder, "events.jsonl")
        become_somebody_else(Path(folder), log)
        lines: list[bytes] = []
        times = 0
        while len(lines) < number:
            notebook = notebooks[times % len(notebooks)]
            times += 1
            cells = json.loads(notebook.read_text("utf-8"))["cells"]
            with redirect_stdout(StringIO()):
                run([cell for cell in cells if cell["cell_type"] == "code"], Path(folder))
            lines = log.read_bytes().splitlines(keepends=True)
        wait_for_sender(Path(folder, "data"))
    sample.write_bytes(b"".join(lines[-number:]))
    names = ", ".join(notebook.name for notebook in notebooks)
    print(f"{sample}: the last {number} of {len(lines)} records of {times} runs of {names}.")


if __name__ == "__main__":
    sample, number = (*sys.argv[1:3], *(str(SAMPLE), str(RECORDS))[len(sys.argv[1:3]) :])
    main(Path(sample), int(number))
