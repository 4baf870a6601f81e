"""Marks: unguessable words that represent private data, and the search for them in bytes.

A mark consists of letters that are not hexadecimal digits, so that no identifier and no number in a
record can contain a piece of one by chance.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import secrets
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import Final

LETTERS: Final = "ghjkmnpqrstuvwxyz"
PIECE: Final = 8
"""How many letters of a mark in a row count as a leak."""

DISGUISES: Final[dict[str, Callable[[str], str]]] = {
    "as it is": str,
    "upper case": str.upper,
    "capital": str.capitalize,
    "backwards": lambda mark: mark[::-1],
    "percent": lambda mark: "".join(f"%{ord(letter):02x}" for letter in mark),
    "hex": lambda mark: mark.encode().hex(),
    "base64": lambda mark: base64.b64encode(mark.encode()).decode(),
    "base64, shifted": lambda mark: base64.b64encode(f"x{mark}".encode()).decode(),
    "base32": lambda mark: base64.b32encode(mark.encode()).decode(),
    "escaped": lambda mark: "".join(f"\\u{ord(letter):04x}" for letter in mark),
    "apart": lambda mark: "-".join(mark),
    "first piece": lambda mark: mark[: PIECE + 1],
    "last piece": lambda mark: mark[-PIECE - 1 :],
    "fullwidth": lambda mark: "".join(chr(ord(letter) + 0xFEE0) for letter in mark),
    "utf-16": lambda mark: "\0".join(mark),
    "md5": lambda mark: hashlib.md5(mark.encode(), usedforsecurity=False).hexdigest(),
    "sha1": lambda mark: hashlib.sha1(mark.encode(), usedforsecurity=False).hexdigest(),
    "sha256": lambda mark: hashlib.sha256(mark.encode()).hexdigest(),
}
"""How a mark may be written; the search finds each of them."""


class Marks:
    """Unguessable words, one for each place of something private."""

    def __init__(self) -> None:
        self.planted: dict[str, str] = {}

    def __call__(self, place: str) -> str:
        """Return the mark of a place; it is an identifier, and could be any name."""
        mark = "zq" + "".join(secrets.choice(LETTERS) for _ in range(18))
        return self.planted.setdefault(place, mark)

    def found_in(self, text: bytes) -> list[str]:
        """Return the places with marks in `text`, whole or in pieces, in any disguise."""
        forms = [form for read in (text, *_unpacked(text)) for form in _forms(read)]
        return [
            place
            for place, mark in self.planted.items()
            if any(needle in form for needle in _needles(mark) for form in forms)
        ]


@cache
def _needles(mark: str) -> frozenset[bytes]:
    """Return every text that reveals a mark, in lower case."""
    whole = mark.encode()
    pieces = {mark[start : start + PIECE] for start in range(len(mark) - PIECE + 1)}
    needles = {form.encode() for piece in pieces for form in (piece, piece[::-1])}
    needles |= {piece.encode().hex().encode() for piece in pieces}
    for letters in (whole, whole.upper()):
        for shift in range(3):
            # The text before and after a mark changes the first and the last group.
            needles.add(base64.b64encode(b"\0" * shift + letters)[4:-4].lower())
        for shift in range(5):
            needles.add(base64.b32encode(b"\0" * shift + letters)[8:-8].lower())
    needles |= {
        hashlib.new(name, whole, usedforsecurity=False).hexdigest().encode()
        for name in ("md5", "sha1", "sha256")
    }
    return frozenset(needles)


def _forms(text: bytes) -> Iterator[bytes]:
    """Return `text` as read in every way that somebody may try, in lower case."""
    small = text.lower()
    yield small
    yield bytes(byte for byte in small if 97 <= byte <= 122)  # spaced out letters
    if b"%" in small:
        yield re.sub(rb"%([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), small)
    if b"\\" in small:
        yield re.sub(rb"\\u00([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), small)
    wide = small.decode("utf-8", "replace")
    if not wide.isascii():
        yield unicodedata.normalize("NFKC", wide).lower().encode("utf-8", "replace")


def _unpacked(text: bytes) -> Iterator[bytes]:
    """Return the content of compressed bytes."""
    if text.startswith(b"\x1f\x8b"):
        with suppress(EOFError, OSError, zlib.error):
            yield gzip.decompress(text)
