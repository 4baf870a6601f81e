"""The command ``dev``: IPython's terminal application, with the extension and four more flags.

IPython parses them together with its own flags, all of which still work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from typing import Any, Final

from IPython.terminal.ipapp import TerminalIPythonApp
from traitlets import Bool, Unicode
from traitlets.config import catch_config_error

from dev_analytics.analytics import get_analytics
from dev_analytics.apps.magics import begin_log
from dev_analytics.config import LOG_VARIABLE, DevAnalytics
from dev_analytics.consent.decision import Switch
from dev_analytics.consent.store import ConsentStoreError
from dev_analytics.process import line, why_unserved
from dev_analytics.process.messages import say

HELP: Final = """\
Analytics
=========
Anonymous analytics for dev: only if you agree, and never anything you write.

--analytics
    Switch this session on; asks you the first time.
--no-analytics
    Switch this session off.
--analytics-disable
    Opt out for ever, in every notebook and terminal. Ends, unless there is something to run.
--analytics-log FILE
    Append every event to FILE as JSON lines, sent or not.

%dev_analytics inside, and jupyter dev-analytics outside, show and change the rest.
"""

_FLAGS: Final = {
    **TerminalIPythonApp.flags,
    "analytics": ({"Dev": {"analytics": True}}, "Switch analytics on."),
    "no-analytics": ({"Dev": {"analytics": False}}, "Switch analytics off."),
    "analytics-disable": ({"Dev": {"analytics_disable": True}}, "Opt out for ever."),
}
_ALIASES: Final = {**TerminalIPythonApp.aliases, "analytics-log": "Dev.analytics_log"}


class Dev(TerminalIPythonApp):
    """IPython's terminal application with the extension loaded."""

    name = "dev"
    config_file_name = Unicode("ipython_config.py")
    flags = _FLAGS
    aliases = _ALIASES

    analytics = Bool(None, allow_none=True, help="The switch, as a flag set it.").tag(config=True)
    analytics_disable = Bool(False, help="Opt out for ever.").tag(config=True)
    analytics_log = Unicode("", help="The file of the event log.").tag(config=True)

    def _classes_default(self) -> list[type]:
        return [*super()._classes_default(), DevAnalytics]

    @catch_config_error
    def parse_command_line(self, argv: Any = None) -> None:
        """Parse the flags; an opt-out among them comes before anything is set up or run."""
        super().parse_command_line(argv)
        if self.subapp is None and self.analytics_disable:
            runs = self.something_to_run or self.extra_args or self.force_interact
            self._opt_out(alone=not runs)

    def init_extensions(self) -> None:
        """Load the extension before the user's extensions, and apply the flags."""
        self.default_extensions = ["dev_analytics", *self.default_extensions]
        if why_unserved():
            super().init_extensions()  # type: ignore[no-untyped-call]
            return
        analytics = get_analytics()
        began = analytics.gate.now()  # what the environment says is older than a flag
        if self.analytics is not None:
            flag = "--analytics" if self.analytics else "--no-analytics"
            analytics.gate.switch = Switch(self.analytics, flag, explicit=True)
        if self.analytics_log:
            self._log(self.analytics_log)
        super().init_extensions()  # type: ignore[no-untyped-call]
        for flag in self._given():
            analytics.event("command_run", began, command=flag)

    def emit_options_help(self) -> Generator[str, None, None]:
        """Yield a section for our flags, then IPython's."""
        yield HELP
        own = self.flags, self.aliases
        self.flags, self.aliases = TerminalIPythonApp.flags, TerminalIPythonApp.aliases
        try:
            yield from super().emit_options_help()
        finally:
            self.flags, self.aliases = own

    def _opt_out(self, *, alone: bool) -> None:
        if why := why_unserved():
            say(line(why), sys.stderr)
            if alone:
                self.exit(1)
            return
        from dev_analytics.consent.asking.answering import opt_out

        try:
            text = opt_out(get_analytics().gate.store)
        except ConsentStoreError as error:
            say(f"dev: {error}.", sys.stderr)
            self.exit(1)
        # Standard output belongs to what runs next.
        say(text, sys.stdout if alone else sys.stderr)
        if alone:
            if file := self.analytics_log or os.environ.get(LOG_VARIABLE):
                self._log(file)
            for flag in self._given():
                get_analytics().event("command_run", command=flag)
            self.exit(0)

    def _log(self, file: str) -> None:
        if why := begin_log(get_analytics(), file):
            say(f"dev: no event log, {why}", sys.stderr)

    def _given(self) -> Iterator[str]:
        if self.analytics is not None:
            yield "--analytics" if self.analytics else "--no-analytics"
        if self.analytics_disable:
            yield "--analytics-disable"
        if self.analytics_log:
            yield "--analytics-log"


def main() -> None:
    """Run the command."""
    Dev.launch_instance()
