"""The long run: everything measured in turns, then ``docs/benchmarks.md`` and its picture made.

``python tests/benchmarks/side_by_side/run.py``; with ``--document`` only the documents are made
again, of the figures that are there. It fails if a library could not be measured, or if one is
ahead of dev_analytics and nobody has written why.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from statistics import median, quantiles
from typing import Any, Final

import document
import picture
import psutil
from measure import RIVALS, ROOT, EndlessError, FailedError, Hosts, version
from rivals import LIBRARIES, NOTHING
from rows import ROWS, TASKS, Task

DOCS: Final = ROOT / "docs"
FIGURES: Final = DOCS / "benchmarks.json"


def measured(
    libraries: Collection[str], tasks: Sequence[Task] = TASKS
) -> tuple[dict[str, Any], list[str]]:
    """Measure `libraries` in turns; give the figures by row and library, and what failed."""
    samples: dict[tuple[str, str], list[float]] = defaultdict(list)
    failed: dict[tuple[str, str], str] = {}
    endless: dict[tuple[str, str], str] = {}
    everyone = [NOTHING, *libraries]
    hosts = Hosts()
    try:
        for task in tasks:
            for number in range(task.rounds):
                # Each begins a round once, so that nobody always comes after the same one.
                first = number % len(everyone)
                for library in everyone[first:] + everyone[:first]:
                    if not task.concerns(library) or (task.rows[0], library) in {*failed, *endless}:
                        continue
                    try:
                        for row, found in task.measure(hosts, library).items():
                            samples[row, library] += found
                    except FailedError as error:
                        failed[task.rows[0], library] = str(error)
                    except EndlessError as error:
                        endless[task.rows[0], library] = str(error)
            print(f"{time.strftime('%H:%M:%S')} {', '.join(task.rows)}", flush=True)
    finally:
        hosts.close()
    rows = [row for task in tasks for row in task.rows]
    figures = {
        row: {library: figure(row, library, samples, failed, endless) for library in libraries}
        for row in rows
    }
    return figures, [f"{row}, {library}: {why}" for (row, library), why in failed.items()]


def figure(
    row: str,
    library: str,
    samples: dict[tuple[str, str], list[float]],
    failed: dict[tuple[str, str], str],
    endless: dict[tuple[str, str], str],
) -> dict[str, Any]:
    """Return the median and the quartiles of what was measured, or say why there are none."""
    about = ROWS[row]
    if library not in about.who:
        return {"words": about.otherwise}
    if (row, library) in failed:
        return {"failed": failed[row, library]}
    if (row, library) in endless:
        return {"words": endless[row, library]}
    found = samples[row, library]
    if not found:
        return {"words": "not reached in the time given"}
    base = median(samples[row, NOTHING]) if about.above else 0.0
    low, _, high = quantiles(found, n=4, method="inclusive") if len(found) > 1 else found * 3
    values = {"median": median(found) - base, "low": low - base, "high": high - base}
    return {name: round(value, 3) for name, value in values.items()} | {"number": len(found)}


def machine() -> dict[str, Any]:
    """Describe this machine, and how busy it was."""
    system = (
        platform.freedesktop_os_release() if hasattr(platform, "freedesktop_os_release") else {}
    )
    return {
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "system": system.get("PRETTY_NAME", platform.system()),
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "load": round(os.getloadavg()[0], 1),
    }


def missing() -> dict[str, str]:
    """Return the libraries that could not be installed, and why."""
    reasons = {}
    for library, about in LIBRARIES.items():
        if about.package not in ("", "dev-analytics") and not (RIVALS / library).is_dir():
            said = RIVALS / f"{library}.failed"
            lines = said.read_text("utf-8").strip().splitlines() if said.exists() else []
            reasons[library] = (
                f"could not be installed: {lines[-1] if lines else 'no reason given'}"
            )
    return reasons


def run() -> list[str]:
    """Measure everything, keep the figures, and give what failed."""
    state = machine()
    absent = missing()
    begin = time.monotonic()
    figures, failed = measured([library for library in LIBRARIES if library not in absent])
    for library, why in absent.items():
        for row in ROWS:
            figures[row][library] = {"failed": why}
    versions = {
        library: version(about.package, library)
        for library, about in LIBRARIES.items()
        if about.package and library not in absent
    }
    content = {
        "day": datetime.now(UTC).date().isoformat(),
        "minutes": round((time.monotonic() - begin) / 60, 1),
        "machine": state,
        "versions": versions,
        "figures": figures,
    }
    FIGURES.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    return failed + [f"{library} {why}" for library, why in absent.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what libraries cost, side by side.")
    parser.add_argument("--document", action="store_true", help="only make the documents again")
    failed = [] if parser.parse_args().document else run()
    content = json.loads(FIGURES.read_text("utf-8"))
    (DOCS / "benchmarks.md").write_text(document.document(content), "utf-8")
    (DOCS / "images/benchmarks.svg").write_text(picture.picture(content), "utf-8")
    failed += [
        f"no reason why {other} is ahead in {row}" for row, other in document.unexplained(content)
    ]
    for line in failed:
        print(line, file=sys.stderr)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
