"""The arguments that several tasks have."""

from __future__ import annotations

import argparse

from dev_analytics.apps.report_arguments import path


def add_project(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a PostHog project."""
    parser.add_argument(
        "--project",
        type=number,
        metavar="N",
        help="the number of the project in PostHog (default: POSTHOG_PROJECT_ID)",
    )
    parser.add_argument(
        "--host",
        metavar="URL",
        help="the address of PostHog (default: POSTHOG_HOST, or https://us.posthog.com)",
    )


def add_list(parser: argparse.ArgumentParser) -> None:
    """Add the list of forgotten identifiers."""
    parser.add_argument(
        "--list",
        metavar="FILE",
        type=path,
        help="the list of forgotten identifiers (default: the one in your configuration)",
    )


def number(text: str) -> int:
    """Return the number of a project in an argument.

    Raises
    ------
    argparse.ArgumentTypeError
        It is not a number, or not a possible one.
    """
    if text.isdecimal() and 0 < int(text) < 10**12:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not the number of a project")
