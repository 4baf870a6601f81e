"""Pending changes of the ledger: each in a file of its own, beside the ledger.

A process that is stopped while it holds the ledger's lock locks out all others. Their counts are
kept here meanwhile; the next process that gets the lock adds them to the ledger.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from dev_analytics.catalogue.values import MAX_INTEGER
from dev_analytics.process.descriptors import (
    open_above,
    read_content,
    replace_content,
    replacement,
)
from dev_analytics.process.handlers import Refusals, pass_on
from dev_analytics.process.native import Clock, open_file, urandom
from dev_analytics.process.plain_json import decode, encode
from dev_analytics.process.systems import erase

_NAME: Final = re.compile(r"ledger-[0-9a-f]{24}\.json", re.ASCII)
"""Strict, as the data directory may be a folder in which the user keeps other things."""


ROOM: Final = 2**14
"""More bytes than a ledger has."""


class Change(NamedTuple):
    """The outcome of records, as it is added to the ledger.

    Attributes
    ----------
    delivered
        How many were acknowledged.
    dropped
        How many were dropped, by reason.
    at
        When; RFC 3339, UTC.
    destination
        Where they were delivered.
    file
        The name of the file of the spool that they are from; empty if they are from none.
    end
        The offset up to which all its records are settled.
    checksum
        The checksum of its replacement, which holds all that is left.
    """

    delivered: int = 0
    dropped: Mapping[str, int] = {}
    at: str = ""
    destination: str = ""
    file: str = ""
    end: int = 0
    checksum: int | None = None


_Counts = TypeVar("_Counts", bound=NamedTuple)


def content_of(counts: NamedTuple) -> bytes:
    """Return the JSON of a ledger or a change, without what is as by default."""
    defaults = counts._field_defaults
    said = {name: value for name, value in counts._asdict().items() if value != defaults[name]}
    return encode(said).encode()


def with_content(empty: _Counts, content: bytes) -> _Counts:
    """Return an `empty` ledger or change with the values in its JSON; unknown names are ignored.

    Raises
    ------
    ValueError
        It is no JSON object, or a value is of another type, or beyond `MAX_INTEGER`, or negative.
    """
    said = decode(content.decode())
    if type(said) is not dict:
        raise ValueError("not an object")
    known = {name: said[name] for name in empty._fields if name in said}
    for name, value in known.items():
        if not _is_like(value, getattr(empty, name)):
            raise ValueError(f"{name} cannot have this value")
    return empty._replace(**known)


def _is_like(value: object, default: object) -> bool:
    """Return whether a value may stand where the default does: counts are numbers, names texts."""
    if default is None:
        return value is None or _is_number(value)
    if type(default) is int:
        return _is_number(value)
    if isinstance(value, dict) and not all(map(_is_number, value.values())):
        return False
    if isinstance(value, list) and not set(map(type, value)) <= {str}:
        return False
    return type(value) is type(default)


def _is_number(value: object) -> bool:
    # Arithmetic with a longer one may fail, and no count, time, offset or checksum is that large.
    return type(value) is int and 0 <= value <= MAX_INTEGER


def put(data: Path, change: Change) -> None:
    """Keep `change` until it can be added to the ledger."""
    replace_content(_another(data), content_of(change))


def has_room(data: Path) -> bool:
    """Return whether what is delivered can be noted; otherwise it would be sent once more."""
    new = replacement(_another(data))
    try:
        with open_file(new, "wb", opener=open_above) as opened:
            opened.write(bytes(ROOM))
    except OSError as error:
        pass_on(error)
        return False
    finally:
        with Refusals():
            erase(new)
    return True


def _another(data: Path) -> Path:
    # Sorted by name, the changes of one process are in the order of their times.
    return data / f"ledger-{int(Clock.time() * 1e9):016x}{urandom(4).hex()}.json"


def waiting(data: Path) -> dict[str, Change]:
    """Return the pending changes by file name, in order; an unreadable one is empty."""
    found: dict[str, Change] = {}
    try:
        names = sorted(filter(_NAME.fullmatch, os.listdir(data)))  # noqa: PTH208
    except OSError as error:
        pass_on(error)
        return {}
    for name in names:
        with Refusals():
            content = read_content(data / name)
            try:
                found[name] = with_content(Change(), content)
            except ValueError:
                found[name] = Change()
    return found


def delete(data: Path, names: Iterable[str]) -> None:
    """Delete the files with these `names`, except those that cannot be deleted."""
    for name in names:
        with Refusals():
            (data / name).unlink()
