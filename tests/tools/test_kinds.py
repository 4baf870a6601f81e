"""The numbers of a tool: rounded, bounded, and as many different ones as is said."""

from __future__ import annotations

import math
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics.catalogue.values import RefusedValueError
from dev_analytics.catalogue.versions import installed_version
from dev_analytics.tools import Count, Duration, Version


@given(st.integers(1, 30_000))
def test_the_size_of_a_count_is_its_number_of_values(most: int) -> None:
    count = Count("Rows.", "rows", most=most)
    # Beyond 3 digits, each step of the rounding is met by every 5th number, and by the last.
    numbers = {*range(min(most, 9_999) + 1), *range(0, most + 1, 5), most}
    assert len({count.accept(number) for number in numbers}) == count.size


@given(st.integers(1, 10**6), st.data())
def test_a_count_keeps_three_digits_and_its_bound(most: int, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, most))
    kept = Count("Rows.", "rows", most=most).accept(value)
    assert isinstance(kept, int)
    assert 0 <= kept <= most
    assert len(str(kept).rstrip("0")) <= 3
    assert abs(kept - value) <= 10 ** max(0, len(str(value)) - 3)


@given(st.sampled_from(["s", "ms"]), st.integers(0, 3), st.data())
def test_the_size_of_a_duration_is_its_number_of_values(
    unit: str, decimals: int, data: st.DataObject
) -> None:
    duration = Duration("Time.", unit, decimals=decimals)
    value = data.draw(st.floats(0, duration.longest))
    kept = duration.accept(value)
    assert isinstance(kept, float if decimals else int)
    assert duration.accept(kept) == kept
    assert duration.size < 1200


@pytest.mark.parametrize("value", [-1, -0.1, 1_000_001 * 2, math.nan, math.inf, 10**400, True, "1"])
def test_an_invalid_time_is_refused(value: object) -> None:
    with pytest.raises(RefusedValueError):
        Duration("Time.", "s", decimals=2).accept(value)


def test_minus_zero_is_zero() -> None:
    for decimals in range(4):
        kept = Duration("Time.", "s", decimals=decimals).accept(-0.0)
        assert math.copysign(1, kept) == 1  # type: ignore[arg-type]


def test_a_version_is_that_of_the_installed_distribution() -> None:
    read = Version("Version.", distribution="pytest").read()
    assert read == ".".join(version("pytest").split(".")[:3])
    assert Version("Version.", distribution="no-such-thing-installed").read() == "other"


@pytest.mark.parametrize(
    ("said", "kept"),
    [("1.2.3.4", "1.2.3"), ("1.2+acme.17", "1.2"), ("2026.11.22", "2026.11.22"), ("0", "0"),
     ("jane", "other"), ("99999.1", "other"), ("1.0rc1", "1.0"), ("١.٢", "other"), ("", "other")],
)  # fmt: skip
def test_a_version_keeps_three_numbers(
    said: str, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "toy-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: toy\nVersion: {said}\n", "utf-8")
    installed_version.cache_clear()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert Version("Version.", distribution="toy").read() == kept
