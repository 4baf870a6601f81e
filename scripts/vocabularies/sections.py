"""The parts of a vocabulary's file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FROM = "# from "
KEPT = "# kept by hand"


@dataclass
class Section:
    """A marker, the comment lines below it, and the members."""

    comments: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """The section as it stands in the file."""
        return [*self.comments, *self.members]


@dataclass
class Parts:
    """A vocabulary's file, taken apart.

    Parameters
    ----------
    heading
        What the file is, where its members come from and how to refresh it.
    generated
        The section that a source gives.
    kept
        The section kept by hand.
    """

    heading: Section = field(default_factory=Section)
    generated: Section = field(default_factory=Section)
    kept: Section = field(default_factory=Section)

    @property
    def members(self) -> set[str]:
        """Every member of the file."""
        return {*self.heading.members, *self.generated.members, *self.kept.members}

    def refreshed(self, comments: Iterable[str], members: Iterable[str]) -> Parts:
        """Return the same file with another generated section."""
        fresh = sorted(set(members) - set(self.kept.members))
        return Parts(self.heading, Section([*comments], fresh), self.kept)

    def text(self) -> str:
        """Return the text of the file."""
        sections = (self.heading, self.generated, self.kept)
        return "".join(f"{line}\n" for section in sections for line in section.lines)


def parse(text: str) -> Parts:
    """Take the text of a vocabulary's file apart."""
    parts = Parts()
    section = parts.heading
    for line in text.splitlines():
        if line.startswith(FROM):
            section = parts.generated
        elif line.startswith(KEPT):
            section = parts.kept
        (section.comments if line.startswith("#") else section.members).append(line)
    return parts
