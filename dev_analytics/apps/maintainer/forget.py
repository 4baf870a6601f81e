"""The task ``forget``: deletes the records of one identifier."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Final

from dev_analytics.analytics import get_analytics
from dev_analytics.apps.maintainer.arguments import add_list, add_project
from dev_analytics.apps.maintainer.output import MaintainerError, say
from dev_analytics.apps.report_arguments import path
from dev_analytics.consent.asking.presence import at_terminal

if TYPE_CHECKING:
    from dev_analytics.maintainer.forget import Place

SAYS: Final = "delete the records of one identifier, count them, and check that they are gone"
WAITS: Final = 3
"""The exit code if a deletion was requested that is not complete yet."""
CLICKHOUSE_USER: Final = "CLICKHOUSE_USER"
CLICKHOUSE_PASSWORD: Final = "CLICKHOUSE_PASSWORD"  # noqa: S105, the name of a variable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the task."""
    parser.epilog = (
        "The personal key is read from POSTHOG_PERSONAL_API_KEY, the user and password of "
        f"ClickHouse from {CLICKHOUSE_USER} and {CLICKHOUSE_PASSWORD}, and from nowhere else. "
        "Exit codes: 0 gone, 1 failed, 2 wrong arguments, 3 requested but not gone yet."
    )
    parser.add_argument("identifier", metavar="ID", type=_identifier, help="whose records")
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        type=path,
        help="archives to delete from (default: your own, unless you give a project)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only count the records")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    add_project(parser)
    parser.add_argument(
        "--clickhouse", metavar="URL", help="the ClickHouse of a self-hosted PostHog"
    )
    parser.add_argument("--database", default="posthog", help="its database (default: posthog)")
    parser.add_argument("--cluster", default="", help="its cluster, if it has several servers")
    parser.add_argument(
        "--wait",
        type=_minutes,
        default=1,
        metavar="MINUTES",
        help="how long to wait until they are gone (default: 1)",
    )
    add_list(parser)


def run(options: argparse.Namespace) -> int:
    """Run the task, and return the exit code."""
    from dev_analytics.maintainer.forget import ForgetError, forget
    from dev_analytics.maintainer.http import RequestError
    from dev_analytics.views.report.forgotten import Forgotten, ForgottenError

    user = options.identifier
    try:
        forgotten = Forgotten(options.list)
        places = _places(options)
        total = 0
        for place in places:
            found = place.count(user)
            total += found.stored
            say(f"{place}: {found}.")
        if options.dry_run:
            say("Nothing was changed.")
            return 0
        if not options.yes and not _is_sure(total):
            say("Nothing was changed.")
            return 0
        # First, so that reports leave it out from now on even if a deletion fails.
        forgotten.add(user)
        waits = False
        for place in places:
            left = forget(place, user, seconds=60 * options.wait, say=say)
            waits = waits or left.stored > 0
            say(
                f"{place}: {left} not gone yet. Run this again later."
                if left.stored
                else f"{place}: no records are left."
            )
        say(f"Reports leave this identifier out from now on: its hash is in {forgotten.file}.")
    except (ForgetError, RequestError, ForgottenError) as error:
        raise MaintainerError(str(error)) from None
    return WAITS if waits else 0


def _places(options: argparse.Namespace) -> list[Place]:
    """Return the places that the options name."""
    from dev_analytics.destinations.archive_file import NAME
    from dev_analytics.maintainer.forget import ForgetError
    from dev_analytics.maintainer.http import Server
    from dev_analytics.maintainer.places.archive import InArchive, archive
    from dev_analytics.maintainer.places.clickhouse import InClickHouse
    from dev_analytics.maintainer.places.posthog import InPostHog
    from dev_analytics.maintainer.project import PROJECT_VARIABLE, NoProjectError, project

    try:
        places: list[Place] = [archive(file) for file in options.files]
        if options.clickhouse:
            default = os.environ.get(PROJECT_VARIABLE, "")
            team = options.project or (int(default) if default.isdecimal() else 0)
            if not team:
                raise NoProjectError(
                    f"no project is given: use --project, or set {PROJECT_VARIABLE}"
                )
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
                "there is no archive on this machine: give a file, or a project with --project"
            )
        places.append(InArchive(own))
    return places


def _is_sure(number: int) -> bool:
    from dev_analytics.consent.asking.terminal import confirmed

    if not at_terminal():
        raise MaintainerError("nobody can confirm the deletion here: add --yes")
    return confirmed(f"Delete {number:,} rows permanently? (y/N): ")


def _identifier(text: str) -> str:
    from dev_analytics.maintainer.forget import identifier

    try:
        return identifier(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an identifier: {error}") from None


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1
    if not 0 <= minutes < 10**6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes")
    return minutes
