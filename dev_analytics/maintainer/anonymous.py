"""The rules of the public page that keep users from being identified, as pure functions.

Only identifiers are counted, never events: a user who does a lot counts once. A number is rounded
down to a multiple of `MIN_USERS`, so it stands for at least that many users. The difference
between any two numbers, in whatever tables and weeks, is zero or at least that many too, so no
subtraction reveals a smaller group. One user more or less changes nothing, or a whole step.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final

from msgspec import Struct

from dev_analytics.catalogue.vocabulary import OTHER

MIN_USERS: Final = 20
"""The least number of identifiers that a number may stand for."""


class Cell(Struct, frozen=True):
    """A number on the page: of identifiers, rounded down, for a word or for ``"other"``."""

    name: str
    users: int


def rounded_down(users: int) -> int:
    """Round down to a multiple of `MIN_USERS` with at most two digits that are not 0."""
    # From 1,000 on, any number with two such digits is a multiple of `MIN_USERS`.
    step = MIN_USERS if users < 1_000 else 10 ** (len(str(users)) - 2)
    return users // step * step


def cells(groups: Mapping[str, Set[int]]) -> list[Cell]:
    """Return the numbers that may be published, from the identifiers that used each word.

    The largest comes first and ``"other"`` last. Groups that are too small are merged into
    ``"other"``, which is left out if it is too small too, or empty. Nobody may be able to tell
    which of the two: if the published groups add up to fewer than all users, somebody has to be in
    ``"other"``, so the smallest group goes there too.
    """
    shown = {
        word: users for word, users in groups.items() if word != OTHER and len(users) >= MIN_USERS
    }
    rest: set[int] = set()
    for word, users in groups.items():
        if word not in shown:
            rest |= users
    everybody = rounded_down(len(rest.union(*shown.values())))
    while (
        len(rest) < MIN_USERS
        and sum(rounded_down(len(users)) for users in shown.values()) < everybody
    ):
        # Compared by their published numbers: which of two equal ones was merged reveals nothing.
        smallest = min(shown, key=lambda word: (rounded_down(len(shown[word])), word))
        rest |= shown.pop(smallest)
    counted = [Cell(word, rounded_down(len(users))) for word, users in shown.items()]
    counted.sort(key=lambda cell: (-cell.users, cell.name))
    return [*counted, Cell(OTHER, rounded_down(len(rest)))] if len(rest) >= MIN_USERS else counted
