"""What a mutation is: a promise that is broken, how, and the test that must see it."""

from __future__ import annotations

from typing import NamedTuple


class Edit(NamedTuple):
    """One change of a file: what stands in it once, and what takes its place."""

    file: str
    old: str
    new: str


class Mutant(NamedTuple):
    """A broken promise, the edits that break it, and the test that must fail."""

    name: str
    test: str
    edits: tuple[Edit, ...]
