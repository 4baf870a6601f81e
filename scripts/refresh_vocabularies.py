"""Refresh the shipped vocabularies, or say whether they are stale.

``python scripts/refresh_vocabularies.py [--check] [NAME ...]``; ``make vocabularies`` runs it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from vocabularies.sections import parse
from vocabularies.sources import SOURCES

from dev_analytics.catalogue.vocabulary import FOLDER

PROGRAM = "python scripts/refresh_vocabularies.py"


def main(arguments: list[str] | None = None) -> int:
    """Refresh or check the named vocabularies, and return the exit status."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Refresh shipped vocabularies.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SOURCES)}")
    parser.add_argument("--check", action="store_true", help="only tell what is stale; no network")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the fetched wheels here")
    chosen = parser.parse_args(arguments)
    names: list[str] = chosen.names or list(SOURCES)
    if unknown := set(names) - set(SOURCES):
        parser.error(f"without a source: {', '.join(sorted(unknown))}")
    if chosen.check:
        return max([check(name) for name in names])
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            refresh(name, chosen.cache or Path(folder))
    return 0


def refresh(name: str, cache: Path) -> None:
    """Rewrite the generated section of a vocabulary's file."""
    path = FOLDER / f"{name}.txt"
    parts = SOURCES[name].refreshed(parse(path.read_text("utf-8")), cache)
    path.write_text(parts.text(), "utf-8")
    print(f"{name}: {len(parts.members)} members")


def check(name: str) -> int:
    """Print how a vocabulary's file is stale, and return 1 if it is."""
    findings = SOURCES[name].findings(parse((FOLDER / f"{name}.txt").read_text("utf-8")))
    for finding in findings:
        print(f"{name}: {finding}")
    if findings:
        print(f"to refresh it: {PROGRAM} {name}")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
