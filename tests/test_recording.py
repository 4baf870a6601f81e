"""A recording, as a state machine: what is sent says nothing of the time without consent.

A script of what users and processes do is run twice in real shells, with one clock: once whole, and
once with everything left out that happened without consent. What is sent must be the same bytes.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from fake_posthog import to_posthog
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dev_analytics import NOTICE, Analytics, get_analytics
from dev_analytics.apps.extension import load, unload
from dev_analytics.catalogue import events
from dev_analytics.catalogue.events import CellExecuted, UndeclaredError
from dev_analytics.catalogue.fields import Event
from dev_analytics.catalogue.record import Form
from dev_analytics.catalogue.values import Flag, RefusedValueError
from dev_analytics.consent.decision import Switch
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import Delivery
from dev_analytics.process import native

TODAY = date(2026, 11, 22)
CHANGES = ("yes", "yes elsewhere", "newer yes", "off", "on", "opt-out", "reset")
MOMENTS = ("cell", "error", "call", "thread", "fork", "unload", "load", "look")


@dataclass(frozen=True)
class During:
    """A cell, a call or a thread during which consent changes."""

    what: str
    changes: tuple[str, ...]


Step: TypeAlias = "str | During"

STEPS = st.lists(
    st.sampled_from(CHANGES)
    | st.sampled_from(MOMENTS)
    | st.builds(
        During,
        st.sampled_from(("cell", "error", "call", "thread")),
        st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3).map(tuple),
    ),
    max_size=14,
)


# The model: what holds, in the contract's words.


@dataclass(frozen=True)
class Held:
    """Whether consent holds, and how often it began."""

    agreed: bool = False
    opted_out: bool = False
    switched_off: bool = False
    loaded: bool = True
    notice: int = 0
    began: int = 0

    @property
    def collecting(self) -> bool:
        return self.agreed and self.loaded and not self.switched_off

    def after(self, step: str) -> Held:
        held = self
        if step in ("yes", "yes elsewhere", "newer yes") and not self.opted_out:
            notice = max(self.notice, 2 if step == "newer yes" else 1)
            held = replace(self, agreed=True, notice=notice)
        elif step in ("off", "on") and self.loaded:
            held = replace(self, switched_off=step == "off")
        elif step == "opt-out":
            held = replace(self, agreed=False, opted_out=True, notice=0)
        elif step == "reset":
            held = replace(self, agreed=False, opted_out=False, notice=0)
        elif step in ("unload", "load"):
            held = replace(self, loaded=step == "load")
        anew = not self.collecting or step == "fork" or held.notice != self.notice
        began = held.collecting and anew
        return replace(held, began=held.began + began)


def without_what_had_no_consent(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield the same changes of consent, and only what it held for from beginning to end."""
    held = Held()
    for step in steps:
        if isinstance(step, During):
            before = held
            for change in step.changes:
                held = held.after(change)
            unbroken = before.collecting and held.collecting and held.began == before.began
            if unbroken:
                yield step
            else:
                # A cell and a call look at consent as they begin, a thread does not.
                yield "begin" if before.collecting and step.what != "thread" else "wait"
                yield from step.changes
                yield "look at once"
        else:
            held = held.after(step)
            if step in ("cell", "error", "call", "thread") and not held.collecting:
                yield "look"
            else:
                yield step


# The real thing.


class Clock:
    """Stands in the place of the machine's clock; it moves only by the script."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    perf_counter = monotonic


class Sent:
    """A sink that writes what it accepts into a file, which forked children share."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)

    def accept(self, record: bytes, user_id: str, recipient: str) -> None:
        assert user_id.encode() in record
        os.write(self._descriptor, record + b"\n")

    def has(self, record: bytes) -> bool:
        return False

    def resume(self) -> None: ...

    def rest(self) -> None: ...

    def close(self, *, at_exit: bool) -> None: ...

    def purge(self) -> None: ...

    def after_fork(self) -> None: ...


class User:
    """Plays a script in this process."""

    def __init__(self, shell: Any, data: Path, file: Path) -> None:
        self.clock = Clock()
        for name in ("time", "monotonic", "perf_counter"):
            setattr(native.Clock, name, getattr(self.clock, name))
        # The times of files are those of another clock.
        native.Clock.is_faked = True
        self.shell = shell
        self.elsewhere = ConsentStore(data)
        self.analytics = get_analytics()
        self.analytics.strict = True
        self.analytics._sink = Sent(file)
        self.analytics.gate.notice = 2
        shell.user_ns["at_once"] = self.at_once
        load(shell)

    def play(self, steps: Sequence[Step]) -> None:
        for number, step in enumerate(steps):
            if step == "fork":
                child = os.fork()
                if child:
                    assert os.waitpid(child, 0)[1] == 0
                    return
                # A child that was forked goes on as the process that the script tells of.
                self.take("look")
                self.play(steps[number + 1 :])
                os._exit(0)
            if isinstance(step, During):
                self.take(step.what, step.changes)
            else:
                self.take(step)
        if self.is_loaded:
            unload(self.shell)

    @property
    def is_loaded(self) -> bool:
        """Whether there is a magic that could switch the session."""
        return any(each.shell is self.shell for each in sessions())

    def at_once(self, changes: tuple[str, ...]) -> None:
        for change in changes:
            self.take(change)

    def take(self, step: str, changes: tuple[str, ...] = ()) -> None:
        self.clock.now += 7 * (step != "look at once")
        store = self.analytics.gate.store
        match step:
            case "yes":
                store.agree(max(1, store.read().notice), TODAY)
                _ = self.analytics.recording
            case "yes elsewhere":
                self.elsewhere.agree(max(1, store.read().notice), TODAY)
            case "newer yes":
                store.agree(2, TODAY)
                _ = self.analytics.recording
            case "off" | "on" if self.is_loaded:
                self.analytics.gate.switch = Switch(step == "on", "a test", explicit=True)
                if step == "on":
                    _ = self.analytics.recording
            case "opt-out":
                store.opt_out()
            case "reset":
                self.elsewhere.reset()
            case "look" | "look at once":
                _ = self.analytics.recording
            case "begin":
                self.analytics.gate.at_beginning()
            case "cell" | "error":
                self.shell.run(f"at_once({changes!r}){'; 1 / 0' if step == 'error' else ''}")
            case "call":
                self.call(changes)
            case "thread":
                self.thread(changes)
            case "unload":
                unload(self.shell)
            case "load":
                load(self.shell)

    def call(self, changes: tuple[str, ...]) -> None:
        began = self.analytics.gate.at_beginning()
        self.at_once(changes)
        self.analytics.event("message_send", began, model="gpt-4o", input_tokens=5, stream=True)

    def thread(self, changes: tuple[str, ...]) -> None:
        go = threading.Event()

        def work() -> None:
            go.wait()
            raise ValueError

        thread = threading.Thread(target=work)
        thread.start()
        self.at_once(changes)
        go.set()
        thread.join()


def sessions() -> list[Any]:
    from dev_analytics.apps import extension

    return extension._sessions


def sent(shell: Any, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Play `steps` in a process of their own, and return the records that were sent."""
    with tempfile.TemporaryDirectory() as folder:
        file, failure = Path(folder, "sent"), Path(folder, "failure")
        file.touch()
        child = os.fork()
        if child == 0:
            os.environ["DEV_ANALYTICS_DIR"] = str(Path(folder, "data"))
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            threading.excepthook = lambda args: None
            try:
                User(shell, Path(folder, "data"), file).play(steps)
            except BaseException:
                failure.write_text(traceback.format_exc())
                os._exit(1)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        assert status == 0, failure.read_text() if failure.exists() else status
        return [json.loads(line) for line in file.read_bytes().splitlines()]


def named(records: Sequence[dict[str, Any]]) -> list[str]:
    """Name random identifiers by their order, and keep the time that a session's has."""
    names: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        whole = found[0]
        time = whole[:13] if whole[14] == "7" else ""
        return names.setdefault(whole, f"{len(names)} {time}")

    return [
        re.sub(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", name, json.dumps(each))
        for each in records
    ]


@pytest.fixture
def real_shell(shell: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    newer = Flag("Newer.", since=2)
    declared = {event: events.properties(event) for event in events.EVENTS.values()}
    request = events.EVENTS["message_send"]
    declared[request] = {**declared[request], "stream": newer}
    monkeypatch.setattr(events, "properties", lambda event: declared[event])
    # Nothing that was kept of the real declaration.
    monkeypatch.setattr("dev_analytics.pipeline.acceptor", events.acceptor.__wrapped__)
    return shell


@given(steps=STEPS)
@settings(max_examples=settings().max_examples // (5 if settings().max_examples > 100 else 10))
@example(steps=["cell", "yes", "cell"])
@example(steps=["yes", "off", "unload", "load", "cell"])
@example(steps=["yes", "unload", "on", "call"])
@example(steps=["yes elsewhere", During("cell", ("yes", "newer yes"))])
@example(steps=["yes elsewhere", During("thread", ("yes", "newer yes")), During("call", ("off",))])
@example(steps=["cell", "yes elsewhere", "cell", "off", "cell", "on", "cell"])
@example(steps=["yes", "cell", "opt-out", "reset", "yes", "cell"])
@example(steps=["yes", "cell", During("cell", ("opt-out", "reset", "yes elsewhere")), "cell"])
@example(steps=["yes", During("call", ("off", "on")), "call", During("thread", ("off", "on"))])
@example(steps=[During("cell", ("yes",)), During("call", ("yes",)), "fork", "cell", "call"])
@example(steps=["yes", "call", During("call", ("newer yes",)), "call", "unload", "load", "cell"])
@example(steps=[During("thread", ("yes",)), "thread", "fork", During("thread", ("off", "on"))])
def test_what_is_sent_says_nothing_of_the_time_without_consent(
    real_shell: Any, steps: list[Step]
) -> None:
    whole = sent(real_shell, steps)
    assert named(whole) == named(sent(real_shell, list(without_what_had_no_consent(steps))))
    check_recordings(whole)


def check_recordings(records: Sequence[dict[str, Any]]) -> None:
    """Check that each recording is whole: one user, one launch at its start, numbers from 1."""
    recordings: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        recordings.setdefault(record["properties"]["$session_id"], []).append(record)
    assert len({session[:13] for session in recordings}) == len(recordings), "one beginning each"
    for own in recordings.values():
        assert [each["properties"]["seq"] for each in own] == list(range(1, len(own) + 1))
        assert [each["event"] for each in own].count("launched") == 1
        assert own[0]["event"] == "launched"
        assert len({each["distinct_id"] for each in own}) == 1
        cells = [each["event"] for each in own].count("cell executed")
        for each in own:
            if each["event"] == "exited":
                assert each["properties"]["cells"] == cells
                assert each["properties"]["duration"] == duration(each)
                assert each is own[-1]


def duration(exited: dict[str, Any]) -> int:
    """Return how long a recording was, by the times of its identifier and of its end."""
    digits = exited["properties"]["$session_id"].replace("-", "")[:12]
    ended = datetime.fromisoformat(exited["timestamp"]).timestamp()
    return int(float(f"{ended - int(digits, 16) / 1000:.1e}"))


def test_a_recipient_has_recordings_of_its_own(analytics: Analytics, kept: Any) -> None:
    """Numbers and identifiers tell a new recipient nothing of what another one has."""
    elsewhere = Delivery(recipient=to_posthog("https://posthog.example.org"))
    store = analytics.gate.store

    def cell() -> tuple[str, int]:
        analytics.event("cell_executed", outcome="ok", duration_ms=1)
        properties = json.loads(kept.records[-1])["properties"]
        return properties["$session_id"], properties["seq"]

    store.agree(NOTICE, TODAY)
    (here, first), began = cell(), analytics.gate.at_beginning()
    analytics.delivery = elsewhere
    assert (cell(), first) == ((here, 2), 1), "it was not agreed to, so nothing changes"
    store.agree(NOTICE, TODAY, recipients=[elsewhere.recipient])
    analytics.event("cell_executed", began, outcome="ok", duration_ms=1)
    assert len(kept.records) == 2, "a cell that began before is not sent"
    there, number = cell()
    assert (there != here, number) == (True, 1)
    analytics.delivery = Delivery()
    again, number = cell()
    assert (again in (here, there), number) == (False, 1)


def test_what_is_withheld_leaves_no_gap(
    analytics: Analytics, kept: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    analytics.gate.store.agree(NOTICE, TODAY)
    analytics.event("command_run", command="status")
    with monkeypatch.context() as newer:
        newer.setattr(type(Event), "__setattr__", type.__setattr__)
        newer.setattr(type(Event), "__delattr__", type.__delattr__)
        newer.setattr(CellExecuted, "since", NOTICE + 1)
        analytics.event("cell_executed", outcome="ok", duration_ms=1)
    for wrong in ({"outcome": "ok"}, {"outcome": "ok", "duration_ms": "1"}, {"secret": 1}):
        with pytest.raises((UndeclaredError, RefusedValueError)):
            analytics.event("cell_executed", **wrong)
    analytics.event("command_run", command="status")
    assert [json.loads(each)["properties"]["seq"] for each in kept.records] == [1, 2]


def test_cells_of_threads_that_begin_together_are_all_counted(
    analytics: Analytics, kept: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    analytics.gate.store.agree(NOTICE, TODAY)
    both = threading.Barrier(2, timeout=10)

    def made_at_once(*given: Any, **named: Any) -> Form:
        both.wait()
        return Form(*given, **named)

    analytics.recording  # noqa: B018, it begins
    monkeypatch.setattr("dev_analytics.recording.Form", made_at_once)
    cell = {"outcome": "ok", "duration_ms": 1}
    threads = [
        threading.Thread(target=analytics.event, args=("cell_executed",), kwargs=cell)
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(kept.records), analytics.recording.cells) == (2, 2)


def test_a_monotonic_clock_that_goes_back_makes_no_time_span_negative(
    analytics: Analytics, kept: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    analytics.gate.store.agree(NOTICE, TODAY)
    analytics.event("command_run", command="status")
    monkeypatch.setattr(native.Clock, "monotonic", lambda: 0.0)
    analytics.event("cell_executed", outcome="ok", duration_ms=5)
    assert json.loads(kept.records[-1])["properties"]["duration_ms"] == 0
