"""The tables of SDKs are what the code says, and that is what is tried."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sdk_table import PAGE, TABLES, Covered, covered, main, page, tables

PROJECT = Path(__file__).parents[3]


def numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def tried(package: str) -> set[str]:
    """Return the versions that the tests have, in the environment or beside it."""
    files = [(PROJECT / name).read_text("utf-8") for name in ("Makefile", "constraints.txt")]
    name = re.sub("[-_]", "[-_]", package)
    return {
        found for file in files for found in re.findall(rf"(?m)(?:^|[ \t]){name}==([0-9.]+)", file)
    }


def test_the_tables_are_made_from_the_code(tmp_path: Path) -> None:
    """Run ``make documents`` if this fails."""
    text, hooks = PAGE.read_text("utf-8"), TABLES.read_text("utf-8")
    assert page(text) == text, "make documents"
    assert tables(hooks) == hooks, "make documents"
    stale = tmp_path / "README.md", tmp_path / "hooks.py"
    stale[0].write_text(text.replace("| `openai` |", "| `that-is-gone` |"), "utf-8")
    stale[1].write_text(hooks.replace('"openai"', '"that_is_gone"'), "utf-8")
    main(*stale)
    assert [each.read_text("utf-8") for each in stale] == [text, hooks]


@pytest.mark.parametrize("one", list(covered()), ids=lambda one: one.package)
def test_the_newest_version_that_is_covered_is_tried(one: Covered) -> None:
    package, *_ = one.package.split(", ")
    assert numbers(one.oldest) <= numbers(one.newest)
    versions = tried(package)
    if not versions:
        # Too large to be installed for every run.
        assert f'"{package}": SDK(' in (PROJECT / "tests/newest.py").read_text("utf-8")
        return
    newest = max(map(numbers, versions))
    assert newest[: len(numbers(one.newest))] == numbers(one.newest)
