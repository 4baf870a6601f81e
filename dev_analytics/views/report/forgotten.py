"""The identifiers that must be forgotten: a list of hashes, which reports leave out.

A line is the SHA-256 of an identifier. As an identifier has 122 random bits, nobody can compute it
from its hash; but whoever has the identifier can look it up.
"""

from __future__ import annotations

import errno
import os
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from platformdirs import user_config_path

NAME: Final = "forgotten.txt"
_BEGINS: Final = "# Identifiers that asked to be forgotten, as hashes: reports leave them out.\n"
_DIGITS: Final = 64


class ForgottenError(Exception):
    """The list cannot be read or written; the message says why, in one line."""


class Forgotten:
    """The list in a file, by default the one in the user's configuration that reports use.

    Raises
    ------
    ForgottenError
        It exists but cannot be read, or is something else: it is unknown whom to leave out.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file or user_config_path("dev-analytics", appauthor=False) / NAME
        self._hashes = self._read()

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, user: object) -> bool:
        return bool(self._hashes) and isinstance(user, str) and _hash(user) in self._hashes

    def add(self, user: str) -> None:
        """Add an identifier to the list.

        Raises
        ------
        ForgottenError
            It cannot be written.
        """
        self._hashes = self._read()
        if user in self:
            return
        self._hashes.add(_hash(user))
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            # Appended, so that two processes do not overwrite each other's lines.
            opened = os.open(self.file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                _append(opened, f"{_hash(user)}\n".encode())
            finally:
                os.close(opened)
        except OSError as error:
            raise ForgottenError(f"{self.file}: {error.strerror}") from None

    def _read(self) -> set[str]:
        try:
            lines = self.file.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return set()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not a text file"
            raise ForgottenError(f"{self.file}: {why}") from None
        hashes = {line for line in lines if line and not line.startswith("#")}
        if any(len(each) != _DIGITS or not each.isalnum() for each in hashes):
            raise ForgottenError(f"{self.file} is not a list of hashes")
        return hashes


@lru_cache(maxsize=65_536)
def _hash(user: str) -> str:
    # An export may have an identifier in capitals: it is the same one.
    return sha256(f"dev-analytics forgotten {user.lower()}".encode("utf-8", "replace")).hexdigest()


def _append(opened: int, line: bytes) -> None:
    """Append a line to the list, either all of it or nothing."""
    size = os.fstat(opened).st_size
    if not size:
        line = _BEGINS.encode() + line
    elif os.pread(opened, 1, size - 1) != b"\n":
        line = b"\n" + line
    if os.write(opened, line) < len(line):
        os.ftruncate(opened, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(opened)
