"""Where LLM requests wait for the names of models: in order, bounded, over a fork, to the end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dev_analytics.catalogue import matcher
from dev_analytics.catalogue.events import UndeclaredError
from dev_analytics.drops import Drop, DropLedger
from dev_analytics.naming import MOST_WAITING, Naming

SECONDS = 20


class Gate:
    """Holds the loading of names back until it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun = threading.Event()
        self.over = threading.Event()

    def load(self) -> None:
        self.begun.set()
        assert self.open.wait(SECONDS)
        matcher._Loading.tried = True
        self.over.set()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Names that are not loaded before the test says so."""
    gate = Gate()
    monkeypatch.setattr(matcher._Loading, "tried", False)
    monkeypatch.setattr(matcher._Loading, "matcher", None)
    monkeypatch.setattr(matcher, "load", gate.load)
    yield gate
    gate.open.set()
    assert not gate.begun.is_set() or gate.over.wait(SECONDS)


def test_what_waits_is_recorded_in_order_once_the_names_are_there(gate: Gate) -> None:
    naming, done = Naming(DropLedger()), []
    naming.start()
    for number in range(9):
        naming.put(lambda number=number: done.append(number))
    assert gate.begun.wait(SECONDS)
    naming.catch_up()
    assert done == []
    gate.open.set()
    assert naming.settle(SECONDS)
    assert done == list(range(9))


def test_the_end_waits_for_nothing(gate: Gate) -> None:
    naming, done = Naming(DropLedger()), []
    naming.start()
    naming.put(lambda: done.append(naming.over))
    naming.close()
    assert done == [True]


def test_the_end_lets_the_thread_record_what_it_has_begun(gate: Gate) -> None:
    naming, begun, go, done = Naming(DropLedger()), threading.Event(), threading.Event(), []
    gate.open.set()
    naming.start()

    def slow() -> None:
        begun.set()
        assert go.wait(SECONDS)
        done.append("slow")

    naming.put(slow)
    assert begun.wait(SECONDS)
    naming.put(lambda: done.append("next"))
    naming.catch_up()  # does not wait for the thread
    assert done == []
    threading.Timer(0.1, go.set).start()
    naming.close()
    assert done == ["slow", "next"]


def test_what_comes_later_wakes_the_thread_again(gate: Gate) -> None:
    naming = Naming(DropLedger())
    gate.open.set()
    naming.start()
    for _ in range(3):
        recorded = threading.Event()
        naming.put(recorded.set)
        assert recorded.wait(SECONDS)


def test_what_is_put_while_recording_is_recorded_too(gate: Gate) -> None:
    naming, done = Naming(DropLedger()), []
    gate.open.set()
    naming.start()
    assert gate.over.wait(SECONDS)

    def nested() -> None:
        naming.put(lambda: done.append("inner"))
        naming.catch_up()
        done.append("outer")

    naming.put(nested)
    naming.catch_up()
    assert naming.settle(SECONDS)
    assert done == ["outer", "inner"]


def test_the_thread_is_woken_once_for_what_it_gathers(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    wakes: list[float] = []
    asleep, go = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        wakes.append(seconds)
        asleep.set()
        assert go.wait(SECONDS)

    monkeypatch.setattr("dev_analytics.naming.time", SimpleNamespace(sleep=sleep))
    gate.open.set()
    naming, done = Naming(DropLedger()), []
    naming.start()
    naming.put(lambda: done.append(0))
    assert asleep.wait(SECONDS)
    for number in range(1, 100):
        naming.put(lambda number=number: done.append(number))
    go.set()
    assert naming.settle(SECONDS)
    assert done == list(range(100))
    assert len(wakes) <= 2  # the second for settling


def test_it_begins_again_after_its_end(gate: Gate) -> None:
    gate.open.set()
    naming, done = Naming(DropLedger()), []
    for number in range(2):
        naming.start()
        naming.put(lambda number=number: done.append(number))
        assert naming.settle(SECONDS)
        naming.close()
    assert done == [0, 1]


def test_what_is_too_much_is_dropped_and_counted(gate: Gate) -> None:
    drops = DropLedger()
    naming = Naming(drops)
    for _ in range(MOST_WAITING + 5):
        naming.put(lambda: None)
    assert drops.counts == {Drop.UNNAMED: 5}


def test_a_failure_is_counted_and_the_next_is_recorded(gate: Gate) -> None:
    drops, done = DropLedger(), []
    naming = Naming(drops)
    gate.open.set()
    naming.start()
    naming.put(lambda: 1 // 0)
    naming.put(lambda: done.append(1))
    assert naming.settle(SECONDS)
    assert (drops.counts, done) == ({Drop.FAILURE: 1}, [1])


def test_a_forked_child_leaves_what_waits_to_its_parent(gate: Gate, analytics: Any) -> None:
    done: list[int] = []
    analytics.naming.start()
    analytics.naming.put(lambda: done.append(1))
    child = os.fork()
    if child == 0:
        analytics.naming.close()
        os._exit(len(done))
    assert os.waitpid(child, 0)[1] == 0
    gate.open.set()
    assert analytics.naming.settle(SECONDS)
    assert done == [1]


def test_an_event_by_hand_that_waits_is_still_refused_at_once(gate: Gate, analytics: Any) -> None:
    with pytest.raises(UndeclaredError):
        analytics.event("message_send", model="gpt-4o-2024-08-06", secret=1)


def test_an_event_by_hand_with_a_public_name_does_not_wait(
    gate: Gate, analytics: Any, log: Any
) -> None:
    analytics.event("message_send", model="openai/gpt-4o")
    (request,) = log.of("$ai_generation")
    assert (request["$ai_model"], request["$ai_provider"]) == ("gpt-4o", "openai")


def test_an_event_by_hand_names_the_base_of_a_fine_tuned_model(analytics: Any, log: Any) -> None:
    analytics.event("message_send", model="ft:gpt-4o-mini-2024-07-18:acme::Xanadu7")
    assert analytics.naming.settle(SECONDS)
    (request,) = log.of("$ai_generation")
    assert (request["$ai_model"], request["fine_tuned"]) == ("gpt-4o-mini", True)
    assert b"Xanadu7" not in log.path.read_bytes()
