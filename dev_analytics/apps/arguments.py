"""The arguments of ``jupyter dev-analytics``, and their help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from dev_analytics import __version__
from dev_analytics.apps import report_arguments
from dev_analytics.apps.autoload import Place
from dev_analytics.apps.maintainer import command as maintainer

WORDS: Final = {
    "status": "show whether analytics are on and why, and what was recorded and delivered",
    "preview": "show the exact records that wait to be sent",
    "report": "summarise what was recorded: activity, features, errors, models, cells",
    "disable": "opt out permanently, in every notebook and terminal; with TOOL, only of that tool",
    "on": "switch another tool on again after it was disabled",
    "reset": "forget your answer, even an opt-out, after a confirmation",
    "enable": "load the extension in every kernel and terminal; collects nothing by itself",
    "remove": "stop loading the extension",
}
_JSON: Final = ("status", "preview", "report")
_PLACES: Final = {
    Place.USER: "for you, in your IPython profile (the default)",
    Place.SYS_PREFIX: "for everybody who uses this Python environment",
    Place.SYSTEM: "for everybody on this machine",
}


class _Parser(argparse.ArgumentParser):
    """A parser whose error message is a single line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (run it with --help to see the options)\n")


def program() -> str:
    """Return the command that the user ran, for messages."""
    if Path(sys.argv[0]).parts[-2:] == ("dev_analytics", "__main__.py"):
        return "python -m dev_analytics"
    return "jupyter dev-analytics"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed arguments; exit with 2 if they are wrong."""
    parser = _Parser(
        prog=program(),
        description="Anonymous analytics for dev: only if you agree, and never anything you write.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.set_defaults(json=False)
    words = parser.add_subparsers(dest="word", metavar="COMMAND", title="commands")
    for word, text in WORDS.items():
        each = words.add_parser(word, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if word in _JSON:
            each.add_argument("--json", action="store_true", help="print JSON, for scripts")
        if word == "report":
            report_arguments.add_arguments(each)
        elif word == "disable":
            each.add_argument("tool", nargs="?", help="the name of another tool")
        elif word == "on":
            each.add_argument("tool", help="the name of the tool")
        elif word == "reset":
            each.add_argument("--yes", action="store_true", help="do not ask for confirmation")
        elif word in ("enable", "remove"):
            each.set_defaults(place=Place.USER.value)
            options = each.add_mutually_exclusive_group()
            for place, whom in _PLACES.items():
                options.add_argument(
                    place.value, dest="place", action="store_const", const=place.value, help=whom
                )
    maintainer.add_words(words)
    return parser.parse_args(arguments)
