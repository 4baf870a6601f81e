"""Records in files that are not plain lines: compressed files, and Parquet from PostHog.

gzip, bzip2 and xz are read with the standard library; zstd and Parquet with DuckDB, which is loaded
when a file needs it. All of them are read as streams.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import Any, Final

INSTALL: Final = 'pip install "dev-analytics[maintainer]"'
PARQUET: Final = b"PAR1"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
UNPACK: Final[Mapping[bytes, Callable[[BufferedReader], BufferedIOBase]]] = {
    b"\x1f\x8b": lambda opened: gzip.GzipFile(fileobj=opened),
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
"""The functions that decompress files, by the files' first bytes."""

BROKEN: Final = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
"""The exceptions that truncated or damaged files raise."""

_AT_ONCE: Final = 5_000
_MEMORY: Final = "256MB"
_NEEDED: Final = ("event", "timestamp", "distinct_id", "properties")
_TEXTS: Final = ("VARCHAR", "JSON")
_RECORD: Final = """
SELECT '{"event":' || to_json(CAST(event AS VARCHAR))
    || ',"distinct_id":' || coalesce(to_json(CAST(distinct_id AS VARCHAR)), 'null')
    || ',"timestamp":"'
    || strftime(TRY_CAST(timestamp AS TIMESTAMPTZ) AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')
    || '","properties":' || PROPERTIES || '}'
FROM read_parquet(?, hive_partitioning = false)"""
_LINES: Final = """
SELECT line FROM read_csv(?, columns = {'line': 'VARCHAR'}, delim = '\x01', quote = '', escape = '',
    header = false, auto_detect = false, compression = 'zstd', null_padding = true,
    max_line_size = MAX_LINE, store_rejects = true, hive_partitioning = false)"""
_REJECTED: Final = "SELECT count(DISTINCT line) FROM reject_errors"


class PackedError(Exception):
    """A file cannot be read; the message says why, in one line."""


def parquet(file: Path) -> Iterator[tuple[float, bytes]]:
    """Yield the records of a Parquet file as lines, each with the part that was read, from 0 to 1.

    A row without a record yields a line that is no record either.

    Raises
    ------
    PackedError
        It cannot be read, or lacks a column.
    """
    named = [_literally(file)]
    with _connection("Parquet") as connection:
        described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", named)
        types = {name.lower(): kind for name, kind, *_ in described.fetchall()}
        if lacking := [name for name in _NEEDED if name not in types]:
            raise PackedError(f"it has no column {lacking[0]!r}, so it holds no records")
        whole = connection.execute("SELECT count(*) FROM read_parquet(?)", named)
        number = whole.fetchone()[0]
        is_text = types["properties"] in _TEXTS
        properties = "CAST(properties AS VARCHAR)" if is_text else "to_json(properties)"
        query = _RECORD.replace("PROPERTIES", properties)
        for place, line in enumerate(_fetched(connection.execute(query, named)), 1):
            yield place / number, line


def zstd(file: Path, longest: int) -> Iterator[bytes]:
    """Yield the lines of a file that is compressed with zstd.

    Lines that are too long, or are not text, come at the end as lines without a record.

    Raises
    ------
    PackedError
        It cannot be read.
    """
    with _connection("zstd") as connection:
        query = _LINES.replace("MAX_LINE", str(longest))
        yield from _fetched(connection.execute(query, [_literally(file)]))
        for _ in range(connection.execute(_REJECTED).fetchone()[0]):
            yield b"null"


def _literally(file: Path) -> str:
    """Return a path that DuckDB does not take for a pattern.

    Raises
    ------
    PackedError
        It is not text.
    """
    try:
        os.fspath(file).encode()
    except UnicodeEncodeError:
        raise PackedError("DuckDB reads no file whose name is no text: rename it") from None
    return re.sub(r"[*?[]", r"[\g<0>]", str(file.absolute()))


def _fetched(result: Any) -> Iterator[bytes]:
    while rows := result.fetchmany(_AT_ONCE):
        for (line,) in rows:
            yield b"null" if line is None else line.encode("utf-8", "replace")


@contextmanager
def _connection(what: str) -> Iterator[Any]:
    """Yield an empty database for a block; what fails in it is a `PackedError` of one line."""
    connection = database(what)
    from duckdb import Error

    try:
        yield connection
    except Error as error:
        raise PackedError(str(error).partition("\n")[0]) from None
    finally:
        connection.close()


def database(what: str) -> Any:
    """Return an empty database in memory.

    Raises
    ------
    PackedError
        DuckDB is missing, and `what` needs it.
    """
    try:
        import duckdb
    except ImportError:
        raise PackedError(f"{what} needs DuckDB: {INSTALL}") from None
    connection = duckdb.connect()
    # No extension is downloaded, and what can be read again is not kept in memory.
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute(f"SET memory_limit = '{_MEMORY}'; SET preserve_insertion_order = false")
    connection.execute("SET TimeZone = 'UTC'")
    return connection
