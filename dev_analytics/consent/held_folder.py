"""A folder that is held open, one at most in a process; loaded with the second event of a session.

No finalizer closes it: Python would print what a signal handler of the user's raises in one, and
the user's code would never see it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from dev_analytics.process import kept
from dev_analytics.process.descriptors import give_up, open_above
from dev_analytics.process.handlers import Refusals
from dev_analytics.process.native import system
from dev_analytics.process.systems import NO_LINK, identity


class HeldFolder:
    """A folder that is open, so that a look at it needs no look-up of its path.

    Parameters
    ----------
    path
        The folder.

    Attributes
    ----------
    descriptor
        Its descriptor, which the user's code may have closed, and opened for something else.
    identity
        What identifies the folder.

    Raises
    ------
    OSError
        It cannot be opened.
    """

    __slots__ = ("descriptor", "identity")

    def __init__(self, path: Path) -> None:
        self.descriptor = -1
        try:
            self.descriptor = open_above(path, system.O_RDONLY | system.O_DIRECTORY | NO_LINK)
            self.identity = identity(system.fstat(self.descriptor))
        except BaseException:
            give_up(self.descriptor)
            raise

    def close(self) -> None:
        """Close its descriptor if that is still its own; a second call does nothing."""
        descriptor, own = self.descriptor, self.identity
        self.descriptor, self.identity = -1, (0, 0)
        with Refusals():
            if identity(system.fstat(descriptor)) == own:
                system.close(descriptor)


HELD: Final[list[HeldFolder]] = kept("held folder", list)
"""The folder that is held. Where threads open some at once, the last one stays."""


def hold(folder: Path, known: tuple[int, int]) -> HeldFolder:
    """Return the held folder if it is the `known` one, and otherwise open `folder` in its place.

    Raises
    ------
    OSError
        It cannot be opened.
    """
    # A copy, as another thread may take it meanwhile.
    for held in HELD[-1:]:
        if held.identity == known:
            return held
    _close_all_but(0)
    HELD.append(held := HeldFolder(folder))
    _close_all_but(1)
    return held


def _close_all_but(newest: int) -> None:
    # Another thread may take one meanwhile.
    with suppress(IndexError):
        while len(HELD) > newest:
            HELD.pop(0).close()
