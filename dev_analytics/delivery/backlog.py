"""What waits in the spool: the files of all processes, including those that have ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from dev_analytics.delivery import LIVE, READY, files, folder_of
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.delivery.locks import holding
from dev_analytics.delivery.progress import lines, unsettled
from dev_analytics.process.handlers import Refusals, pass_on


class Backlog:
    """The files of the spool in a data directory."""

    def __init__(self, data: Path) -> None:
        self.folder = folder_of(data)
        self.data = data

    def files(self, destination: str = "", *, empty: bool = False) -> list[Path]:
        """Return every file with records, or those for one destination, the oldest first.

        An `empty` file only shows that a process is recording.
        """
        return files(self.data, destination, empty=empty)

    def ready(self, destination: str = "") -> list[Path]:
        """Return the files that can be sent now, after adopting those whose writer is gone.

        Files that are locked or may not be opened are left out: nobody waits for them.
        """
        found = self.files(destination, empty=True)
        return [file for file in map(_adopted, found) if file is not None]

    def count(self) -> int:
        """Count the records that wait."""
        return sum(self.counts(self.files()).values())

    def counts(self, files: Iterable[Path]) -> dict[Path, int]:
        """Count the records that wait in each of `files`."""
        ledger = read_ledger(self.data)
        return {file: _count(*unsettled(self.data, file, ledger)) for file in files}

    def records(self) -> Iterator[bytes]:
        """Return the bytes of every record that waits."""
        ledger = read_ledger(self.data)
        for file in self.files():
            with Refusals():
                yield from lines(*unsettled(self.data, file, ledger))

    def trim(self, max_bytes: float) -> int:
        """Delete the oldest files without a writer until the rest fits, and count their records."""
        sizes = {}
        for file in self.files():
            with Refusals():
                sizes[file] = file.stat().st_size
        dropped, total = 0, sum(sizes.values())
        for file, size in sizes.items():
            if total <= max_bytes:
                break
            # A file with the name of a live one may belong to a process that was killed.
            with holding(file) as held:
                if held:
                    number = self.counts([file])[file]
                    with Refusals():
                        file.unlink()
                        dropped += number
                        total -= size
        return dropped


def _adopted(file: Path) -> Path | None:
    """Return `file` if it is ready, or becomes so because its writer is gone; otherwise None."""
    with holding(file) as held, Refusals():
        if held and not file.stat().st_size:
            file.unlink()
        elif held and file.name.endswith(LIVE):
            return file.rename(file.with_name(file.name.removesuffix(LIVE) + READY))
        elif held:
            return file
    return None


def _count(file: Path, start: int) -> int:
    try:
        return sum(1 for _ in lines(file, start))
    except OSError as error:
        pass_on(error)
        return 0
