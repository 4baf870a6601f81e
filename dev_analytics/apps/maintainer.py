"""The word ``maintainer``: what the maintainers of a project run on what users sent.

It exits with 0, with 1 if it failed, with 2 if it was not understood, and with 3 where something
was asked for that is not done yet.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import json

from dev_analytics.analytics import get_analytics
from dev_analytics.apps.report import since
from dev_analytics.consent.asking.presence import of_a_cell, window
from dev_analytics.destinations.archive_file import MAGIC, NAME
from dev_analytics.views.report.files import write_files
from dev_analytics.views.report.progress import Progress, TerminalLine
from dev_analytics.views.report.source import ReportError, source_of
from dev_analytics.views.report.tables import plural, printable

if TYPE_CHECKING:
    from dev_analytics.maintainer.forget import Place

HELP: Final = "for the maintainers of a project: dashboards, the public page, forgetting"
WORDS: Final = {
    "dashboards": "make the dashboard of the questions in PostHog, or say what that would change",
    "publish": "make a public page of whole weeks in which nobody can be found",
    "forget": "delete what one identifier sent, say how much it was, and check that it is gone",
}
WAITS: Final = 3
"""The exit code where something was asked for and is not done yet."""
CLICKHOUSE_USER: Final = "CLICKHOUSE_USER"
CLICKHOUSE_PASSWORD: Final = "CLICKHOUSE_PASSWORD"  # noqa: S105, the name of a variable


class MaintainerError(Exception):
    """The command cannot do what it was asked; the message says why, in one line."""


def add_words(words: Any) -> None:
    """Add the command and its tasks to the parser of ``jupyter dev-analytics``."""
    parser = words.add_parser("maintainer", help=HELP, description=f"{HELP[0].upper()}{HELP[1:]}.")
    own = parser.add_subparsers(dest="task", metavar="TASK", title="tasks", required=True)
    for word, says in WORDS.items():
        each = own.add_parser(word, help=says, description=f"{says[0].upper()}{says[1:]}.")
        _ARGUMENTS[word](each)


def run(options: argparse.Namespace, program: str) -> int:
    """Run the task that the options name, and return the exit code."""
    try:
        return _TASKS[options.task](options)
    except MaintainerError as error:
        failed = printable(str(error))
    except KeyboardInterrupt:
        failed = "interrupted; run it again to go on from there"
    print(f"{program} {options.task}: {failed}", file=sys.stderr)
    return 1


def _say(text: str) -> None:
    """Print a line at once, as what it reports is done."""
    _write(printable(text))


def _write(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError as error:
        # Python would complain once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise MaintainerError(f"standard output: {error.strerror}") from None


def _of_posthog(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--project",
        type=_number,
        metavar="N",
        help="the number of the project in PostHog; without: POSTHOG_PROJECT_ID",
    )
    parser.add_argument(
        "--host",
        metavar="URL",
        help="where PostHog is; without: POSTHOG_HOST, or https://us.posthog.com",
    )


def _number(said: str) -> int:
    if said.isdecimal() and 0 < int(said) < 10**12:
        return int(said)
    raise argparse.ArgumentTypeError(f"{said!r} is not the number of a project")


def _dashboards_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "The personal key is read from POSTHOG_PERSONAL_API_KEY and from nowhere else. It needs "
        "the scopes dashboard:write, insight:write, alert:write and user:read; --dry-run needs "
        "only to read."
    )
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--json", action="store_true", help="print it as a template of PostHog's")
    way.add_argument("--dry-run", action="store_true", help="say what would change, only")
    way.add_argument("--apply", action="store_true", help="make it, or change what is ours in it")
    _of_posthog(parser)
    parser.add_argument(
        "--errors-above",
        type=_bound,
        default=100,
        metavar="N",
        help="tell somebody of more errors per 1,000 cells of a version (100)",
    )
    parser.add_argument(
        "--failures-above",
        type=_bound,
        default=20,
        metavar="N",
        help="tell somebody of more failures in a hundred requests to a model (20)",
    )


def _bound(said: str) -> float:
    try:
        bound = float(said)
    except ValueError:
        bound = -1
    if not 0 < bound < 10**6:
        raise argparse.ArgumentTypeError(f"{said!r} is not a limit")
    return bound


def _minutes(said: str) -> float:
    try:
        minutes = float(said)
    except ValueError:
        minutes = -1
    if not 0 <= minutes < 10**6:
        raise argparse.ArgumentTypeError(f"{said!r} is no number of minutes")
    return minutes


def _dashboards(options: argparse.Namespace) -> int:
    from dev_analytics.maintainer.dashboards import Dashboard, DashboardError
    from dev_analytics.maintainer.http import RequestError
    from dev_analytics.maintainer.project import NoProjectError, project
    from dev_analytics.maintainer.tiles import alerts, template

    if options.json:
        _write(json.format(json.encode(template()), indent=2).decode())
        return 0
    try:
        dashboard = Dashboard(
            project(options.host, options.project), dry=options.dry_run, tell=_say
        )
        dashboard.make(alerts(options.errors_above, options.failures_above))
    except (NoProjectError, DashboardError, RequestError) as error:
        raise MaintainerError(str(error)) from None
    if not dashboard.changes:
        _say("The dashboard is up to date: there is nothing to change.")
    return 0


def _publish_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", type=_path, help="where the page is to be")
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        type=_path,
        help="archives, logs, exports and folders of them; without any: your own archive",
    )
    parser.add_argument(
        "--since",
        metavar="WHEN",
        type=since,
        help="leave out weeks that began before: a day in UTC as 2026-11-01, or 12h, 7d, 4w",
    )
    parser.add_argument(
        "--note", type=printable, default="", metavar="TEXT", help="a line on top of the page"
    )
    parser.add_argument(
        "--list",
        metavar="FILE",
        type=_path,
        help="the list of those forgotten; without: the one in your configuration",
    )


def _publish(options: argparse.Namespace) -> int:
    from dev_analytics.maintainer.page import MADE_BY, page
    from dev_analytics.maintainer.publish import Weeks, count
    from dev_analytics.maintainer.published import MADE_BY as MADE_BY_JSON
    from dev_analytics.maintainer.published import as_json, read
    from dev_analytics.views.report.forgotten import Forgotten, ForgottenError

    line = TerminalLine(sys.stderr)
    progress = Progress(line.show if sys.stderr.isatty() else lambda text: None)
    data = get_analytics().gate.store.data
    html, numbers = options.folder / "index.html", options.folder / "analytics.json"
    try:
        earlier = read(numbers, html)
        weeks = Weeks(datetime.now(UTC), options.since, Forgotten(options.list), earlier)
        published = count(source_of(options.files, data), weeks, progress)
        line.wipe()
        options.folder.mkdir(parents=True, exist_ok=True)
        if read(numbers, html) != earlier:
            raise ReportError(f"{numbers} was written by another run; run this again")
        shown = published.since(options.since)
        # First what is remembered: cut off between the two, no week is counted twice.
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
    _say(f"Wrote {numbers} and {html}: {plural(len(shown), 'week')}, {new} of them new.")
    return 0


def _forget_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "The personal key is read from POSTHOG_PERSONAL_API_KEY, the user and password of "
        f"ClickHouse from {CLICKHOUSE_USER} and {CLICKHOUSE_PASSWORD}, and from nowhere else. "
        "Exit codes: 0 gone, 1 failed, 2 not understood, 3 asked for and not gone yet."
    )
    parser.add_argument("identifier", metavar="ID", type=_identifier, help="whose records")
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        type=_path,
        help="archives from which they are deleted; without any and without a project: your own",
    )
    parser.add_argument("--dry-run", action="store_true", help="say how many there are, only")
    parser.add_argument("--yes", action="store_true", help="without asking")
    _of_posthog(parser)
    parser.add_argument(
        "--clickhouse", metavar="URL", help="the ClickHouse of a PostHog of your own"
    )
    parser.add_argument("--database", default="posthog", help="its database (posthog)")
    parser.add_argument("--cluster", default="", help="its cluster, if it has several servers")
    parser.add_argument(
        "--wait",
        type=_minutes,
        default=1,
        metavar="MINUTES",
        help="how long to look whether they are gone (1)",
    )
    parser.add_argument(
        "--list",
        metavar="FILE",
        type=_path,
        help="the list of those forgotten; without: the one in your configuration",
    )


def _identifier(said: str) -> str:
    from dev_analytics.maintainer.forget import identifier

    try:
        return identifier(said)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{said!r} is none: {error}") from None


def _path(said: str) -> Path:
    return Path(said).expanduser()


def _forget(options: argparse.Namespace) -> int:
    from dev_analytics.maintainer.forget import ForgetError, forget
    from dev_analytics.maintainer.http import RequestError
    from dev_analytics.views.report.forgotten import Forgotten, ForgottenError

    user = options.identifier
    try:
        forgotten = Forgotten(options.list)
        places = _places(options)
        total = 0
        for place in places:
            there = place.count(user)
            total += there.stored
            _say(f"{place}: {there} of it.")
        if options.dry_run:
            _say("Nothing was changed.")
            return 0
        if not options.yes and not _is_sure(total):
            _say("Nothing was changed.")
            return 0
        # First of all: from now on no report has it, whatever happens here.
        forgotten.add(user)
        waits = False
        for place in places:
            left = forget(place, user, seconds=60 * options.wait, tell=_say)
            waits = waits or left.stored > 0
            _say(
                f"{place}: {left} of it not gone yet. Run this again later."
                if left.stored
                else f"{place}: checked, there is none of it."
            )
        _say(f"Reports leave it out from now on, by its hash in {forgotten.file}.")
    except (ForgetError, RequestError, ForgottenError) as error:
        raise MaintainerError(str(error)) from None
    return WAITS if waits else 0


def _places(options: argparse.Namespace) -> list[Place]:
    """Return where the records may be, as the options say."""
    from dev_analytics.maintainer.forget import ForgetError, InArchive, InClickHouse, InPostHog
    from dev_analytics.maintainer.http import Server
    from dev_analytics.maintainer.project import PROJECT_VARIABLE, NoProjectError, project

    places: list[Place] = [InArchive(_archive(file)) for file in options.files]
    try:
        if options.clickhouse:
            said = os.environ.get(PROJECT_VARIABLE, "")
            team = options.project or (int(said) if said.isdecimal() else 0)
            if not team:
                raise NoProjectError(f"no project is given: --project or {PROJECT_VARIABLE}")
            user, password = (
                os.environ.get(name, "") for name in (CLICKHOUSE_USER, CLICKHOUSE_PASSWORD)
            )
            headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password} if user else {}
            server = Server(options.clickhouse, headers, password)
            places.append(InClickHouse(server, team, options.database, options.cluster))
        elif options.project or options.host or os.environ.get(PROJECT_VARIABLE):
            places.append(InPostHog(project(options.host, options.project)))
    except (NoProjectError, ForgetError, ValueError) as error:
        raise MaintainerError(str(error)) from None
    if not places:
        own = get_analytics().gate.store.data / NAME
        if not own.exists():
            raise MaintainerError(
                "there is no archive on this machine: name a file, or a project with --project"
            )
        places.append(InArchive(own))
    return places


def _archive(file: Path) -> Path:
    try:
        with file.open("rb") as opened:
            if opened.read(len(MAGIC)) == MAGIC:
                return file
    except OSError as error:
        raise MaintainerError(f"{file}: {error.strerror}") from None
    raise MaintainerError(
        f"{file} is not an archive: nothing is deleted from logs or exports, but reports omit it"
    )


def _is_sure(number: int) -> bool:
    from dev_analytics.consent.asking.prompt import confirm
    from dev_analytics.consent.asking.terminal import line_of

    if window() is None or of_a_cell():
        raise MaintainerError("it asks first, but nobody can answer here: add --yes")
    try:
        return confirm(f"Delete {number:,} rows for ever? (y/N): ", line_of(None))
    except (EOFError, KeyboardInterrupt):
        print()
        return False


_ARGUMENTS: Final[dict[str, Callable[[argparse.ArgumentParser], None]]] = {
    "dashboards": _dashboards_arguments,
    "publish": _publish_arguments,
    "forget": _forget_arguments,
}
_TASKS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "dashboards": _dashboards,
    "publish": _publish,
    "forget": _forget,
}
