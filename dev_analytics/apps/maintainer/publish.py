"""The task ``publish``: writes the public page."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import Final

from dev_analytics.analytics import get_analytics
from dev_analytics.apps.maintainer.arguments import add_list
from dev_analytics.apps.maintainer.output import MaintainerError, say
from dev_analytics.apps.report_arguments import path, since
from dev_analytics.process.messages import printable

SAYS: Final = "write a public page of weekly numbers that identify nobody"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the task."""
    parser.add_argument("folder", metavar="DIR", type=path, help="the folder of the page")
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        type=path,
        help="archives, logs, exports, or folders of them (default: your own archive)",
    )
    parser.add_argument(
        "--since",
        metavar="WHEN",
        type=since,
        help="leave out weeks that began earlier: a date in UTC such as 2026-11-01, or 12h, 7d, 4w",
    )
    parser.add_argument(
        "--until",
        metavar="WHEN",
        type=since,
        help="leave weeks that end later for another run",
    )
    parser.add_argument(
        "--note", type=printable, default="", metavar="TEXT", help="a line for the top of the page"
    )
    add_list(parser)


def run(options: argparse.Namespace) -> int:
    """Run the task, and return the exit code."""
    from dev_analytics.maintainer.page import MADE_BY, page
    from dev_analytics.maintainer.publish import Weeks, count
    from dev_analytics.maintainer.published import MADE_BY as MADE_BY_JSON
    from dev_analytics.maintainer.published import as_json, read
    from dev_analytics.views.report.files import write_files
    from dev_analytics.views.report.forgotten import Forgotten, ForgottenError
    from dev_analytics.views.report.progress import Progress, TerminalLine
    from dev_analytics.views.report.source import ReportError, source_of
    from dev_analytics.views.report.tables import plural

    line = TerminalLine(sys.stderr)
    progress = Progress(line.show if sys.stderr.isatty() else lambda text: None)
    data = get_analytics().gate.store.data
    html, numbers = options.folder / "index.html", options.folder / "analytics.json"
    try:
        earlier = read(numbers, html)
        now = datetime.now(UTC)
        until = min(now, options.until or now)
        weeks = Weeks(until, options.since, Forgotten(options.list), earlier)
        published = count(source_of(options.files, data), weeks, progress)
        line.wipe()
        if weeks.unreached:
            raise ReportError(
                f"there is no record from the week of {weeks.unreached} or later, and a week is "
                f"counted only once: add newer exports, or use --until {weeks.unreached}"
            )
        options.folder.mkdir(parents=True, exist_ok=True)
        if read(numbers, html) != earlier:
            raise ReportError(f"{numbers} was written by another run; run this again")
        shown = published.since(options.since)
        # The JSON first: if this is interrupted between the two, no week is counted twice.
        write_files(
            {numbers: as_json(published, options.note), html: page(shown, options.note)},
            {numbers: MADE_BY_JSON, html: MADE_BY},
        )
    except (ReportError, ForgottenError) as error:
        raise MaintainerError(str(error)) from None
    except OSError as error:
        raise MaintainerError(f"{options.folder}: {error.strerror}") from None
    finally:
        line.wipe()
    new = len(published.weeks) - len(earlier.weeks if earlier else ())
    say(f"Wrote {numbers} and {html}: {plural(len(shown), 'week')}, {new} of them new.")
    return 0
