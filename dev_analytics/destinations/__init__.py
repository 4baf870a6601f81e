"""The destinations of records: what each declares, and which there are.

A new one takes a module, with its settings, how to open it, its status and the files that it
leaves, and a line in `destinations`.

A destination is declared by an object that costs nothing to load, as settings, questions and
opt-outs need it. What delivery needs is imported when a sender opens the destination.

A recipient, as a yes names it, is the name of a destination and the values of its settings, such as
``archive`` or ``posthog <host> <project key>``. Every yes covers the archive on this machine.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dev_analytics.destinations.transport import Transport

ARCHIVE: Final = "archive"
"""The destination without settings, on this machine."""


class Setting:
    """A setting of a destination: ``c.DevAnalytics.<name>``, and a field of a policy.

    Parameters
    ----------
    name
        Its name in the configuration and in an administrator's policy.
    takes
        Returns whether a value is allowed; it must allow no space.
    help
        What ``%config`` says about it.
    allowed
        What is allowed, in words.
    in_policy
        What `status` says if a policy sets it; ``{}`` stands for the value.
    default
        The value if nobody sets one. A setting with an empty default chooses its destination when
        it is set.
    """

    def __init__(
        self,
        name: str,
        *,
        takes: Callable[[str], bool],
        help: str,  # noqa: A002, as traitlets calls it
        allowed: str,
        in_policy: str,
        default: str = "",
    ) -> None:
        self.name = name
        self.default = default
        self.help = help
        self.allowed = allowed
        self.in_policy = in_policy
        self.takes = takes


class OwnFiles:
    """Files that a destination leaves in the data directory, which an opt-out deletes.

    Parameters
    ----------
    names
        A pattern for the whole name of each.
    folder
        Their folder in the data directory; empty for the data directory itself.
    shared
        Whether other programs use the name, too: a file is then deleted only if it is empty, or
        contains an identifier, the word ``distinct_id``, or one of `marks`.
    marks
        Bytes that no other program's files contain.
    beside
        The file to which they belong: they are deleted only after it.
    """

    def __init__(
        self,
        names: str,
        *,
        folder: str = "",
        shared: bool = False,
        marks: Sequence[bytes] = (),
        beside: str = "",
    ) -> None:
        self._names = names
        self.folder = folder
        self.shared = shared
        self.marks = marks
        self.beside = beside

    def has(self, name: str) -> bool:
        """Return whether `name` is the name of one of them."""
        # Compiled on demand: most sessions delete nothing.
        return re.fullmatch(self._names, name, re.ASCII) is not None


class Destination(ABC):
    """Where records can be delivered. Its name and the values of its settings make a recipient.

    Attributes
    ----------
    name
        The first word of its recipients, as in ``consent.json``.
    title
        What `status` calls it.
    package
        A package that must be installed to deliver to it; empty if there is none.
    settings
        The settings that make up a recipient, in the order of the recipient's words.
    files
        The files that it leaves in the data directory.
    """

    name: str
    title: str
    package: str = ""
    settings: Sequence[Setting] = ()
    files: Sequence[OwnFiles] = ()

    def takes(self, fields: Sequence[str]) -> bool:
        """Return whether `fields` are the words of a recipient after its name."""
        return len(fields) == len(self.settings) and all(
            field and setting.takes(field)
            for setting, field in zip(self.settings, fields, strict=True)
        )

    def is_chosen(self, values: Mapping[str, str]) -> bool:
        """Return whether the settings `values` choose this destination."""
        required = [setting.name for setting in self.settings if not setting.default]
        return bool(required) and all(values.get(name) for name in required)

    def recipient(self, values: Mapping[str, str]) -> str:
        """Return the recipient that the settings `values` name.

        Raises
        ------
        ValueError
            One of them is not allowed.
        """
        fields = [values.get(setting.name) or setting.default for setting in self.settings]
        for setting, field in zip(self.settings, fields, strict=True):
            if not field or not setting.takes(field):
                raise ValueError(f"{setting.name} must be {setting.allowed}, got {field!r}")
        return " ".join([self.name, *fields])

    @abstractmethod
    def in_words(self, fields: Sequence[str]) -> str:
        """Return the recipient with these words as text that completes "sent to"."""

    @abstractmethod
    def open(self, data: Path, fields: Sequence[str]) -> Transport:
        """Return the transport to the recipient with these words; only senders call this.

        Raises
        ------
        ImportError
            `package` is not installed.
        """

    def status(self, data: Path) -> Mapping[str, str]:
        """Return further lines for `status`, by their labels."""
        return {}


@cache
def destinations() -> dict[str, Destination]:
    """Return every destination, by the first word of its recipients."""
    from dev_analytics.destinations.archive import ArchiveDestination
    from dev_analytics.destinations.posthog import PostHogDestination

    return {each.name: each for each in (ArchiveDestination(), PostHogDestination())}


def destination_of(recipient: str) -> Destination:
    """Return the destination of a recipient, by its first word.

    Raises
    ------
    KeyError
        There is no such destination.
    """
    return destinations()[recipient.partition(" ")[0]]


def is_recipient(text: str) -> bool:
    """Return whether `text` is exactly a recipient of a destination in this version."""
    name, *fields = text.split(" ")
    declared = destinations().get(name)
    return declared is not None and declared.takes(fields)


def in_words(recipient: str) -> str:
    """Return `recipient` in words for people."""
    _, *fields = recipient.split(" ")
    return destination_of(recipient).in_words(fields)


def all_in_words(recipients: Iterable[str]) -> str:
    """Return the recipients of a yes in words for people, the archive first."""
    others = sorted(set(recipients) - {ARCHIVE})
    return ", ".join(map(in_words, (ARCHIVE, *others)))


def would_receive(recipient: str) -> str:
    """Return the line of a question that says who would receive the records."""
    if recipient == ARCHIVE:
        return "The records would be kept on this machine only (no server is set)."
    return f"The records would be sent to {in_words(recipient)}."
