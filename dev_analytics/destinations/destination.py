"""What a destination declares: its settings, how to open it, its status, the files it leaves."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dev_analytics.destinations.transport import Transport


class Setting:
    """A setting of a destination: ``c.DevAnalytics.<name>``, and a field of a policy.

    Parameters
    ----------
    name
        Its name in the configuration and in an administrator's policy.
    pattern
        What the value must match; no space may stand in it.
    help
        What ``%config`` says of it.
    allowed
        What is allowed, in words.
    in_policy
        What `status` says where a policy has it; ``{}`` stands for the value.
    default
        The value where nobody sets one. A setting whose default is empty chooses its destination.
    """

    def __init__(
        self,
        name: str,
        *,
        pattern: str,
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
        self._pattern = pattern

    def takes(self, value: str) -> bool:
        """Return whether `value` is allowed."""
        return re.fullmatch(self._pattern, value) is not None


class OwnFiles:
    """Files that a destination leaves in the data directory: an opt-out deletes them.

    Parameters
    ----------
    names
        What the whole name of each matches.
    folder
        The folder in the data directory in which they are; empty for the data directory itself.
    shared
        Other programs use the name, too: a file is deleted only if it is empty or has an identifier
        in it, the word ``distinct_id``, or one of `marks`.
    marks
        What stands in no other program's files.
    beside
        The file that they belong to: they are deleted only once that is gone.
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
        # Compiled when it is asked: most sessions delete nothing.
        return re.fullmatch(self._names, name, re.ASCII) is not None


class Destination(ABC):
    """Where records can be delivered. A recipient is its name and the values of its settings.

    Attributes
    ----------
    name
        The first word of its recipients, as they stand in ``consent.json``.
    title
        What `status` calls it.
    package
        What must be installed to deliver to it; empty if nothing more.
    settings
        The settings that name a recipient, in the order of the recipient's words.
    files
        What it leaves in the data directory.
    """

    name: str
    title: str
    package: str = ""
    settings: Sequence[Setting] = ()
    files: Sequence[OwnFiles] = ()

    def takes(self, fields: Sequence[str]) -> bool:
        """Return whether these are the words of a recipient, after its name."""
        return len(fields) == len(self.settings) and all(
            field and setting.takes(field)
            for setting, field in zip(self.settings, fields, strict=True)
        )

    def is_chosen(self, values: Mapping[str, str]) -> bool:
        """Return whether `values` of settings name a recipient of this destination."""
        required = [setting.name for setting in self.settings if not setting.default]
        return bool(required) and all(values.get(name) for name in required)

    def recipient(self, values: Mapping[str, str]) -> str:
        """Return the recipient that `values` of settings name.

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
        """Return what a person reads for the recipient of these words, after "sent to"."""

    @abstractmethod
    def open(self, data: Path, fields: Sequence[str]) -> Transport:
        """Return what delivers to the recipient of these words; called in a sender alone.

        Raises
        ------
        ImportError
            `package` is not installed.
        """

    def status(self, data: Path) -> Mapping[str, str]:
        """Return the lines that `status` shows of it beside its name, by their labels."""
        return {}
