"""The task ``dashboards``: creates or updates the dashboard of the questions in PostHog."""

from __future__ import annotations

import argparse
from typing import Final

from msgspec import json

from dev_analytics.apps.maintainer.arguments import add_project
from dev_analytics.apps.maintainer.output import MaintainerError, say, write

SAYS: Final = (
    "create or update the dashboard of the questions in PostHog, or show what would change"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the task."""
    parser.epilog = (
        "The personal key is read from POSTHOG_PERSONAL_API_KEY and from nowhere else. It needs "
        "the scopes dashboard:write, insight:write, alert:write and user:read; for --dry-run, "
        "read scopes are enough."
    )
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--json", action="store_true", help="print it as a PostHog template")
    mode.add_argument("--dry-run", action="store_true", help="only show what would change")
    mode.add_argument("--apply", action="store_true", help="create or update it")
    add_project(parser)
    parser.add_argument(
        "--errors-above",
        type=_bound,
        default=100,
        metavar="N",
        help="alert on more errors per 1,000 cells of a version (default: 100)",
    )
    parser.add_argument(
        "--failures-above",
        type=_bound,
        default=20,
        metavar="N",
        help="alert on more failures per hundred requests to a model (default: 20)",
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
        dashboard = Dashboard(project(options.host, options.project), dry=options.dry_run, say=say)
        dashboard.make(alerts(options.errors_above, options.failures_above))
    except (NoProjectError, DashboardError, RequestError) as error:
        raise MaintainerError(str(error)) from None
    if not dashboard.changes:
        say("The dashboard is up to date.")
    return 0


def _bound(text: str) -> float:
    try:
        bound = float(text)
    except ValueError:
        bound = -1
    if not 0 < bound < 10**6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to a million")
    return bound
