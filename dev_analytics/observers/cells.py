"""Cells: how each ended and how long it ran, which features it used, which error it met.

A cell is one pair of ``pre_run_cell`` and ``post_run_cell`` with the same ``ExecutionInfo``. Cells
run inside cells (``%%capture``, ``run_cell``), beside each other (subshells), and without a
beginning (the cell that loads the extension); silent ones have no pair, and those that store no
history are a front end's own. While a cell runs, only a weak reference to it, a time, and the
consent at its beginning are kept.
"""

from __future__ import annotations

import sys
import threading
import weakref
from asyncio import CancelledError
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from dev_analytics.callbacks import quiet
from dev_analytics.process import kept
from dev_analytics.process.forks import unforked
from dev_analytics.process.native import Clock

if TYPE_CHECKING:
    from dev_analytics.analytics import Analytics
    from dev_analytics.consent.gate import State

MAX_NESTED: Final = 100
"""How many nested executions are remembered."""


class Cells:
    """Observes the cells of one shell.

    Parameters
    ----------
    analytics
        Where the events go.
    shell
        The InteractiveShell.

    Attributes
    ----------
    drops
        Where failures are counted.
    """

    def __init__(self, analytics: Analytics, shell: Any) -> None:
        self.drops = analytics.drops
        self._analytics = analytics
        self._shell = shell
        self._running = _Running()
        self._last = kept("last recorded error", _Recorded)
        self._open: list[_Cell] = []
        # IPython unregisters by comparison, so the bound methods are kept.
        self._callbacks: dict[str, Callable[..., None]] = {
            "pre_run_cell": self._pre_run_cell,
            "post_run_cell": self._post_run_cell,
        }
        if hasattr(shell, "kernel"):
            # Only a kernel has widgets, whose messages run in no cell.
            self._callbacks["pre_execute"] = self._pre_execute
            self._callbacks["post_execute"] = self._post_execute

    def register(self) -> None:
        """Start observing."""
        for event, callback in self._callbacks.items():
            self._shell.events.register(event, callback)

    def unregister(self) -> None:
        """Stop observing."""
        for event, callback in self._callbacks.items():
            if callback in self._shell.events.callbacks[event]:
                self._shell.events.unregister(event, callback)

    @quiet
    def _pre_execute(self) -> None:
        running = self._running
        before = _Before(self._analytics.gate.at_beginning())
        running.executions.append((len(running.alive()), before))

    @quiet
    def _pre_run_cell(self, info: Any) -> None:
        cell, outermost = self._running.push(info, self._analytics.gate.at_beginning())
        if outermost and cell.last_value != self._last.recorded:
            self._last.recorded = id(None)
        if self._open:
            self._open = [each for each in self._open if each.info() is not None]
            for other in self._open:
                if other.thread != cell.thread:
                    other.beside_another = cell.beside_another = True
        self._open.append(cell)

    @quiet
    def _post_execute(self) -> None:
        """Record the error of a widget's callback, which runs for a comm message, not for a cell.

        After a cell one more is running than before; not so for a message that arrives while a cell
        awaits something.
        """
        running = self._running
        if not running.executions:
            # The beginning of the cell that loads the extension was not seen.
            return
        depth, before = running.executions.pop()
        if len(running.alive()) == depth and self._handles_comm_message():
            self._shown("callback", before)

    def _handles_comm_message(self) -> bool:
        with unforked():
            from dev_analytics.process.request import handles_comm_message

        return handles_comm_message(self._shell)

    @quiet
    def _post_run_cell(self, result: Any) -> None:
        info = None if result is None else result.info
        cell, outermost = self._running.pop(info)
        if cell is None:
            return
        running = self._open  # another thread may put another list in its place
        if cell in running:
            running.remove(cell)
        if info is not None and cell.by_user:
            self._ended(result, info, cell, outermost=outermost)

    def _ended(self, result: Any, info: Any, cell: _Cell, *, outermost: bool) -> None:
        milliseconds = (Clock.perf_counter() - cell.start) * 1000
        before: BaseException | None = result.error_before_exec
        error: BaseException | None = result.error_in_exec
        outcome = _outcome(before, error)
        if outermost:
            self._analytics.event(
                "cell_executed", cell.began, outcome=outcome, duration_ms=milliseconds
            )
        ran_script = outermost and before is None and self._used(info, cell.began)
        raised = before if before is not None else error
        if raised is None:
            if not cell.beside_another:
                self._shown("script" if ran_script else "display", cell)
        elif id(raised) not in (cell.last_value, self._last.recorded):
            self._last.recorded = id(raised)
            if outcome != "interrupted":
                phase = "compile" if before is not None else "cell"
                self._raised(raised, phase, cell.began)

    def _used(self, info: Any, began: State) -> bool:
        """Record the features that a cell used, and return whether it ran a script."""
        # As IPython transformed it, which it reports from version 9.4 on.
        code = getattr(info, "transformed_cell", None)
        if code is None:
            from dev_analytics.observers.features import automagic, transform

            code = automagic(transform(info.raw_cell), self._shell)
        if "get_ipython()" not in code:
            return False
        from dev_analytics.observers.features import MAX_USES, features

        ran_script = False
        for number, feature in enumerate(features(code)):
            if number < MAX_USES:
                self._analytics.event("feature_used", began, kind=feature.kind, name=feature.name)
            else:
                self.drops.count("more than one cell may give")
            ran_script = ran_script or feature == ("line magic", "run")
        return ran_script

    def _shown(self, phase: str, before: _Before) -> None:
        """Record the error that IPython showed although nothing failed, if there is a new one."""
        error: Any = sys.__dict__.get("last_value")
        if id(error) not in (before.last_value, self._last.recorded):
            self._last.recorded = id(error)
            # Not isinstance: it would ask the object's __class__, which may be the user's code.
            kind = type(error)
            if issubclass(kind, BaseException) and not issubclass(kind, KeyboardInterrupt):
                self._raised(error, phase, before.began)

    def _raised(self, error: BaseException, phase: str, began: State) -> None:
        from dev_analytics.observers.errors import describe

        self._analytics.event("error_raised", began, phase=phase, **describe(error))


class _Recorded:
    """The error that was last recorded, by any shell of this process.

    It is recognised by its identity, which is unique as long as IPython keeps it as the last error.
    A shell may run within a cell of another one, and end before that cell, which then sees the same
    error.
    """

    def __init__(self) -> None:
        self.recorded = id(None)


class _Before:
    """The state at the beginning: consent, and the last error that IPython had shown."""

    __slots__ = ("began", "last_value")

    def __init__(self, began: State) -> None:
        self.began = began
        # From the dictionary, as looking up a missing attribute of a module is slow.
        self.last_value = id(sys.__dict__.get("last_value"))


class _Cell(_Before):
    """A cell that runs, when it began, and whether a request of the user runs it.

    Attributes
    ----------
    beside_another
        Whether a cell in another thread ran meanwhile, so that an error that was shown may be that
        cell's.
    """

    __slots__ = ("beside_another", "by_user", "info", "start", "thread")

    def __init__(self, info: Any, began: State, by_user: bool) -> None:
        # Without a call of `super`, as this is done for every cell.
        self.began = began
        self.last_value = id(sys.__dict__.get("last_value"))
        self.info: weakref.ref[Any] = weakref.ref(info)
        self.by_user = by_user
        self.beside_another = False
        self.thread = threading.get_ident()
        self.start = Clock.perf_counter()


class _Running(threading.local):
    """The cells that run on this thread, outermost first."""

    def __init__(self) -> None:
        # The number of cells before each execution that has not ended, and the state then. They
        # nest, as a callback may run a cell; bounded, as an interrupted one may never end.
        self.executions: deque[tuple[int, _Before]] = deque(maxlen=MAX_NESTED)
        self._cells: list[_Cell] = []

    def alive(self) -> list[_Cell]:
        """Forget cells that never ended and no longer exist, and return the rest."""
        if self._cells:
            self._cells = [cell for cell in self._cells if cell.info() is not None]
        return self._cells

    def push(self, info: Any, began: State) -> tuple[_Cell, bool]:
        """Record that the cell of `info` begins; return it, and whether it is outermost."""
        cells = self.alive() if self._cells else self._cells
        outermost = not cells
        cell = _Cell(info, began, info.store_history if outermost else cells[0].by_user)
        cells.append(cell)
        return cell, outermost

    def pop(self, info: Any) -> tuple[_Cell | None, bool]:
        """Return the cell of `info`, None if its start was not seen, and whether it is outermost.

        Cells within it that never ended are forgotten with it. Without an info it is the innermost
        cell. An interrupted ``await`` in a terminal ends with a new info for the same text.
        """
        cells = self._cells
        for cell in reversed(cells):
            begun: Any = cell.info()
            if begun is not None and (
                begun is info or info is None or begun.raw_cell is info.raw_cell
            ):
                depth = cells.index(cell)
                del cells[depth:]
                return cell, depth == 0
        return None, False


def _outcome(before: BaseException | None, error: BaseException | None) -> str:
    if before is not None:
        return "syntax error" if issubclass(type(before), SyntaxError) else "error"
    if error is None:
        return "ok"
    interrupted = issubclass(type(error), KeyboardInterrupt | CancelledError)
    return "interrupted" if interrupted else "error"
