"""Closed vocabularies: the only words that may leave.

A value is looked up, and the vocabulary's own member is passed on, never the value; anything else
becomes ``"other"``. Text is looked up only here. The long lists are files in ``vocabularies/``,
each of which says in its first lines where its members come from.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Final

OTHER: Final = "other"
FOLDER: Final = Path(__file__).with_name("vocabularies")
_ORIGIN_ENDS: Final = ("# Refresh with", "# from ", "# kept by hand")


class Vocabulary:
    """A named, closed set of words.

    Parameters
    ----------
    name
        Its name in the documents; for a shipped vocabulary also that of its file.
    *members
        The words. Without any, they are read from ``vocabularies/<name>.txt`` when first needed.

    Attributes
    ----------
    shipped
        Whether its words are those of a file.
    get
        Returns the member that equals a plain ``str``, or None; `find` checks the type first.
    """

    def __init__(self, name: str, *members: str) -> None:
        self.name = name
        self.shipped = not members
        self._members: dict[str, str] | None = _closed(members) if members else None
        self.get: Callable[[str], str | None] = self._members.get if self._members else self._get

    @property
    def members(self) -> frozenset[str]:
        """Every word that this vocabulary can give, ``"other"`` included."""
        return frozenset(self._load().values())

    @property
    def words(self) -> tuple[str, ...]:
        """The same in the order in which they are declared, without ``"other"``."""
        return tuple(word for word in self._load() if word != OTHER)

    def find(self, value: object) -> str | None:
        """Return the member that equals `value`, or None.

        Only a plain ``str`` is compared: the ``__eq__`` and ``__hash__`` of anything else, a
        subclass of ``str`` too, are the user's code.
        """
        return self.get(value) if type(value) is str else None

    def member(self, value: object) -> str:
        """Return the member that equals `value`, or ``"other"``."""
        return self.find(value) or OTHER

    def _load(self) -> dict[str, str]:
        if self._members is None:
            self._members = _closed(read(self.name))
            self.get = self._members.get
        return self._members

    def _get(self, value: str) -> str | None:
        return self._load().get(value)

    def __repr__(self) -> str:
        return f"Vocabulary({self.name!r})"


def read(name: str) -> list[str]:
    """Return the members in a shipped file: one a line, ``#`` begins a comment line."""
    lines = (FOLDER / f"{name}.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def origin(name: str) -> str:
    """Return what a shipped file says of itself: what its members are and where they come from."""
    lines = (FOLDER / f"{name}.txt").read_text("utf-8").splitlines()
    heading = takewhile(lambda line: line[:1] == "#" and not line.startswith(_ORIGIN_ENDS), lines)
    return " ".join(line.removeprefix("# ") for line in heading)


def _closed(members: tuple[str, ...] | list[str]) -> dict[str, str]:
    words = (*members, OTHER)
    return dict(zip(words, words, strict=True))
