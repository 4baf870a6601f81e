"""Errors that end a thread, seen through ``threading.excepthook``; the former hook still runs.

Errors of threads that were started before the consent are not recorded.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from dev_analytics.callbacks import quiet
from dev_analytics.process.forks import unforked

if TYPE_CHECKING:
    from dev_analytics.analytics import Analytics


class Threads:
    """Observes the threads of this process."""

    def __init__(self, analytics: Analytics) -> None:
        self.drops = analytics.drops
        self._analytics = analytics
        self._before: Any = None
        self._hook: Any = None

    def register(self) -> None:
        """Start observing, once for all shells of a process."""
        if self._hook is not None:
            return
        before = threading.excepthook

        def hook(args: threading.ExceptHookArgs) -> None:
            # If another hook was put before this one, this one stays in place, idle.
            if self._hook is hook:
                self._observe(args)
            before(args)

        self._before, self._hook = before, hook
        threading.excepthook = hook

    def unregister(self) -> None:
        """Stop observing, and remove the hook unless another one has been put before it."""
        if threading.excepthook is self._hook:
            threading.excepthook = self._before
        self._hook = self._before = None

    @quiet
    def _observe(self, args: threading.ExceptHookArgs) -> None:
        error = args.exc_value
        if error is None or issubclass(args.exc_type, SystemExit):
            return
        decision, consent, period = self._analytics.gate.now()
        if period is not None and (args.thread is None or period.is_older(args.thread)):
            period = None
        with unforked():
            from dev_analytics.observers.errors import describe

        began = decision, consent, period
        self._analytics.event("error_raised", began, phase="thread", **describe(error))
