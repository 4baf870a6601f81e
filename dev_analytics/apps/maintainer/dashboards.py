"""The task ``dashboards``: the dashboard of the questions, in PostHog."""

from __future__ import annotations

import argparse
from typing import Final

from msgspec import json

from dev_analytics.apps.maintainer.arguments import add_project
from dev_analytics.apps.maintainer.output import MaintainerError, say, write

SAYS: Final = "make the dashboard of the questions in PostHog, or say what that would change"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the task."""
    parser.epilog = (
        "The personal key is read from POSTHOG_PERSONAL_API_KEY and from nowhere else. It needs "
        "the scopes dashboard:write, insight:write, alert:write and user:read; --dry-run needs "
        "only to read."
    )
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--json", action="store_true", help="print it as a template of PostHog's")
    way.add_argument("--dry-run", action="store_true", help="say what would change, only")
    way.add_argument("--apply", action="store_true", help="make it, or change what is ours in it")
    add_project(parser)
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


def run(options: argparse.Namespace) -> int:
    """Run the task, and return the exit code."""
    from dev_analytics.maintainer.dashboards import Dashboard, DashboardError
    from dev_analytics.maintainer.http import RequestError
    from dev_analytics.maintainer.project import NoProjectError, project
    from dev_analytics.maintainer.tiles import alerts, template

    if options.json:
        write(json.format(json.encode(template()), indent=2).decode())
        return 0
    try:
        dashboard = Dashboard(project(options.host, options.project), dry=options.dry_run, tell=say)
        dashboard.make(alerts(options.errors_above, options.failures_above))
    except (NoProjectError, DashboardError, RequestError) as error:
        raise MaintainerError(str(error)) from None
    if not dashboard.changes:
        say("The dashboard is up to date: there is nothing to change.")
    return 0


def _bound(said: str) -> float:
    try:
        bound = float(said)
    except ValueError:
        bound = -1
    if not 0 < bound < 10**6:
        raise argparse.ArgumentTypeError(f"{said!r} is not a limit")
    return bound
