"""One recording: from a yes to its end, or the rehearsal of one.

A recording begins when records may be collected and ends when they may not, whatever ended it. Its
identifier, the numbers of its records, its cells and its duration know nothing of another one. What
would have been sent without consent belongs to a rehearsal, which is thrown away at the answer.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from dev_analytics.catalogue.events import CellExecuted, Exited
from dev_analytics.catalogue.fields import Event
from dev_analytics.catalogue.record import Form, new_session_id
from dev_analytics.process.native import Clock, seconds

if TYPE_CHECKING:
    from dev_analytics.consent.gate import Period


class Recording:
    """What the records of one recording have in common.

    Parameters
    ----------
    period
        The unbroken consent that it belongs to; None for a rehearsal.

    Attributes
    ----------
    session_id
        Its random UUID7, whose time is that of its beginning.
    seq
        The numbers of its records, from 1.
    """

    def __init__(self, period: Period | None) -> None:
        self.period = period
        self._started = Clock.monotonic() if period is None else period.started_monotonic
        self.session_id = new_session_id(int(seconds() if period is None else period.started))
        self.seq = itertools.count(1)
        self._forms: dict[type[Event], Form] = {}

    def record(self, event: type[Event], accepted: Mapping[str, object], at: int) -> bytes:
        """Return the next record as bytes, with the properties that `Acceptor.accept` returned.

        `at` is its time, in whole seconds since the epoch.
        """
        form = self._forms.get(event) or self._form(event)
        return form.fill(accepted, next(self.seq), at)

    def within(
        self,
        event: type[Event],
        spans: Collection[tuple[str, float]],
        given: dict[str, object],
    ) -> dict[str, object]:
        """Return properties of `event` with no time span longer than this is old, no cell more.

        It knows nothing of the time before it, whoever says what took so long.
        """
        for name, units in spans:
            value = given.get(name)
            if type(value) is float or type(value) is int:
                # Not `duration`: this is asked for every cell and every call.
                lasted = (Clock.monotonic() - self._started) * units
                if value > lasted:
                    # A clock that goes back makes it negative.
                    given = {**given, name: max(0.0, lasted)}
        if event is Exited and type(cells := given.get("cells")) is int and cells > self.cells:
            given = {**given, "cells": self.cells}
        return given

    def _form(self, event: type[Event]) -> Form:
        user_id = None if self.period is None else self.period.user_id
        form = Form(event, distinct_id=user_id, session_id=self.session_id)
        # Another thread may have been quicker: each form counts the records that it has made.
        return self._forms.setdefault(event, form)

    @property
    def recorded(self) -> Counter[str]:
        """How many records of each event it has, by the event's name."""
        return Counter({event.wire: form.filled for event, form in self._forms.copy().items()})

    @property
    def cells(self) -> int:
        """How many cells it has."""
        return self.recorded[CellExecuted.wire]

    @property
    def duration(self) -> float:
        """How long it has lasted, in seconds."""
        return Clock.monotonic() - self._started
