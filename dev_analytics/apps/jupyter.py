"""The command ``jupyter dev-analytics``, or ``python -m dev_analytics``, outside any session."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence

from msgspec import json
from traitlets.config import Configurable

from dev_analytics.analytics import get_analytics
from dev_analytics.apps import autoload
from dev_analytics.apps.arguments import parse, program
from dev_analytics.apps.autoload import ForeignFileError, Place
from dev_analytics.apps.configuration import read_configuration
from dev_analytics.apps.magics import begin_log
from dev_analytics.apps.maintainer import command as maintainer
from dev_analytics.apps.switches import UnattendedError, switch_off, switch_on
from dev_analytics.config import LOG_VARIABLE, load_settings
from dev_analytics.consent.asking.answering import opt_out
from dev_analytics.consent.asking.presence import at_terminal, started_by_cell
from dev_analytics.consent.environment import SettingError
from dev_analytics.consent.gate import Gate
from dev_analytics.consent.store import ConsentStoreError
from dev_analytics.delivery import Delivery
from dev_analytics.process.messages import printable, say
from dev_analytics.views.machine import machine, machine_fields, waiting


class CommandError(Exception):
    """The command failed; the message says why, in one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code: 0 for success, 1 for failure.

    Wrong arguments exit with 2.
    """
    options = parse(arguments)
    word = options.word or "status"
    if word == "maintainer":
        # Working on the records of others is not a use of dev: it is not recorded.
        return maintainer.run(options, f"{program()} maintainer")
    analytics = get_analytics()
    file = os.environ.get(LOG_VARIABLE)
    if file and (why := begin_log(analytics, file)):
        say(f"{program()}: no event log, {why}", sys.stderr)
    user_id = analytics.gate.now()[1].user_id
    # An opt-out must work even if IPython's configuration is broken.
    delivery = None if word in ("disable", "reset") else _apply_configuration(analytics.gate)
    try:
        text = {
            "status": _status,
            "preview": _preview,
            "report": _report,
            "disable": _disable,
            "on": _on,
            "reset": _reset,
            "enable": _enable,
            "remove": _remove,
        }[word](options)
    except CommandError as error:
        say(f"{program()} {word}: {error}", sys.stderr)
        return 1
    # The record goes where a session's would; the next session starts the sender.
    analytics.delivery = delivery
    # A yes that was given meanwhile does not cover a command that began before it.
    if analytics.gate.now()[1].user_id in (None, user_id):
        analytics.event("command_run", command=word)
    analytics.delivery = None
    analytics.pipeline.sink.close(at_exit=False)
    try:
        say(text)
        if sys.stdout is not None:  # the parent process may have closed it
            sys.stdout.flush()
    except OSError as error:
        # Otherwise Python would report the same error when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # The reader closed the pipe, as `head` does; Windows reports that as EINVAL.
        if isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL):
            return 0
        say(f"{program()} {word}: standard output: {error.strerror}", sys.stderr)
        return 1
    return 0


def _status(options: argparse.Namespace) -> str:
    analytics = get_analytics()
    decision = analytics.gate.decision(can_answer=True)
    if options.json:
        return _text(machine_fields(analytics, decision, autoload.enabled()))
    return machine(analytics, decision, autoload.enabled(), somebody=not started_by_cell())


def _apply_configuration(gate: Gate) -> Delivery | None:
    """Apply IPython's configuration as a session does, and return where records go."""
    config, failures = read_configuration()
    for failure in failures:
        say(f"{program()}: {failure}", sys.stderr)
    try:
        settings = load_settings(Configurable(config=config))
    except SettingError as error:
        gate.switch = error.switch
        return None
    gate.sample_percent = settings.sample_percent
    gate.now()  # reads the environment, which takes precedence over a setting
    gate.switch = gate.switch or settings.switch
    gate.recipient = settings.delivery.recipient
    return settings.delivery


def _preview(options: argparse.Namespace) -> str:
    if started_by_cell():
        raise CommandError(
            "the records contain your random identifier, which would be saved in the notebook: "
            "run this in a terminal"
        )
    records = [record.decode() for record in waiting(get_analytics())]
    if options.json:
        return f"[{', '.join(records)}]"
    if not records:
        return (
            "No records are waiting. To see what a session has sent or would send, run "
            "%dev_analytics preview in it."
        )
    return "\n\n".join(f"# waiting\n{record}" for record in records)


def _report(options: argparse.Namespace) -> str:
    from dev_analytics.apps import report
    from dev_analytics.views.report.progress import Progress, TerminalLine
    from dev_analytics.views.report.source import ReportError

    line = TerminalLine(sys.stderr)
    progress = Progress(line.show if sys.stderr.isatty() else lambda text: None)
    try:
        counted = report.count(options, get_analytics().gate.store.data, progress)
        line.wipe()
        if not (options.html or options.csv):
            return _text(counted.fields()) if options.json else report.for_terminal(counted)
        written = counted.write(options.html, options.csv)
        if not options.json:
            return written
        say(written, sys.stderr)
        return _text(counted.fields())
    except ReportError as error:
        raise CommandError(printable(str(error))) from None
    except KeyboardInterrupt:
        raise CommandError("interrupted before the report was finished") from None
    finally:
        line.wipe()


def _on(options: argparse.Namespace) -> str:
    try:
        return switch_on(get_analytics().gate.store, options.tool, attended=at_terminal())
    except (LookupError, UnattendedError, ConsentStoreError) as error:
        raise CommandError(error.args[0]) from None


def _disable(options: argparse.Namespace) -> str:
    store = get_analytics().gate.store
    try:
        return opt_out(store) if options.tool is None else switch_off(store, options.tool)
    except (LookupError, ConsentStoreError) as error:
        raise CommandError(error.args[0]) from None


def _reset(options: argparse.Namespace) -> str:
    from dev_analytics.apps.commands import RESET, RESET_QUESTION

    if started_by_cell() and get_analytics().gate.store.read().refuses:
        raise CommandError("you opted out, and a cell cannot undo that: run this in a terminal")
    if not options.yes:
        if not at_terminal():
            raise CommandError("nobody can confirm the reset here: add --yes")
        from dev_analytics.consent.asking.terminal import confirmed

        if not confirmed(RESET_QUESTION):
            return "Nothing was changed."
    try:
        get_analytics().gate.store.reset()
    except ConsentStoreError as error:
        raise CommandError(error) from None
    return RESET


def _enable(options: argparse.Namespace) -> str:
    try:
        file = autoload.enable(Place(options.place))
    except (ForeignFileError, OSError, RuntimeError) as error:
        raise CommandError(_why(error)) from None
    return (
        f"From now on, every kernel and terminal that reads {file} loads dev_analytics.\n"
        "Nothing is collected until its user agrees."
    )


def _remove(options: argparse.Namespace) -> str:
    try:
        file = autoload.remove(Place(options.place))
    except (ForeignFileError, OSError, RuntimeError) as error:
        raise CommandError(_why(error)) from None
    if file is None:
        return f"There is no {Place(options.place).file}."
    return f"Removed {file}. Sessions that are running keep the extension until they end."


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _text(fields: object) -> str:
    return json.format(json.encode(fields), indent=2).decode()
