"""The workers of a run share its tests by units, which name what there is."""

from __future__ import annotations

from pathlib import Path

from units import APART, TOGETHER, unit

ROOT = Path(__file__).parents[2]


def test_a_file_stays_together_but_where_its_functions_may_go_apart() -> None:
    alone, another = "tests/test_clock.py", APART[0]
    assert unit(f"{alone}::test_one[a]") == unit(f"{alone}::test_two") == alone
    assert unit(f"{another}::test_one[a::b]") == unit(f"{another}::test_one[c]")
    assert unit(f"{another}::test_one[a]") != unit(f"{another}::test_two")


def test_a_folder_with_a_server_of_its_own_stays_together() -> None:
    (folder,) = TOGETHER
    assert unit(f"{folder}test_a.py::test_one") == unit(f"{folder}test_b.py::test_two[x]") == folder


def test_every_file_and_folder_that_is_named_is_there() -> None:
    assert all((ROOT / name).exists() for name in (*TOGETHER, *APART))


def test_what_goes_apart_has_no_fixture_that_several_functions_share() -> None:
    shared = [name for name in APART if 'scope="' in (ROOT / name).read_text("utf-8")]
    assert shared == []
