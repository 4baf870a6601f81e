"""The question in one notebook: when its dialog appears, follows the user, and disappears.

All but one check at a cell's end happens after the reply to the cell is out, so that no cell of the
user takes longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from dev_analytics.callbacks import after_reply, quiet
from dev_analytics.consent.asking.answering import holds
from dev_analytics.consent.asking.dialog import Dialog
from dev_analytics.consent.asking.output import Output
from dev_analytics.consent.decision import Consent
from dev_analytics.consent.gate import Gate
from dev_analytics.drops import DropLedger
from dev_analytics.process.native import Clock
from dev_analytics.process.request import cell_id
from dev_analytics.process.request import request as request_of

READ_SECONDS: Final = 30.0
"""How long a dialog is shown before the cells that the user runs count against it."""

MAX_CELLS: Final = 5
"""After how many of these cells it disappears unanswered."""

VIEW_SECONDS: Final = 10
"""How long a front end may take to show it; seconds in which the kernel is busy do not count."""

MAX_MOVES: Final = 3
"""How often it follows a user whose page lost it."""


class NotebookQuestion:
    """A question that is open in one notebook.

    Parameters
    ----------
    shell, gate, drops
        The kernel's shell, the gate that knows of answers given elsewhere, the ledger of failures.
    make
        Makes a dialog.
    unanswered
        The text that replaces it if the user carries on without an answer.

    Attributes
    ----------
    is_unseen
        Whether no front end showed it, so that it was withdrawn.
    """

    def __init__(
        self,
        shell: Any,
        gate: Gate,
        drops: DropLedger,
        *,
        make: Callable[[], Dialog],
        unanswered: str,
    ) -> None:
        self.drops = drops
        self._shell = shell
        self._gate = gate
        self._make = make
        self._unanswered = unanswered
        self.is_unseen = False
        self._before = _answer(gate.store.read())
        self._dialog = make()
        self._place = _Place({})
        self._moves = 0
        self._cells = 0
        self._since = Clock.monotonic()

    @property
    def ended(self) -> bool:
        """Whether it was answered or withdrawn."""
        return self._dialog.ended

    def open(self, request: Any) -> None:
        """Show it below the cell that `request` runs."""
        self._place = _Place(request)
        self._dialog.show(Output(self._shell, request), self._viewed)
        self._wait_for_view(VIEW_SECONDS)

    def close(self, text: str) -> None:
        """Replace it by `text`."""
        self._dialog.end(text)

    def withdraw(self) -> None:
        """Replace it by the text for a user who did not answer."""
        self.close(self._unanswered)

    def after_cell(self, request: Any) -> None:
        """Follow the user, whose cell, run by `request`, has ended."""
        if not self._place.runs(request):
            after_reply(lambda: self._follow(request))

    @quiet
    def _follow(self, request: Any) -> None:
        decision, consent, _ = self._gate.now()
        if decision.silent or _answer(consent) != self._before:
            self.close(holds(decision))
            return
        if Clock.monotonic() - self._since > READ_SECONDS:
            self._cells += 1
        if self._cells >= MAX_CELLS:
            self.withdraw()
        elif self._place.lost(request) and self._moves < MAX_MOVES:
            self._moves += 1
            # A click may have come first, on the thread of a subshell.
            if self._dialog.end(""):
                self._dialog = self._make()
                self.open(request)

    @quiet
    def _viewed(self) -> None:
        self._place.shown_by(request_of(self._shell))

    def _wait_for_view(self, ticks: int) -> None:
        """Replace the dialog by the line of text if no front end shows it in time.

        A second counts only if the kernel was free at its end: a front end's message about its
        views waits while a cell runs.
        """
        loop = asyncio.get_running_loop()
        due = loop.time() + 1
        loop.call_at(due, self._tick, self._dialog, ticks, due)

    @quiet
    def _tick(self, dialog: Dialog, ticks: int, due: float) -> None:
        if dialog.ended or dialog.views:
            return
        ticks -= asyncio.get_running_loop().time() - due < 0.5
        if ticks:
            self._wait_for_view(ticks)
        else:
            self.is_unseen = dialog.end(dialog.notice)


class _Place:
    """The cell below which a dialog is shown; its name is compared, and not kept."""

    def __init__(self, request: Any) -> None:
        header = request.get("header", {})
        self._message = header.get("msg_id")
        self._pages = {header.get("session")}
        self._cell = hash(cell_id(request))

    def runs(self, request: Any) -> bool:
        """Return whether `request` is the run of the cell that showed the dialog."""
        return bool(request["header"].get("msg_id") == self._message)

    def shown_by(self, request: Any) -> None:
        """Record that the page that sent `request` has a view of the dialog."""
        self._pages.add(request["header"].get("session"))

    def lost(self, request: Any) -> bool:
        """Return whether the page that sent `request` has lost the dialog.

        It was reloaded and made no view of it, or the cell was run again.
        """
        reloaded = request["header"].get("session") not in self._pages
        return reloaded or hash(cell_id(request)) == self._cell


def _answer(consent: Consent) -> Consent:
    """Return `consent` without what changes without an answer."""
    return consent.replace(draw=None, asked_on=None, asked=1, tools_off=frozenset())
