"""Frozen values: declared by annotations, made by position or name, never changed."""

from __future__ import annotations

from typing import Any

import pytest

from dev_analytics.consent import Value


class Point(Value):
    """A value of a test."""

    x: int
    y: int = 0

    def doubled(self) -> Point:
        return self.replace(x=2 * self.x, y=2 * self.y)


class Place(Value):
    """Another one with the same fields."""

    x: int
    y: int = 0


def test_fields_are_given_by_position_or_name_and_have_defaults() -> None:
    for point in (Point(1, 2), Point(1, y=2), Point(y=2, x=1)):
        assert (point.x, point.y) == (1, 2)
    assert Point(1).y == Point.y == 0
    assert Point(1, 2).doubled() == Point(2, 4)


def test_values_are_equal_by_class_and_fields() -> None:
    assert Point(1) == Point(1, 0)
    assert hash(Point(1)) == hash(Point(1, 0))
    assert Point(1) != Point(2)
    assert Point(1) != Place(1)
    assert repr(Point(1)) == "Point(x=1, y=0)"


def test_a_value_never_changes() -> None:
    point: Any = Point(1)
    with pytest.raises(AttributeError, match="Point is frozen"):
        point.x = 2
    with pytest.raises(AttributeError, match="Point is frozen"):
        del point.x
    point.replace(x=2)
    assert point == Point(1)


def test_a_field_that_is_missing_unknown_or_given_twice_is_an_error() -> None:
    nothing: dict[str, Any] = {}
    with pytest.raises(TypeError, match="Point needs x"):
        Point(**nothing)
    for args, kwargs in (((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"z": 1})):
        with pytest.raises(TypeError, match="Point has the fields x, y, each once"):
            Point(*args, **kwargs)
    with pytest.raises(TypeError, match="each once"):
        Point(1).replace(z=1)
