"""The gate where a signal handler, or an event of another thread, comes at any line of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from interruptions import apart, raise_at

from dev_analytics.consent.decision import Switch
from dev_analytics.consent.gate import Gate
from dev_analytics.consent.store import ConsentStore

TODAY = date(2026, 11, 22)

pytestmark = pytest.mark.skipif(
    sys.implementation.name != "cpython", reason="other interpreters trace other lines"
)


@pytest.fixture
def gate(data: Path) -> Gate:
    store = ConsentStore(data)
    store.agree(1, TODAY)
    # What was changed just now is read again at every event.
    os.utime(store.folder, (0, 0))
    return Gate(data, sample_percent=10, notice=1)


def everywhere(
    again: Callable[[], object], run: Callable[[], object], act: Callable[[], BaseException | None]
) -> Iterator[list[str]]:
    """Do `again` and `run` with `act` at the first line of ours, at the second, and so on."""
    line, reached = 0, [""]
    while reached:
        line += 1
        again()
        with suppress(KeyboardInterrupt), raise_at(line, lambda _: act()) as reached:
            next(apart(run))
        yield reached
    assert line > 10


@pytest.mark.parametrize("at", ["an event", "a look at the policy", "a decision"])
def test_a_variable_set_meanwhile_counts(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    run = gate.now if at != "a decision" else lambda: gate.decision(can_answer=False)

    def begin() -> None:
        monkeypatch.delenv("DO_NOT_TRACK", raising=False)
        assert gate.now()[0].collecting
        if at == "a look at the policy":
            gate._policy_look = 0.0

    def set_it() -> None:
        monkeypatch.setenv("DO_NOT_TRACK", "1")
        assert not gate.now()[0].collecting

    for reached in everywhere(begin, run, set_it):
        assert not reached or not gate.now()[0].collecting, reached


@pytest.mark.parametrize("error", [None, KeyboardInterrupt()])
def test_a_variable_counts_while_an_event_follows_it(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, error: BaseException | None
) -> None:
    wrong: list[int] = []

    def begin() -> None:
        monkeypatch.delenv("DO_NOT_TRACK", raising=False)
        assert gate.now()[0].collecting
        monkeypatch.setenv("DO_NOT_TRACK", "1")

    def meanwhile() -> BaseException | None:
        if error is None and gate.now()[0].collecting:
            wrong.append(1)
        return error

    for reached in everywhere(begin, gate.now, meanwhile):
        assert not wrong, reached
        assert not gate.now()[0].collecting, reached


def test_a_switch_turned_off_meanwhile_stays_off(gate: Gate) -> None:
    def begin() -> None:
        gate.switch = None
        gate._period = None

    def off() -> None:
        gate.switch = Switch(False, "a signal handler")
        assert not gate.now()[0].collecting

    for reached in everywhere(begin, gate.now, off):
        assert not reached or not gate.now()[0].collecting, reached
