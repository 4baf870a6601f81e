"""The report as files: a page, or a folder of CSV tables; only older reports are overwritten."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Final

from dev_analytics.views.report.page import MADE_BY
from dev_analytics.views.report.source import ReportError
from dev_analytics.views.report.tables import Table

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def write_page(file: Path, content: str) -> None:
    """Write a page, or replace an older one.

    Raises
    ------
    ReportError
        Something else has that name, or it cannot be written.
    """
    write_files({file: content}, {file: MADE_BY})


def write_csv(folder: Path, parts: Sequence[Table]) -> list[Path]:
    """Write a file for each table, and return their paths; those of an older report are replaced.

    Raises
    ------
    ReportError
        There is something else of such a name, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}") from None
    contents = {folder / f"{part.name}.csv": _csv(part) for part in parts}
    write_files(contents, {file: content.partition("\n")[0] for file, content in contents.items()})
    return list(contents)


def write_files(contents: Mapping[Path, str], begins: Mapping[Path, str]) -> None:
    """Write all files, or none of them if one exists that does not begin as ours do.

    Parameters
    ----------
    contents
        The content of each file.
    begins
        How each of them begins.

    Raises
    ------
    ReportError
        There is something else of such a name, or it cannot be written.
    """
    for file, begin in begins.items():
        _refuse_foreign(file, begin.encode())
    written: dict[Path, Path] = {}
    try:
        for file, content in contents.items():
            written[file] = file.with_name(f".{file.name}.{os.getpid()}.new")
            written[file].write_text(content, "utf-8", "backslashreplace", newline="")
        # All of them are written before the first is replaced: they belong together.
        for file, new in written.items():
            new.replace(file)
    except OSError as error:
        raise ReportError(f"{file}: {error.strerror}") from None
    finally:
        for new in written.values():
            new.unlink(missing_ok=True)


def _refuse_foreign(file: Path, begin: bytes) -> None:
    try:
        with file.open("rb") as opened:
            found = opened.read(len(begin))
    except FileNotFoundError:
        return
    except OSError as error:
        raise ReportError(f"{file}: {error.strerror}") from None
    if found and found != begin:
        raise ReportError(
            f"{file} exists and is not a report: nothing was written; name another file"
        )


def _csv(part: Table) -> str:
    written = StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(part.columns)
    writer.writerows([_harmless(value) for value in row] for row in part.rows)
    return written.getvalue()


def _harmless(value: str | int) -> str | int:
    """Return a value that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
