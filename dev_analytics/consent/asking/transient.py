"""A text that is shown below a cell until the next one has run, and must not be saved.

A Jupyter server that has this package leaves it out when it saves. Other programs save what a
notebook shows, so the text disappears when the user carries on.
"""

from __future__ import annotations

from typing import Any

from dev_analytics.callbacks import quiet
from dev_analytics.consent.asking.output import MARK, Output, fitted
from dev_analytics.drops import DropLedger
from dev_analytics.process.request import is_vscode, request


class TransientText:
    """Shows `text` below the cell that runs now; `then` replaces it for good."""

    def __init__(self, shell: Any, drops: DropLedger, text: str, then: str) -> None:
        self.drops = drops
        self._shell = shell
        running = request(shell)
        self._then = fitted(then, running)
        self._message = running["header"]["msg_id"]
        self._output: Output | None = Output(shell, running)
        # VS Code saves by itself and reads no mark. It replaces all outputs of a cell where the
        # metadata of one changes, and those that it replaces may be older than this one.
        self._output.show(
            {"text/plain": fitted(text, running)}, {} if is_vscode(running) else {MARK: True}
        )
        # IPython unregisters by comparison, so one bound method is kept.
        self._callback = self._after_cell
        shell.events.register("post_run_cell", self._callback)

    def end(self, running: Any = None) -> None:
        """Replace it by what stays, as an output of `running` if one runs; only once."""
        output, self._output = self._output, None
        if output is not None:
            self._shell.events.unregister("post_run_cell", self._callback)
            output.replace({"text/plain": self._then}, running)

    @quiet
    def _after_cell(self, result: Any) -> None:
        running = request(self._shell)
        if running["header"]["msg_id"] != self._message:
            self.end(running)
