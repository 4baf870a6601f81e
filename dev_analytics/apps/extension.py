"""The extension in one shell: settings, observers, magic and question, loaded and removed together.

The state is kept here and not in the package's ``__init__``, which ``%reload_ext`` runs again.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from dev_analytics.analytics import Analytics, get_analytics
from dev_analytics.apps.magics import begin_log, register_magics, unregister_magics
from dev_analytics.callbacks import after_reply, quiet
from dev_analytics.config import SERVER_VARIABLE, DevAnalytics, load_settings
from dev_analytics.consent.decision import Switch
from dev_analytics.consent.environment import SettingError, environment_switch
from dev_analytics.observers import hooks
from dev_analytics.observers.cells import Cells
from dev_analytics.process import kept
from dev_analytics.process.forks import unforked

if TYPE_CHECKING:
    from dev_analytics.apps.asking import Asking
    from dev_analytics.consent.asking.presence import Presence
    from dev_analytics.observers.threads import Threads

_UNLOADED: Final = Switch(False, "%unload_ext", unattended=True)
_sessions: Final[list[Session]] = kept("sessions", list)
_threads: Final[list[Threads]] = kept("threads", list)
"""At most one, for the whole process: every shell would see the same error."""


class Session:
    """The extension in one shell."""

    def __init__(self, shell: Any, analytics: Analytics) -> None:
        self.shell = shell
        self.drops = analytics.drops
        self._analytics = analytics
        # It must not refer to the session, which the gate would keep alive.
        self._attended = lambda: _is_attended(shell)
        analytics.gate.attended = self._attended
        self._settings = self._read_settings()
        self._cells = Cells(analytics, shell)
        self._asking: Asking | None = None
        self._page = ""
        self._torn_down = False
        self._process = os.getpid()
        # IPython, atexit and the gate compare by identity, so one bound method of each is kept.
        self._at_end = self._at_exit
        self._after_cell = self._ask_after_cell
        self._when_wanted = self._await_cell
        # The front end is recognised by the variables at load: a cell may change them later.
        self._variables = frozenset(os.environ)
        self._server = os.environ.get(SERVER_VARIABLE, "")

    def start(self) -> None:
        """Begin to follow the settings, observe, offer the magic, and ask at a terminal.

        Each step has its opposite in `tear_down`, which works whichever of them were taken.
        """
        analytics, shell = self._analytics, self.shell
        if self._settings.log and analytics.log is None:
            self._log(self._settings.log)
        register_magics(shell, analytics, self.asking)
        shell.configurables.append(self._settings)
        self._settings.observe(self._follow, list(DevAnalytics.class_trait_names(config=True)))
        self._cells.register()
        hooks.register(analytics)
        atexit.register(self._at_end)
        # Before the question: what would be sent begins with the launch.
        analytics.open_with(self._launched)
        self.attach_to_gate()
        if hasattr(shell, "kernel"):
            self._await_cell()
            # What takes events is loaded when the user has the reply, or with the first event.
            with contextlib.suppress(RuntimeError):
                after_reply(self._begin)
                return
            # At its start a kernel knows nothing of its front end: the first cell shows it.
            self._load()
            return
        if not analytics.gate.settled:
            self.asking().start()
        self._begin()

    def stop(self) -> None:
        """End the session, and leave nothing behind in the shell, even if interrupted."""
        try:
            if not _sessions:
                self._exited("unloaded", at_exit=False)
        finally:
            self._leave()

    def _leave(self) -> None:
        self.tear_down()
        if _sessions:
            _sessions[-1].attach_to_gate()
            return  # another shell in this process goes on
        self._analytics.stop_log()
        gate = self._analytics.gate
        if gate.switch is None or gate.switch.on or not gate.switch.explicit:
            gate.switch = _UNLOADED

    def attach_to_gate(self) -> None:
        """Let the gate ask the user of this shell, and no other one of this process."""
        self._analytics.gate.attended = self._attended
        self._analytics.gate.on_wanted = self._when_wanted

    def tear_down(self) -> None:
        """Remove everything of ours from the shell and the process, however far `start` came."""
        self._torn_down = True
        steps: list[Callable[[], object]] = [
            lambda: atexit.unregister(self._at_end),
            lambda: self._analytics.openers.remove(self._launched),
            self._stop_asking,
            self._cells.unregister,
            self._settings.unobserve_all,
            lambda: _remove(self.shell.configurables, self._settings),
            lambda: unregister_magics(self.shell),
        ]
        if not any(session is not self for session in _sessions):
            steps += [_leave_threads, hooks.unregister]
        for step in steps:
            with contextlib.suppress(Exception):
                step()

    def asking(self) -> Asking:
        """Return what asks the user of this shell; most sessions never load it."""
        if self._asking is None:
            with unforked():
                from dev_analytics.apps.asking import Asking

            self._asking = Asking(self.shell, self._analytics, self._begin)
        return self._asking

    def _await_cell(self) -> None:
        """Ask after the next cell, if somebody is there then and something is left to ask."""
        self.shell.events.register("post_run_cell", self._after_cell)

    def _leave_cells(self) -> None:
        if self._after_cell in self.shell.events.callbacks["post_run_cell"]:
            self.shell.events.unregister("post_run_cell", self._after_cell)

    @quiet
    def _ask_after_cell(self, result: Any) -> None:
        """Ask after the first cell at whose end somebody is there.

        It may be the one that loads the extension. What asks in a notebook is loaded after the
        reply, as the question comes then.
        """
        if self._analytics.gate.settled:
            self._leave_cells()
            return
        with unforked():
            from dev_analytics.consent.asking.presence import is_user_cell, presence
            from dev_analytics.process.request import request

        present = presence(self.shell) if is_user_cell(result) else "nobody"
        if present == "nobody":
            return
        self._leave_cells()
        running = request(self.shell)
        if present == "notebook":
            with contextlib.suppress(RuntimeError):
                after_reply(lambda: self._ask(present, running))
                return
            # A kernel without a loop of asyncio's: the question comes before the reply.
        self._ask(present, running)

    @quiet
    def _ask(self, present: Presence, running: Any) -> None:
        if not self._torn_down and self._analytics.gate.may_ask():
            self.asking().after_cell(present, running)

    def _stop_asking(self) -> None:
        self._leave_cells()
        gate = self._analytics.gate
        if gate.on_wanted is self._when_wanted:
            gate.on_wanted = None
        if self._asking is not None:
            self._asking.stop()

    @quiet
    def _begin(self) -> None:
        if not self._torn_down:
            _watch_threads(self._analytics)
            self._analytics.recording  # noqa: B018, it begins

    @quiet
    def _load(self) -> None:
        """Load what the first cell needs, where nothing runs after a reply."""
        from dev_analytics.observers import launch  # noqa: F401
        from dev_analytics.process import ancestors  # noqa: F401

        _watch_threads(self._analytics)
        self._analytics.pipeline  # noqa: B018
        self._analytics.gate.now()

    @quiet
    def _launched(self) -> None:
        """Record the beginning; what earlier sessions left goes out first."""
        from dev_analytics.observers.launch import launch, page

        analytics = self._analytics
        if hasattr(self.shell, "kernel"):
            from dev_analytics.process.request import request

            # A recording that an answer begins names the page of the cell that was run before.
            self._page = page(request(self.shell)) or self._page
        if analytics.gate.now()[0].collecting:
            analytics.pipeline.sink.resume()
        launched = launch(self.shell, self._variables, self._page, self._server)
        analytics.event("launched", **launched)

    def _read_settings(self) -> DevAnalytics:
        """Read settings and environment; one that cannot be used is named, and keeps it off."""
        gate = self._analytics.gate
        gate.follow_environment()  # what it says is older than all that follows
        try:
            settings = load_settings(self.shell)
            environment_switch()
        except SettingError as error:
            settings = DevAnalytics(enabled=False)
            _say(str(error))
            gate.switch = error.switch
        settings.on_refused = self._refuse_in_session
        self._apply(settings)
        if gate.switch is None:
            gate.switch = settings.switch
        elif gate.switch.source == _UNLOADED.source:
            gate.switch_in_session(environment_switch() or settings.switch)
        return settings

    def _refuse_in_session(self, error: SettingError) -> None:
        _say(str(error))
        self._analytics.gate.switch_in_session(error.switch)

    def _follow(self, change: Any) -> None:
        """Follow a setting that ``%config DevAnalytics`` changed."""
        if change.name == "enabled":
            self._analytics.gate.switch_in_session(self._settings.switch)
        elif change.name == "log_file":
            if change.new:
                self._log(change.new)
            else:
                self._analytics.stop_log()
        else:
            self._apply(self._settings)

    def _apply(self, settings: DevAnalytics) -> None:
        self._analytics.gate.sample_percent = settings.sample_percent
        self._analytics.delivery = settings.delivery

    def _log(self, file: str) -> None:
        if why := begin_log(self._analytics, file):
            _say(f"no event log, {why}")

    @quiet
    def _at_exit(self) -> None:
        if os.getpid() == self._process:
            self._stop_asking()
            _remove(_sessions, self)
            if not _sessions:
                self._exited("end of process", at_exit=True)

    def _exited(self, reason: str, *, at_exit: bool) -> None:
        analytics = self._analytics
        pipeline = analytics.pipeline
        hooks.finish()
        # Of this recording, and dropped if another one begins meanwhile.
        began = analytics.gate.now()
        recording = pipeline.recording
        analytics.event(
            "exited", began, reason=reason, cells=recording.cells, duration=recording.duration
        )
        pipeline.sink.close(at_exit=at_exit)


def load(shell: Any) -> None:
    """Load the extension into `shell`, completely or not at all; a second call does nothing.

    Where anything fails, or the user interrupts, nothing of it stays, and it can be loaded again.
    """
    for loaded in [session for session in _sessions if session.shell is shell]:
        if type(loaded) is Session:
            return
        # Of modules that were loaded before.
        _end(loaded)
    analytics = get_analytics()
    gate = analytics.gate
    gate.follow_environment()  # what it says stays, also where loading fails
    before = gate.switch, gate.sample_percent, gate.attended, analytics.delivery, analytics.log
    wanted = gate.on_wanted
    session = None
    try:
        session = Session(shell, analytics)
        session.start()
        _sessions.append(session)
    except BaseException:
        if session is not None:
            _remove(_sessions, session)
            session.tear_down()
        if analytics.log is not before[4]:
            analytics.stop_log()
        gate.switch, gate.sample_percent, gate.attended, analytics.delivery, _ = before
        gate.on_wanted = wanted
        raise


def unload(shell: Any) -> None:
    """Remove the extension from `shell`."""
    for session in [session for session in _sessions if session.shell is shell]:
        _end(session)


def _end(session: Session) -> None:
    _remove(_sessions, session)
    session.stop()


def _watch_threads(analytics: Analytics) -> None:
    if not _threads:
        from dev_analytics.observers.threads import Threads

        _threads.append(Threads(analytics))
        _threads[-1].register()


def _leave_threads() -> None:
    while _threads:
        _threads.pop().unregister()


def _remove(items: list[Any], item: object) -> None:
    items[:] = [each for each in items if each is not item]


def _is_attended(shell: Any) -> bool:
    with unforked():
        from dev_analytics.consent.asking.presence import presence

    return presence(shell) != "nobody"


def _say(line: str) -> None:
    from dev_analytics.process.messages import say

    say(f"dev_analytics: {line}", sys.stderr)
