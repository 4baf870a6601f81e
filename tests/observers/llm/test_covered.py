"""The documents' table of SDKs is what the code says, and that is what is tried."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sdk_table import PAGE, Covered, covered, main, page

from dev_analytics.catalogue.events import SDKS

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


def test_the_table_of_the_page_is_made_from_the_code(tmp_path: Path) -> None:
    """Run ``make documents`` if this fails."""
    text = PAGE.read_text("utf-8")
    assert page(text) == text, "make documents"
    stale = tmp_path / "README.md"
    first = next(covered())
    stale.write_text(text.replace(f"| `{first.package}` |", "| `that-is-gone` |"), "utf-8")
    main(stale)
    assert stale.read_text("utf-8") == text


@pytest.mark.parametrize("one", list(covered()), ids=lambda one: one.package)
def test_what_is_covered_is_in_the_vocabulary_and_its_newest_version_is_tried(one: Covered) -> None:
    package, *_ = one.package.split(", ")
    assert SDKS.find(package) or SDKS.find(package.removesuffix("-ai"))
    assert numbers(one.oldest) <= numbers(one.newest)
    versions = tried(package)
    if not versions:
        # Too large to be installed for every run.
        assert f'"{package}": SDK(' in (PROJECT / "tests/newest.py").read_text("utf-8")
        return
    newest = max(map(numbers, versions))
    assert newest[: len(numbers(one.newest))] == numbers(one.newest)
