"""The commands of the magic ``%dev_analytics``, loaded when the first of them runs.

Each imports what it needs when it runs, so that a session in which only one is used stays small.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from typing import Any, Final, NoReturn

from IPython.core.error import UsageError

from dev_analytics.analytics import Analytics
from dev_analytics.apps.asking import Asking
from dev_analytics.apps.magics import HELP, NAME, WORDS, begin_log
from dev_analytics.consent.asking.output import fitted
from dev_analytics.consent.asking.presence import presence
from dev_analytics.consent.store import ConsentStoreError
from dev_analytics.process.messages import printable, say
from dev_analytics.process.request import request

RESET_QUESTION: Final = "Forget your answer to dev's analytics, and any opt-out? (Y)es/(N)o [No]: "
RESET: Final = (
    "Forgotten: your answer, the identifier, your place in the sample, any opt-out. "
    "Nothing is collected until you agree again."
)
OPEN: Final = "the question below a cell of this notebook waits for your answer"
UNREAD: Final = (
    "The records of this session contain your random identifier, which would be saved in the "
    "notebook. They are not shown in a run that nobody watches; %dev_analytics log FILE writes "
    "them to a file."
)
_IN_A_SHAPE: Final = frozenset({"preview", "schema", "report"})
"""Commands whose output is not wrapped: tables and JSON."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}")


class Commands:
    """The commands in one shell."""

    def __init__(self, shell: Any, analytics: Analytics, asking: Asking) -> None:
        self.shell = shell
        self._analytics = analytics
        self._asking = asking

    def run(self, line: str) -> None:
        """Run the command that `line` names, and print what it returns.

        Raises
        ------
        UsageError
            `line` is not a command, or the command failed.
        """
        try:
            word, *rest = shlex.split(line) or ["status"]
        except ValueError as error:
            raise UsageError(f"%{NAME}: {error}".rstrip(".")) from None
        if word in ("help", "-h", "--help"):
            print(_help())
            return
        if word not in WORDS:
            from difflib import get_close_matches

            near = get_close_matches(word, WORDS, 1)
            meant = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(WORDS)}"
            raise UsageError(f"%{NAME} knows no {word!r}: {meant}")
        command: Callable[[list[str]], str] = getattr(self, f"_{word}")
        began = self._analytics.gate.at_beginning()
        # Not all that a command shows is printed: it stands below what the cell has printed so far.
        print(end="", flush=True)
        text = command(rest)
        self._analytics.event("command_run", began, command=word)
        if text:
            say(text if word in _IN_A_SHAPE else fitted(text, request(self.shell)))

    def _status(self, rest: list[str]) -> str:
        from dev_analytics.consent.asking.output import MARK
        from dev_analytics.views.status import status, status_html

        _no_more("status", rest)
        present = presence(self.shell) != "nobody"
        analytics = self._analytics
        decision = analytics.gate.decision(can_answer=present)
        if self._asking.is_open:
            reason = f"{decision.reason}; {OPEN}" if decision.collecting else OPEN
            decision = decision.replace(reason=reason)
        return self._view(
            lambda: status(analytics, decision, somebody=present),
            lambda: status_html(analytics, decision, somebody=present),
            {MARK: True},
        )

    def _on(self, rest: list[str]) -> str:
        if not rest:
            return self._asking.on()
        from dev_analytics.apps.switches import UnattendedError, switch_on

        gate = self._analytics.gate
        try:
            text = switch_on(gate.store, " ".join(rest), attended=gate.attended())
        except UnattendedError as error:
            return str(error)  # printed, not raised: an error would end a batch run
        except (LookupError, ConsentStoreError) as error:
            raise UsageError(f"%{NAME} on {error.args[0]}") from None
        return "\n".join(filter(None, (text, self._asking.on())))

    def _off(self, rest: list[str]) -> str:
        _no_more("off", rest)
        return self._asking.off()

    def _disable(self, rest: list[str]) -> str:
        if not rest:
            return self._asking.disable()
        from dev_analytics.apps.switches import switch_off

        try:
            return switch_off(self._analytics.gate.store, " ".join(rest))
        except (LookupError, ConsentStoreError) as error:
            raise UsageError(f"%{NAME} disable {error.args[0]}") from None

    def _log(self, rest: list[str]) -> str:
        analytics, log = self._analytics, self._analytics.log
        match rest:
            case []:
                return "No event log." if log is None else f"The event log is {log.path}."
            case ["--stop"]:
                analytics.stop_log()
                return "No event log." if log is None else f"The event log {log.path} has ended."
            case [file] if not file.startswith("--"):
                if why := begin_log(analytics, file):
                    raise UsageError(f"%{NAME} log: {why}")
                log = analytics.log
                return f"Every event is appended to {log.path if log else file}."
        raise UsageError(f"%{NAME} log takes one file (in quotes if it has spaces), or --stop")

    def _preview(self, rest: list[str]) -> str:
        from dev_analytics.consent.asking.output import MARK
        from dev_analytics.views.preview import MAX_SHOWN, preview, preview_html

        _no_more("preview", rest)
        analytics = self._analytics
        sent = any(each.accepted for each in tuple(analytics.pipeline.preview))
        if sent and presence(self.shell) == "nobody":
            return UNREAD
        # A notebook saves its outputs; only our server extension leaves out those with the mark.
        limit = MAX_SHOWN if hasattr(self.shell, "kernel") else None
        return self._view(
            lambda: preview(analytics, limit), lambda: preview_html(analytics), {MARK: True}
        )

    def _schema(self, rest: list[str]) -> str:
        from dev_analytics.views import schema

        as_json = "--json" in rest
        name = " ".join(word for word in rest if word != "--json")
        try:
            events = schema.named(name)
        except LookupError as error:
            raise UsageError(f"%{NAME} schema {error.args[0]}") from None
        if as_json:
            if not name:
                from dev_analytics.catalogue.events import EVENTS

                raise UsageError(f"%{NAME} schema --json takes one event: {', '.join(EVENTS)}")
            return schema.schema_json(events)
        return self._view(lambda: schema.schema_text(events), lambda: schema.schema_html(events))

    def _report(self, rest: list[str]) -> str:
        from dev_analytics.apps import report
        from dev_analytics.apps.report_arguments import add_arguments
        from dev_analytics.views.report.progress import CellOutput, Progress
        from dev_analytics.views.report.source import ReportError

        parser = _Parser(prog=f"%{NAME} report", add_help=False, allow_abbrev=False)
        add_arguments(parser)
        options = parser.parse_args(rest)
        output = CellOutput(self.shell)
        try:
            data = self._analytics.gate.store.data
            counted = report.count(options, data, Progress(output.show))
            if options.html or options.csv:
                return output.end(counted.write(options.html, options.csv))
            if not output.rich:
                return output.end(report.for_terminal(counted))
            output.publish({"text/plain": counted.text(), "text/html": counted.html()})
        except ReportError as error:
            output.end("No report.")
            raise UsageError(f"%{NAME} report: {printable(str(error))}") from None
        except KeyboardInterrupt:
            return output.end(f"%{NAME} report: interrupted before the report was finished")
        return ""

    def _reset(self, rest: list[str]) -> str:
        if rest != ["--yes"]:
            _no_more("reset", rest)
            if not self._confirmed():
                return "Nothing was changed."
        gate = self._analytics.gate
        if gate.store.read().refuses and not gate.attended():
            raise UsageError(f"%{NAME} reset: you opted out, and nobody here can undo that")
        try:
            gate.store.reset()
        except ConsentStoreError as error:
            raise UsageError(f"%{NAME} reset: {error}") from None
        self._analytics.pipeline.forget()
        return RESET

    def _view(
        self,
        text: Callable[[], str],
        html: Callable[[], str],
        metadata: dict[str, Any] | None = None,
    ) -> str:
        """Show a view as HTML in a notebook; elsewhere return it as text."""
        shell: Any = self.shell
        if not hasattr(shell, "kernel"):
            return text()
        shell.display_pub.publish({"text/plain": text(), "text/html": html()}, metadata)
        return ""

    def _confirmed(self) -> bool:
        if presence(self.shell) == "nobody":
            raise UsageError(f"%{NAME} reset asks first, but nobody can answer here: add --yes")
        from dev_analytics.consent.asking.prompt import confirm
        from dev_analytics.consent.asking.terminal import line_of

        try:
            return confirm(RESET_QUESTION, line_of(self.shell))
        except (EOFError, KeyboardInterrupt):
            return False


def _no_more(word: str, rest: list[str]) -> None:
    if rest:
        raise UsageError(f"%{NAME} {word} takes no more arguments, got {' '.join(rest)!r}")


def _help() -> str:
    return "\n".join(line for line in HELP.splitlines() if line.strip() != "::").strip()
