"""Numbers in which nobody can be found: the rules of the public page, as pure functions.

Only identifiers are counted, never what each did: one user who does much is one. A number is
rounded down to a multiple of `MIN_USERS`, so it stands for at least so many, and the difference of
any two, in one table or in two, of one week or of two, is zero or at least so many again: no
subtraction gives a smaller group. One user more or less changes nothing, or a whole step.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final

from msgspec import Struct

from dev_analytics.catalogue.vocabulary import OTHER

MIN_USERS: Final = 20
"""How many identifiers a number stands for, at least."""


class Cell(Struct, frozen=True):
    """A number of the page.

    Attributes
    ----------
    name
        A word of a vocabulary, or ``"other"``.
    users
        So many identifiers, or more.
    """

    name: str
    users: int


def rounded_down(users: int) -> int:
    """Return a multiple of `MIN_USERS` with two digits that are not 0; 0 if there are too few."""
    # From 1,000 on the second digit's place is a multiple of `MIN_USERS` itself.
    step = MIN_USERS if users < 1_000 else 10 ** (len(str(users)) - 2)
    return users // step * step


def cells(groups: Mapping[str, Set[int]]) -> list[Cell]:
    """Return what may be told of groups, the largest first and ``"other"`` last.

    What is too small becomes ``"other"``, which has no line where it is too small too, or nobody.
    Which of both must not follow from the others: where these are too few for all that there are,
    so that somebody has to be in it, the smallest of them goes with it.

    Parameters
    ----------
    groups
        The identifiers by word.
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
        # By what is told of them: which of two is missing does not say which was the smaller one.
        smallest = min(shown, key=lambda word: (rounded_down(len(shown[word])), word))
        rest |= shown.pop(smallest)
    counted = [Cell(word, rounded_down(len(users))) for word, users in shown.items()]
    counted.sort(key=lambda cell: (-cell.users, cell.name))
    return [*counted, Cell(OTHER, rounded_down(len(rest)))] if len(rest) >= MIN_USERS else counted
