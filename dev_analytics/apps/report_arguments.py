"""The options of the command ``report``, which are parsed without loading the report."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

_SPANS: Final = {"h": "hours", "d": "days", "w": "weeks"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that the magic and the shell share to `parser`."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        type=path,
        help="event logs, archives, exports of PostHog's, compressed or not, Parquet, or folders "
        "of them; without any: your own archive",
    )
    parser.add_argument(
        "--since",
        metavar="WHEN",
        type=since,
        help="leave out what is older: a day in UTC as 2026-11-01, or a span as 12h, 7d, 4w",
    )
    parser.add_argument(
        "--html", metavar="FILE", type=path, help="write it as one HTML page, in place of showing"
    )
    parser.add_argument(
        "--csv", metavar="DIR", type=path, help="write each table as a CSV file into DIR"
    )


def since(value: str) -> datetime:
    """Parse a day, or a time span that ends now.

    Raises
    ------
    argparse.ArgumentTypeError
        It is neither.
    """
    try:
        if span := re.fullmatch(r"(\d{1,6})([hdw])", value, re.ASCII):
            return datetime.now(UTC) - timedelta(**{_SPANS[span[2]]: int(span[1])})
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
            return datetime.combine(date.fromisoformat(value), time(), UTC)
    except (ValueError, OverflowError):
        pass
    raise argparse.ArgumentTypeError(
        f"{value!r} is neither a day as 2026-11-01 nor a span as 12h, 7d, 4w"
    )


def path(value: str) -> Path:
    """Return the path in an argument."""
    return Path(value).expanduser()
