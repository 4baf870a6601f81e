"""The word ``maintainer``: what the maintainers of a project run on what users sent.

It exits with 0, with 1 if it failed, with 2 if it was not understood, and with 3 where something
was asked for that is not done yet.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any, Final, Protocol

from dev_analytics.apps.maintainer import dashboards, forget, publish
from dev_analytics.apps.maintainer.output import MaintainerError
from dev_analytics.views.report.tables import printable

HELP: Final = "for the maintainers of a project: dashboards, the public page, forgetting"


class Task(Protocol):
    """A module of a task."""

    @property
    def SAYS(self) -> str:  # noqa: N802, a constant of the module
        """Return what it does."""

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None:
        """Add the arguments of the task."""

    def run(self, options: argparse.Namespace, /) -> int:
        """Run the task, and return the exit code."""


TASKS: Final[Mapping[str, Task]] = {"dashboards": dashboards, "publish": publish, "forget": forget}


def add_words(words: Any) -> None:
    """Add the command and its tasks to the parser of ``jupyter dev-analytics``."""
    parser = words.add_parser("maintainer", help=HELP, description=_sentence(HELP))
    own = parser.add_subparsers(dest="task", metavar="TASK", title="tasks", required=True)
    for word, task in TASKS.items():
        each = own.add_parser(word, help=task.SAYS, description=_sentence(task.SAYS))
        task.add_arguments(each)


def run(options: argparse.Namespace, program: str) -> int:
    """Run the task that the options name, and return the exit code."""
    try:
        return TASKS[options.task].run(options)
    except MaintainerError as error:
        failed = printable(str(error))
    except KeyboardInterrupt:
        failed = "interrupted; run it again to go on from there"
    print(f"{program} {options.task}: {failed}", file=sys.stderr)
    return 1


def _sentence(says: str) -> str:
    return f"{says[0].upper()}{says[1:]}."
