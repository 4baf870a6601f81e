"""What each kind of value lets through, and what it refuses."""

from __future__ import annotations

import json
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics.catalogue.source import OPEN, functions, places
from dev_analytics.catalogue.values import (
    MAX_DURATION,
    MAX_FRAMES,
    MAX_TOKENS,
    Count,
    Duration,
    Flag,
    Frames,
    RefusedValueError,
    Version,
    Word,
)
from dev_analytics.catalogue.versions import installed_version
from dev_analytics.catalogue.vocabulary import Vocabulary

COLOURS = Vocabulary("colours", "red", "green")
SHAPES = Vocabulary("shapes", "round", "red")


class Hostile(str):
    """Equals every word, and says so when it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Hostile.compared += 1
        return True

    def __hash__(self) -> int:
        Hostile.compared += 1
        return hash("red")


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.text()),
    st.builds(object),
    st.text().map(Hostile),
)


@given(anything)
def test_a_word_is_a_member_or_other(value: object) -> None:
    assert Word("", (COLOURS, SHAPES)).accept(value) in {"red", "green", "round", "other"}


def test_a_word_is_the_vocabulary_s_own_object_and_never_the_input() -> None:
    given_word = "".join(["re", "d"])
    accepted = Word("", (COLOURS,)).accept(given_word)
    assert accepted == given_word
    assert accepted is not given_word


def test_a_text_that_runs_code_when_compared_is_not_compared() -> None:
    assert Word("", (COLOURS,)).accept(Hostile("red")) == "other"
    assert Hostile.compared == 0


@given(anything)
def test_a_flag_is_a_boolean(value: object) -> None:
    if type(value) is bool:
        assert Flag("").accept(value) is value
    else:
        with pytest.raises(RefusedValueError):
            Flag("").accept(value)


@given(anything | st.integers(0, 2 * MAX_TOKENS))
def test_a_count_is_a_whole_number_from_0_in_three_significant_digits(value: Any) -> None:
    exact, capped = Count("", "", most=MAX_TOKENS), Count("", "", most=MAX_TOKENS, capped=True)
    if type(value) is int and value >= 0:
        accepted = capped.accept(value)
        assert type(accepted) is int
        assert re.fullmatch(r"\d{1,3}0*", str(accepted))
        assert abs(accepted - min(value, MAX_TOKENS)) * 200 <= min(value, MAX_TOKENS)
    else:
        with pytest.raises(RefusedValueError):
            capped.accept(value)
    if type(value) is int and 0 <= value <= MAX_TOKENS:
        assert exact.accept(value) == capped.accept(value)
    else:
        with pytest.raises(RefusedValueError):
            exact.accept(value)


@pytest.mark.parametrize(
    ("given_count", "kept"),
    [(0, 0), (999, 999), (1004, 1000), (1005, 1000), (1015, 1020), (9995, 10000), (18473, 18500),
     (3141, 3140), (9_999_999, 10_000_000), (2**53 - 1, 10_000_000), (10**400, 10_000_000)],
)  # fmt: skip
def test_counts_are_rounded_and_capped(given_count: int, kept: int) -> None:
    assert Count("", "", most=MAX_TOKENS, capped=True).accept(given_count) == kept


@given(st.lists(st.integers(0, MAX_TOKENS), min_size=1))
def test_a_sum_of_counts_stays_right_within_half_a_percent(counts: list[int]) -> None:
    kind = Count("", "", most=MAX_TOKENS, capped=True)
    assert abs(sum(map(kind.accept, counts)) - sum(counts)) * 200 <= sum(counts)  # type: ignore[arg-type]


@pytest.mark.parametrize("most", [0, 9, 599, 999, 1000, 12_345, 10**5])
def test_the_size_of_a_count_is_how_many_can_come_out(most: int) -> None:
    kind = Count("", "", most=most)
    # What is no number of three digits itself is left out of what is counted.
    found = {int(str(kind.accept(value))) for value in range(most + 1)}
    assert kind.size == len({value for value in found if value <= most})


@given(anything)
def test_a_duration_is_a_number_from_0_in_two_significant_digits(value: Any) -> None:
    kind = Duration("", "ms")
    if type(value) in (int, float) and 0 <= value <= MAX_DURATION:
        accepted = kind.accept(value)
        assert type(accepted) is int
        assert re.fullmatch(r"\d{1,2}0*", str(accepted))
        assert abs(accepted - value) <= max(0.5, 0.0501 * value)
    else:
        with pytest.raises(RefusedValueError):
            kind.accept(value)


@pytest.mark.parametrize(
    ("given_ms", "kept"),
    [
        (0, 0),
        (0.4, 0),
        (0.6, 1),
        (9.46, 9),
        (94.6, 95),
        (99.6, 100),
        (123, 120),
        (125.1, 130),
        (1999, 2000),
        (61234, 61000),
    ],
)
def test_durations_are_rounded(given_ms: float, kept: int) -> None:
    assert Duration("", "ms").accept(given_ms) == kept


@given(st.floats(0, 1e6))
def test_seconds_with_decimals_have_two_digits_and_are_no_finer_than_a_millisecond(
    seconds: float,
) -> None:
    accepted = Duration("", "s", decimals=3).accept(seconds)
    assert type(accepted) is float
    assert abs(accepted - seconds) <= max(0.0005, 0.0501 * seconds)
    assert json.dumps(accepted) == msgspec.json.encode(accepted).decode()
    assert len(f"{accepted:.10f}".rstrip("0").strip("0.").replace(".", "").rstrip("0")) <= 2


@pytest.mark.parametrize(
    ("version", "kept"),
    [
        ("3.11.7", "3.11.7"),
        ("9.18.1.dev0", "9.18.1"),
        ("9.18.1.4", "9.18.1"),
        ("9.18.1+acme.17", "9.18.1"),
        ("3.14.0rc1", "3.14.0"),
        ("007", "7"),
        ("acme-3", "other"),
        ("20261126.1", "other"),
        ("", "other"),
        ("٣.١", "other"),
    ],
)
def test_a_version_keeps_three_numbers_of_what_is_installed(
    version: str, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "acme_versioned-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Name: acme-versioned\nVersion: {version}\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    installed_version.cache_clear()
    assert Version("", distribution="acme-versioned").read() == kept
    installed_version.cache_clear()


@pytest.mark.parametrize("described", ["\nVersion: 3.2.1 comes soon\n", ""])
@pytest.mark.parametrize("metadata", ["Name: acme-versioned\n", ""])
def test_a_version_that_only_the_description_names_is_none(
    metadata: str, described: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "acme_versioned-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"{metadata}{described}", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    installed_version.cache_clear()
    assert Version("", distribution="acme-versioned").read() == "other"
    installed_version.cache_clear()


@pytest.mark.parametrize("value", [-0.0, 0.0, 0, 1e-9])
@pytest.mark.parametrize("decimals", [0, 3])
def test_there_is_one_zero(value: float, decimals: int) -> None:
    assert str(Duration("", "s", decimals=decimals).accept(value)) in ("0", "0.0")


def test_a_version_is_that_of_python_or_of_an_installed_distribution() -> None:
    assert Version("").read() == ".".join(map(str, sys.version_info[:3]))
    assert metadata.version("ipython").startswith(Version("", distribution="ipython").read())
    assert Version("", distribution="no-such-distribution").read() == "other"


@given(anything | st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,4}){0,3}", fullmatch=True))
def test_a_version_that_is_passed_in_is_never_passed_on(value: object) -> None:
    kind = Version("", distribution="ipython")
    assert kind.accept(value) == ("other" if value != kind.read() else kind.read())
    assert kind.accept("".join(kind.read())) is kind.read()


def a_place() -> tuple[str, str, int]:
    line = functions("dev_analytics.catalogue.source")["places"][1]
    return "dev_analytics.catalogue.source", "places", line


def test_a_place_of_our_own_source_is_kept() -> None:
    module, function, line = a_place()
    assert Frames("").accept([(module, function, line)]) == [f"{module}:{function}:{line}"]


def test_methods_and_inner_functions_have_their_qualified_names() -> None:
    assert "Session.start" in functions("dev_analytics.apps.extension")
    assert "quiet.<locals>.quietly" in functions("dev_analytics.callbacks")
    assert "load_ipython_extension" in functions("dev_analytics")


@pytest.mark.parametrize(
    "claim",
    [
        ("dev_analytics.catalogue.source", "places_secret", 20),
        ("dev_analytics.catalogue.source", "places", 1),
        ("dev_analytics.catalogue.source", "places", 10**6),
        ("dev_analytics.secret", "places", 20),
        ("dev_analytics/../secret", "places", 20),
        ("dev_analytics.Catalogue.source", "places", 20),
        ("dev_analytics...secret", "places", 20),
        ("secret", "places", 20),
        ("dev_analytics.catalogue.source", "places", "20"),
        "dev_analytics.catalogue.source:places:20",
        None,
    ],
)
def test_a_place_that_does_not_exist_is_left_out(claim: object) -> None:
    assert Frames("").accept([claim]) == []


@pytest.mark.parametrize("left", ["nothing", "half of it"])
def test_no_place_is_known_in_source_that_cannot_be_read(
    left: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package may be imported from an archive, and one in a checkout be in the writing."""
    if left == "half of it":
        (tmp_path / "acme").mkdir()
        (tmp_path / "acme" / "chart.py").write_text("def draw():\n    return (\n")
    monkeypatch.setitem(OPEN, "acme", tmp_path / "acme")
    functions.cache_clear()
    assert Frames("").accept([("acme.chart", "draw", 1)]) == []
    (tmp_path / "acme").mkdir(exist_ok=True)
    (tmp_path / "acme" / "chart.py").write_text("def draw():\n    return ()\n")
    functions.cache_clear()
    assert Frames("").accept([("acme.chart", "draw", 1)]) == ["acme.chart:draw:1"]
    functions.cache_clear()


def test_a_place_is_one_of_the_shipped_files_letter_for_letter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file system that takes capitals for small letters opens a file under any spelling."""
    module, function, line = a_place()
    opened = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened(Path(str(path).lower())))
    functions.cache_clear()
    assert Frames("").accept([(module, function, line)]) != []
    assert Frames("").accept([(module.replace("source", "sOuRcE"), function, line)]) == []


@given(st.lists(st.tuples(st.text(), st.text(), st.integers()) | anything, max_size=5))
def test_only_places_that_exist_come_out(claims: list[object]) -> None:
    assert Frames("").accept(claims) == []


def test_the_innermost_places_are_kept() -> None:
    module, function, line = a_place()
    kept = Frames("").accept([(module, function, line)] * 20)
    assert len(kept) == MAX_FRAMES  # type: ignore[arg-type]
    with pytest.raises(RefusedValueError):
        Frames("").accept("dev_analytics")


def test_only_shipped_packages_are_open() -> None:
    assert {name: (folder / "__init__.py").exists() for name, folder in OPEN.items()} == {
        "dev_analytics": True
    }
    assert all(isinstance(folder, Path) for folder in OPEN.values())
    assert list(places([])) == []
