"""Consent: what the user answered, what else decides, and what follows from both.

Its values are of frozen classes that cost next to nothing to declare. Declaring a named tuple takes
half a millisecond in a kernel, and a data class takes more: the declarations of the extension would
take as long as all the rest of its start.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, Self, dataclass_transform


@dataclass_transform(frozen_default=True)
class Value:
    """A value: the class's annotations are its fields, and the class's attributes their defaults.

    The fields of the class that it extends come first.

    Raises
    ------
    TypeError
        A field is missing, unknown or given twice.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _known: ClassVar[frozenset[str]] = frozenset()
    _needed: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        cls._fields += tuple(cls.__annotations__)
        cls._known = frozenset(cls._fields)
        cls._needed = frozenset(name for name in cls._fields if not hasattr(cls, name))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fields = self._fields
        given = dict(zip(fields, args, strict=False))
        if len(args) > len(fields) or given.keys() & kwargs or not self._known.issuperset(kwargs):
            raise TypeError(f"{type(self).__name__} has the fields {', '.join(fields)}, each once")
        given |= kwargs
        if not self._needed.issubset(given):
            missing = [name for name in fields if name in self._needed and name not in given]
            raise TypeError(f"{type(self).__name__} needs {', '.join(missing)}")
        self.__dict__.update(given)

    def replace(self, **changes: Any) -> Self:
        """Return the same value with some fields changed."""
        return type(self)(**{**self.__dict__, **changes})

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        values = zip(self._fields, self._values(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in values)})"

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self._fields)
