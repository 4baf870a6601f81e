"""The command ``maintainer``: the tasks of a project's maintainers, on the records users sent.

Exit codes: 0 for success, 1 for failure, 2 for wrong arguments, and 3 if something was requested
that is not complete yet.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any, Final, Protocol

from dev_analytics.apps.maintainer import dashboards, forget, publish
from dev_analytics.apps.maintainer.output import MaintainerError
from dev_analytics.process.messages import printable

HELP: Final = "for the maintainers of a project: dashboards, the public page, forgetting"


class Task(Protocol):
    """The module of a task."""

    @property
    def SAYS(self) -> str:  # noqa: N802, a constant of the module
        """Return its description for the help."""

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
        message = printable(str(error))
    except KeyboardInterrupt:
        message = "interrupted; run it again to continue"
    print(f"{program} {options.task}: {message}", file=sys.stderr)
    return 1


def _sentence(says: str) -> str:
    return f"{says[0].upper()}{says[1:]}."
