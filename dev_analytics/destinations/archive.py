"""The archive on this machine: the destination without settings, which every yes covers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dev_analytics.destinations import ARCHIVE, Destination, OwnFiles

if TYPE_CHECKING:
    from dev_analytics.destinations.transport import Transport


class ArchiveDestination(Destination):
    """A SQLite file in the data directory."""

    name = ARCHIVE
    title = "the archive"
    files = (
        OwnFiles(r"archive\.sqlite\.damaged-\d{4}-\d\d-\d\d(-\d+)?(-journal|-wal|-shm)?"),
        OwnFiles(r"archive\.sqlite", shared=True),
        # The files that SQLite keeps beside a database belong to it.
        OwnFiles(r"archive\.sqlite-(journal|wal|shm)", beside="archive.sqlite"),
    )

    def in_words(self, fields: Sequence[str]) -> str:
        """Return its name for people."""
        return "the archive on this machine"

    def open(self, data: Path, fields: Sequence[str]) -> Transport:
        """Return the transport to the archive of `data`."""
        from dev_analytics.destinations.archive_file import Archive

        return Archive(data)

    def status(self, data: Path) -> Mapping[str, str]:
        """Return which archives were damaged, and where they are now."""
        from dev_analytics.destinations.damaged_archive import damaged
        from dev_analytics.process.messages import from_home

        files = damaged(data)
        if not files:
            return {}
        names = ", ".join(map(from_home, files))
        return {self.name: f"damaged and put aside as {names}; a new one was begun"}
