"""The list of mutations fits the source as it is; ``make mutants`` makes them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from mutant import Edit, Mutant
from mutants import MUTANTS, ROOT, applied


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutation_changes_one_place_and_names_a_test(mutant: Mutant) -> None:
    for edit in mutant.edits:
        changed = applied(edit, ROOT)
        if edit.file.endswith(".py"):
            compile(changed, edit.file, "exec")
    file, _, name = mutant.test.partition("::")
    tests = ast.parse((ROOT / file).read_text("utf-8")).body
    assert name.partition("[")[0] in [getattr(test, "name", None) for test in tests]


def test_a_mutation_that_fits_nowhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("twice twice")
    for old in ("never", "twice"):
        with pytest.raises(LookupError):
            applied(Edit("file", old, "new"), tmp_path)


def test_no_mutation_is_listed_twice() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 10
