"""The records in an archive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev_analytics.destinations.archive_file import MAGIC, count_of, delete_of
from dev_analytics.destinations.transport import Unreachable
from dev_analytics.maintainer.forget import Count, ForgetError


class InArchive:
    """The records in an archive."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __str__(self) -> str:
        return str(self._file)

    def count(self, user: str) -> Count:
        """Count the records of an identifier."""
        with self._readable():
            number = count_of(self._file, user)
        return Count(number, number)

    def delete(self, user: str) -> str:
        """Delete them, including the copies that SQLite keeps in free pages."""
        with self._readable():
            delete_of(self._file, user)
        return ""

    def is_done(self, user: str) -> bool:
        """Return True: a deletion is complete at once."""
        return True

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Turn the archive's own errors into a `ForgetError`."""
        try:
            yield
        except Unreachable as error:
            raise ForgetError(f"{self._file}: {error}") from None


def archive(file: Path) -> InArchive:
    """Return a file as a place.

    Raises
    ------
    ForgetError
        It is not an archive, or cannot be read.
    """
    try:
        with file.open("rb") as opened:
            if opened.read(len(MAGIC)) == MAGIC:
                return InArchive(file)
    except OSError as error:
        raise ForgetError(f"{file}: {error.strerror}") from None
    raise ForgetError(
        f"{file} is not an archive; logs and exports are never changed, but reports leave out "
        "identifiers that were deleted from the archive"
    )
