"""Where LLM requests wait for the names of models: in order, bounded, over a fork, to the end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dev_analytics.catalogue.events import UndeclaredError
from dev_analytics.catalogue.models import Names
from dev_analytics.drops import Drop, DropLedger
from dev_analytics.names import Lookup, Question
from dev_analytics.naming import MOST_WAITING, Naming

SECONDS = 240


class Slow(Lookup):
    """Public names whose answers are held back until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.asked: list[Question] = []
        self.begun = threading.Event()
        self.fails = False

    def learn(self, question: Question) -> bool:
        self.asked.append(question)
        self.begun.set()
        assert self.open.wait(SECONDS)
        self._known[question] = None
        return not self.fails


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    names = Slow()
    monkeypatch.setattr("dev_analytics.naming.NAMES", names)
    monkeypatch.setattr("dev_analytics.pipeline.NAMES", names)
    yield names
    names.open.set()


def named(done: Callable[[], object], name: str = "gpt-4o-2024-08-06") -> Callable[[Names], None]:
    """Give a record that needs a name."""

    def record(names: Names) -> None:
        names.model(name, None)
        done()

    return record


def plain(done: Callable[[], object]) -> Callable[[Names], object]:
    """Give a record that needs none."""
    return lambda _: done()


def test_what_waits_is_recorded_in_order_once_the_names_are_known(slow: Slow) -> None:
    naming, done = Naming(DropLedger()), []
    naming.start()
    for number in range(9):
        make = plain if number % 2 else named
        naming.put(make(lambda number=number: done.append(number)))
    assert slow.begun.wait(SECONDS)
    naming.catch_up()
    assert done == []
    slow.open.set()
    assert naming.settle(SECONDS)
    assert done == list(range(9))
    assert slow.asked == [("model", "gpt-4o-2024-08-06", None)]


def test_what_needs_no_name_waits_for_none(slow: Slow) -> None:
    naming, done = Naming(DropLedger()), []
    naming.put(plain(lambda: done.append(1)))
    naming.catch_up()
    assert (done, slow.asked) == ([1], [])


def test_the_end_waits_for_no_name(slow: Slow) -> None:
    naming, done = Naming(DropLedger()), []
    naming.start()
    naming.put(named(lambda: done.append(1)))
    assert slow.begun.wait(SECONDS)
    naming.close()
    assert done == [1]


def test_the_end_lets_the_thread_record_what_it_has_begun(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dev_analytics.naming.LONGEST_WAIT", SECONDS)
    naming, begun, go, done = Naming(DropLedger()), threading.Event(), threading.Event(), []
    naming.start()

    def take_long() -> None:
        begun.set()
        assert go.wait(SECONDS)
        done.append("first")

    naming.put(plain(take_long))
    assert begun.wait(SECONDS)
    naming.put(plain(lambda: done.append("next")))
    naming.catch_up()  # does not wait for the thread
    assert done == []
    threading.Timer(0.1, go.set).start()
    naming.close()
    assert done == ["first", "next"]


def test_what_comes_later_wakes_the_thread_again(slow: Slow) -> None:
    naming = Naming(DropLedger())
    naming.start()
    for _ in range(3):
        recorded = threading.Event()
        naming.put(plain(recorded.set))
        assert recorded.wait(SECONDS)


def test_after_a_pause_nobody_waits_for_questions_and_the_next_one_is_asked(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    rested = threading.Event()
    monkeypatch.setattr("dev_analytics.naming.IDLE", 0.01)
    monkeypatch.setattr(slow, "rest", rested.set)
    slow.open.set()
    naming, done = Naming(DropLedger()), threading.Event()
    naming.start()
    assert rested.wait(SECONDS)
    naming.put(named(done.set))
    assert done.wait(SECONDS)


def test_what_is_put_while_recording_is_recorded_too(slow: Slow) -> None:
    naming, done = Naming(DropLedger()), []

    def nested() -> None:
        naming.put(plain(lambda: done.append("inner")))
        naming.catch_up()
        done.append("outer")

    naming.put(plain(nested))
    naming.catch_up()
    assert done == ["outer", "inner"]


def test_the_thread_is_woken_once_for_what_it_gathers(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    wakes: list[float] = []
    asleep, go = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        wakes.append(seconds)
        asleep.set()
        assert go.wait(SECONDS)

    monkeypatch.setattr("dev_analytics.naming.time", SimpleNamespace(sleep=sleep))
    naming, done = Naming(DropLedger()), []
    naming.start()
    naming.put(plain(lambda: done.append(0)))
    assert asleep.wait(SECONDS)
    for number in range(1, 100):
        naming.put(plain(lambda number=number: done.append(number)))
    go.set()
    assert naming.settle(SECONDS)
    assert done == list(range(100))
    assert len(wakes) <= 2  # the second for settling


def test_it_begins_again_after_its_end(slow: Slow) -> None:
    slow.open.set()
    naming, done = Naming(DropLedger()), []
    for number in range(2):
        naming.start()
        naming.put(named(lambda number=number: done.append(number), str(number)))
        assert naming.settle(SECONDS)
        naming.close()
    assert done == [0, 1]


def test_what_is_too_much_is_dropped_and_counted(slow: Slow) -> None:
    drops = DropLedger()
    naming = Naming(drops)
    for _ in range(MOST_WAITING + 5):
        naming.put(plain(lambda: None))
    assert drops.counts == {Drop.UNNAMED: 5}


def test_a_failure_is_counted_and_the_next_is_recorded(slow: Slow) -> None:
    drops, done = DropLedger(), []
    naming = Naming(drops)
    naming.start()
    naming.put(plain(lambda: 1 // 0))
    naming.put(plain(lambda: done.append(1)))
    assert naming.settle(SECONDS)
    assert (drops.counts, done) == ({Drop.FAILURE: 1}, [1])


def test_a_name_that_cannot_be_looked_up_is_counted_and_its_request_recorded(slow: Slow) -> None:
    drops, done = DropLedger(), []
    slow.fails = True
    slow.open.set()
    naming = Naming(drops)
    naming.start()
    naming.put(named(lambda: done.append(1)))
    assert naming.settle(SECONDS)
    assert (drops.counts, done) == ({Drop.FAILURE: 1}, [1])


def test_a_forked_child_leaves_what_waits_to_its_parent(slow: Slow, analytics: Any) -> None:
    done: list[int] = []
    analytics.pipeline.naming.start()
    analytics.pipeline.naming.put(named(lambda: done.append(1)))
    child = os.fork()
    if child == 0:
        analytics.pipeline.naming.close()
        os._exit(len(done))
    assert os.waitpid(child, 0)[1] == 0
    slow.open.set()
    assert analytics.pipeline.naming.settle(SECONDS)
    assert done == [1]


def test_an_event_by_hand_that_waits_is_still_refused_at_once(slow: Slow, analytics: Any) -> None:
    with pytest.raises(UndeclaredError):
        analytics.event("message_send", model="gpt-4o-2024-08-06", secret=1)


def test_an_event_by_hand_with_a_public_name_does_not_wait(
    slow: Slow, analytics: Any, log: Any
) -> None:
    analytics.event("message_send", model="openai/gpt-4o")
    (request,) = log.of("$ai_generation")
    assert (request["$ai_model"], request["$ai_provider"]) == ("gpt-4o", "openai")


def test_an_event_by_hand_names_the_base_of_a_fine_tuned_model(analytics: Any, log: Any) -> None:
    analytics.event("message_send", model="ft:gpt-4o-mini-2024-07-18:acme::Xanadu7")
    assert analytics.pipeline.naming.settle(SECONDS)
    (request,) = log.of("$ai_generation")
    assert (request["$ai_model"], request["fine_tuned"]) == ("gpt-4o-mini", True)
    assert b"xanadu7" not in log.path.read_bytes().lower()
