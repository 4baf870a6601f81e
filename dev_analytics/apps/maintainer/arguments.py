"""What more than one task is given."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_project(parser: argparse.ArgumentParser) -> None:
    """Add which project of which PostHog."""
    parser.add_argument(
        "--project",
        type=number,
        metavar="N",
        help="the number of the project in PostHog; without: POSTHOG_PROJECT_ID",
    )
    parser.add_argument(
        "--host",
        metavar="URL",
        help="where PostHog is; without: POSTHOG_HOST, or https://us.posthog.com",
    )


def add_list(parser: argparse.ArgumentParser) -> None:
    """Add the list of those who are forgotten."""
    parser.add_argument(
        "--list",
        metavar="FILE",
        type=path,
        help="the list of those forgotten; without: the one in your configuration",
    )


def path(said: str) -> Path:
    """Return the path that somebody wrote."""
    return Path(said).expanduser()


def number(said: str) -> int:
    """Return the number of a project.

    Raises
    ------
    argparse.ArgumentTypeError
        It is none.
    """
    if said.isdecimal() and 0 < int(said) < 10**12:
        return int(said)
    raise argparse.ArgumentTypeError(f"{said!r} is not the number of a project")
