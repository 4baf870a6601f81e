"""The table of SDKs in the documents, made from the modules that observe them.

``python scripts/sdk_table.py`` writes it, and so does ``make documents``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from documents import ROOT, between, table

from dev_analytics.observers.hooks import HOOKS

PAGE: Final = ROOT / "docs/models.md"


class Covered(NamedTuple):
    """Which calls of an SDK are seen, in the words of the page on models.

    Attributes
    ----------
    package
        The name that it is installed by; several, separated by commas, if they are seen alike.
    oldest, newest
        The versions that it was tried with.
    calls
        The calls that are seen.
    """

    package: str
    oldest: str
    newest: str
    calls: str


def covered() -> Iterator[Covered]:
    """Yield what each module in `HOOKS` covers; a module that covers no SDK says None."""
    for name in dict.fromkeys(HOOKS.values()):
        said = importlib.import_module(name).COVERS
        if said is not None:
            yield Covered(*said)


def page(text: str) -> str:
    """Return the page on models with the table as it is now."""
    rows = [("SDK", "versions", "calls that are seen")]
    for package, oldest, newest, calls in covered():
        versions = oldest if oldest == newest else f"{oldest} to {newest}"
        names = ", ".join(f"`{name}`" for name in package.split(", "))
        rows.append((names, versions, calls))
    return between(text, table(rows))


def main(path: Path = PAGE) -> None:
    """Write the table."""
    path.write_text(page(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
