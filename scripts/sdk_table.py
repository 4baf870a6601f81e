"""What is known of each SDK elsewhere, made from the modules that observe them.

These are the tables in ``dev_analytics/observers/hooks.py``, which spare a session the import of
those modules, and the one in ``docs/models.md``. ``python scripts/sdk_table.py`` writes them, and
so does ``make documents``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Final, NamedTuple

from documents import ROOT, between, table

from dev_analytics.observers.llm import sdks
from dev_analytics.observers.llm.answers import SDK

PAGE: Final = ROOT / "docs/models.md"
TABLES: Final = ROOT / "dev_analytics/observers/hooks.py"
_MADE: Final = re.compile(r"(?<=# made by make documents\n).*(?=# until here\n)", re.DOTALL)


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


def modules() -> Iterator[ModuleType]:
    """Yield the modules that observe an SDK, in the order of their names."""
    for found in iter_modules(sdks.__path__):
        yield import_module(f"{sdks.__name__}.{found.name}")


def words() -> set[str]:
    """Return the words by which records name the SDKs."""
    return {each.name for ours in modules() for each in vars(ours).values() if type(each) is SDK}


def covered() -> Iterator[Covered]:
    """Yield what each module covers; a module that covers no SDK says None."""
    for ours in modules():
        if ours.COVERS is not None:
            yield Covered(*ours.COVERS)


def packages() -> set[str]:
    """Return the names by which the SDKs are installed."""
    return {name for each in covered() for name in each.package.split(", ")}


def tables(text: str) -> str:
    """Return the source of the hooks with the tables as they are now."""
    lines = ["HOOKS: Final = {"]
    called = {}
    for ours in modules():
        names = [*ours.MODULES]
        place = ours.__name__.rpartition(".")[2]
        lines += (f'    "{name}": f"{{_SDKS}}.{place}",' for name in names)
        package = ours.COVERS[0] if ours.COVERS else ""
        top = names[0].partition(".")[0]
        # One that covers two is named by their modules.
        if package and ", " not in package and top != package.replace("-", "_"):
            called[top] = package
    lines += ["}", '"""Our modules, by the modules of SDKs that they hook."""', ""]
    lines += ["DISTRIBUTIONS: Final = {"]
    lines += (f'    "{top}": "{package}",' for top, package in called.items())
    lines += ["}", '"""The distributions of modules that are called otherwise than these."""', ""]
    return _MADE.sub("\n".join(lines), text)


def page(text: str) -> str:
    """Return the page on models with the table as it is now."""
    rows = [("SDK", "versions", "calls that are seen")]
    for package, oldest, newest, calls in covered():
        versions = oldest if oldest == newest else f"{oldest} to {newest}"
        names = ", ".join(f"`{name}`" for name in package.split(", "))
        rows.append((names, versions, calls))
    return between(text, table(rows))


def main(path: Path = PAGE, hooks: Path = TABLES) -> None:
    """Write the tables."""
    path.write_text(page(path.read_text("utf-8")), "utf-8")
    hooks.write_text(tables(hooks.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
