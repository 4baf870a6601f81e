"""Public names of models that no SDK lists; a file here says where each is public."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

FILE: Final = Path(__file__).with_suffix(".txt")
KINDS: Final = frozenset({"models", "families", "retired", "older"})
"""Kinds of names: models; families in ollama's library; no longer listed; short for an id."""


class Published(NamedTuple):
    """Names that are public at one address.

    Attributes
    ----------
    kind
        One of `KINDS`.
    address
        A release of a package, whose wheel has the names, or a file.
    names
        The names, as they stand there.
    """

    kind: str
    address: str
    names: list[str]


def sections(text: str | None = None) -> Iterator[Published]:
    """Yield the sections of the file.

    Raises
    ------
    ValueError
        A name stands before any address, or a section is of no kind.
    """
    section: Published | None = None
    for line in (FILE.read_text("utf-8") if text is None else text).splitlines():
        if line.startswith("## "):
            if section is not None:
                yield section
            kind, address = line.removeprefix("## ").split()
            if kind not in KINDS:
                raise ValueError(f"no kind of names: {kind}")
            section = Published(kind, address, [])
        elif not line.startswith("#"):
            if section is None:
                raise ValueError(f"where is it public? {line}")
            section.names.append(line)
    if section is not None:
        yield section


def names(*kinds: str) -> set[str]:
    """Return the names of these kinds."""
    return {name for each in sections() if each.kind in kinds for name in each.names}


def models() -> set[str]:
    """Return the names that the vocabulary of models has from here."""
    return names("models", "families")
