"""The extension in a shell: settings, loading, reloading, unloading."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import date
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fake_posthog import to_posthog
from filelock import FileLock
from interruptions import hooked_code, interrupt_everywhere, sessions_that_something_keeps

from dev_analytics import NOTICE, get_analytics
from dev_analytics.apps import extension
from dev_analytics.apps.extension import Session, load, unload
from dev_analytics.consent.asking.question import ON
from dev_analytics.consent.decision import Switch
from dev_analytics.consent.store import ConsentStore
from dev_analytics.destinations.posthog import ADDRESS_ALLOWED, HOST
from dev_analytics.observers.hooks import HOOKS

if TYPE_CHECKING:
    from dev_analytics.consent.decision import Rule

LOAD = "%load_ext dev_analytics"
STATUS = "%dev_analytics status"


def rule(shell: Any) -> Rule:
    return get_analytics().gate.now()[0].rule


@pytest.mark.parametrize(
    ("setting", "value", "allowed"),
    [
        ("enabled", "'maybe'", "True, False or None"),
        ("sample_percent", "101", "a number from 0 to 100"),
        ("sample_percent", "'many'", "a number from 0 to 100"),
        ("log_file", "7", "the path of a file"),
        ("posthog_project_key", "7", "a project key, of visible ASCII characters"),
        ("posthog_host", "'example.org'", ADDRESS_ALLOWED),
        ("posthog_host", "'http://example.org'", ADDRESS_ALLOWED),
        ("posthog_host", "'https://a:b@example.org'", ADDRESS_ALLOWED),
        ("posthog_project_key", "'phc_a phc_b'", "a project key, of visible ASCII characters"),
        ("posthog_host", "'http://'", ADDRESS_ALLOWED),
        ("sample_percent", "float('nan')", "a number from 0 to 100"),
        ("flush_interval", "float('nan')", "a number of seconds from 0"),
        ("spool_max_mib", "float('inf')", "a number of MiB from 0.1"),
        ("spool_max_days", "float('inf')", "a number of days from 0"),
        ("flush_interval", "-1", "a number of seconds from 0"),
        ("spool_max_mib", "0", "a number of MiB from 0.1"),
        ("spool_max_days", "'x'", "a number of days from 0"),
    ],
)
def test_a_bad_setting_is_one_clear_line_and_analytics_stay_off(
    shell: Any,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    setting: str,
    value: str,
    allowed: str,
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    given = eval(value)
    shell.config.DevAnalytics[setting] = given
    load(shell)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        f"dev_analytics: c.DevAnalytics.{setting} must be {allowed}, got {given!r}; "
        "analytics stay off\n"
    )
    assert rule(shell) == "4, switched off"
    unload(shell)


def test_a_bad_variable_is_one_clear_line_and_analytics_stay_off(
    kernel: Callable[..., Any], data: Path
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    notebook = kernel({"DEV_ANALYTICS": "maybe"})
    assert notebook.run(LOAD).text == (
        "dev_analytics: DEV_ANALYTICS must be on or off, got 'maybe'; analytics stay off\n"
    )
    shown = notebook.run(STATUS).text
    assert (
        "off: switched off for this session by an invalid setting: "
        "DEV_ANALYTICS must be on or off, got 'maybe'\n"
    ) in shown


@pytest.mark.parametrize("from_variable", [True, False])
def test_a_log_that_cannot_be_written_is_one_clear_line_and_work_goes_on(
    kernel: Callable[..., Any], tmp_path: Path, from_variable: bool
) -> None:
    file = str(tmp_path / "missing" / "log")
    notebook = (
        kernel({"DEV_ANALYTICS_LOG": file})
        if from_variable
        else kernel(None, f"--DevAnalytics.log_file={file}")
    )
    assert notebook.run(LOAD).text == (
        f"dev_analytics: no event log, cannot write '{file}': No such file or directory\n"
    )
    assert notebook.run("1").text == "1"
    assert "none" in notebook.run(STATUS).text


def test_settings_come_from_ipython_s_configuration(
    kernel: Callable[..., Any], log: Any, tmp_path: Path
) -> None:
    profile = Path(os.environ["IPYTHONDIR"]) / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text(
        f"c = get_config()\nc.DevAnalytics.log_file = {str(log.path)!r}\n"
        "c.DevAnalytics.enabled = False\n"
    )
    notebook = kernel()
    notebook.run(LOAD)
    assert "by c.DevAnalytics.enabled" in notebook.run(STATUS).text
    assert log.events.count("command run") == 1
    other = kernel({"DEV_ANALYTICS_LOG": str(tmp_path / "variable.jsonl")})
    other.run(LOAD)
    assert "variable.jsonl" in other.run("%dev_analytics log").text


def test_a_setting_changed_in_the_session_counts_at_once(
    shell: Any, data: Path, tmp_path: Path
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    load(shell)
    assert rule(shell) == "5, agreed"
    shell.run("%config DevAnalytics.enabled = False")
    assert rule(shell) == "4, switched off"
    shell.run("%config DevAnalytics.enabled = True")
    assert rule(shell) == "5, agreed"
    shell.run(f"%config DevAnalytics.log_file = {str(tmp_path / 'log')!r}")
    assert (tmp_path / "log").exists()
    shell.run("%config DevAnalytics.log_file = ''")
    assert get_analytics().log is None
    shell.run("%config DevAnalytics.sample_percent = 50")
    assert get_analytics().gate.sample_percent == 50
    shell.run("%config DevAnalytics.flush_interval = 5")
    shell.run("%config DevAnalytics.posthog_project_key = 'phc_of_a_test'")
    delivery = get_analytics().delivery
    assert delivery is not None
    assert (delivery.flush_seconds, delivery.recipient) == (5, to_posthog(HOST))
    unload(shell)


def test_a_bad_setting_in_a_session_is_one_clear_line_and_analytics_are_off(
    kernel: Callable[..., Any], data: Path
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    notebook = kernel()
    notebook.run(LOAD)
    bad = "c.DevAnalytics.sample_percent must be a number from 0 to 100, got 500"
    assert notebook.run("%config DevAnalytics.sample_percent = 500").text == (
        f"dev_analytics: {bad}; analytics stay off\n"
    )
    assert f"off for this session by an invalid setting: {bad}\n" in (notebook.run(STATUS).text)
    kept = "from dev_analytics import get_analytics as a; print(a().gate.sample_percent)"
    assert notebook.run(kept).text == "10.0\n"
    notebook.run("%config DevAnalytics.enabled = True")
    assert "on: you agreed" in notebook.run(STATUS).text


def test_unloading_ends_collection_and_the_log(shell: Any, data: Path, log: Any) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    load(shell)
    get_analytics().log_to(log.path)
    shell.run("1")
    unload(shell)
    (exited,) = log.of("exited")
    assert exited.pop("duration") >= 0
    assert exited == {"reason": "unloaded", "cells": 1}
    before = log.path.read_bytes()
    get_analytics().event("command_run", command="status")
    assert log.path.read_bytes() == before
    assert rule(shell) == "4, switched off"
    load(shell)
    assert rule(shell) == "5, agreed"
    unload(shell)


def test_a_session_switched_off_stays_off_when_it_is_reloaded(shell: Any, data: Path) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    load(shell)
    shell.run("%dev_analytics off")
    unload(shell)
    load(shell)
    assert rule(shell) == "4, switched off"
    shell.run("%dev_analytics on")
    assert rule(shell) == "5, agreed"
    unload(shell)


def test_loading_twice_is_loading_once(shell: Any, log: Any) -> None:
    load(shell)
    get_analytics().log_to(log.path)
    load(shell)
    shell.run("1")
    unload(shell)
    assert log.events == ["cell executed", "exited"]


def test_reloading_doubles_nothing(kernel: Callable[..., Any], log: Any) -> None:
    notebook = kernel({"DEV_ANALYTICS_LOG": str(log.path)})
    for code in (LOAD, LOAD, "%reload_ext dev_analytics", "%reload_ext dev_analytics", "1"):
        notebook.run(code)
    notebook.stop()
    assert log.events.count("launched") == 3
    assert log.events.count("exited") == 3
    # A cell that reloads has lost its beginning; the first one and the second LOAD differ in that.
    assert log.events.count("cell executed") == 2


def test_what_takes_events_is_loaded_when_the_reply_to_the_loading_cell_is_out(
    kernel: Callable[..., Any], log: Any, until: Callable[[Callable[[], bool]], None]
) -> None:
    notebook = kernel({"DEV_ANALYTICS_LOG": str(log.path)})
    loaded = "'dev_analytics.pipeline' in sys.modules or 'msgspec' in sys.modules"
    assert notebook.run(f"{LOAD}\nimport sys; print({loaded})").text == "False\n"
    until(lambda: log.events == ["launched"])


def test_an_event_in_the_loading_cell_comes_after_the_launch(
    kernel: Callable[..., Any], log: Any
) -> None:
    notebook = kernel({"DEV_ANALYTICS_LOG": str(log.path)})
    notebook.run(f"{LOAD}\n{STATUS}")
    assert log.events[:2] == ["launched", "command run"]
    notebook.stop()
    assert log.events.count("launched") == 1


def test_a_kernel_that_ends_in_the_loading_cell_has_launched(
    kernel: Callable[..., Any], log: Any
) -> None:
    notebook = kernel({"DEV_ANALYTICS_LOG": str(log.path)})
    notebook.run(f"{LOAD}\n%unload_ext dev_analytics")
    assert log.events == ["launched", "exited"]


def test_loading_prints_nothing_and_binds_no_name(kernel: Callable[..., Any]) -> None:
    notebook = kernel()
    before = notebook.run("print(sorted(globals()))").text
    assert notebook.run(LOAD).messages == []
    after = notebook.run("print(sorted(globals()))").text
    assert set(eval(after)) - set(eval(before)) <= {"_i1", "_i2", "_i3"}


# Each line for each time that it runs, with the SDK that has the fewest methods; each line once.
@pytest.mark.parametrize(("error", "sdk"), [(KeyboardInterrupt, "groq"), (RuntimeError, "openai")])
def test_a_load_that_fails_at_any_line_leaves_nothing_and_the_next_one_works(
    shell: Any,
    tmp_path: Path,
    error: type[BaseException],
    sdk: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import_module(sdk)  # its hooks are put in by the load
    # Each SDK that another test has imported adds lines to every one of the loads.
    for name in set(HOOKS) - {sdk}:
        monkeypatch.delitem(sys.modules, name, raising=False)
    log = tmp_path / "log.jsonl"
    shell.config.DevAnalytics.log_file = str(log)
    unhooked = hooked_code(sdk)
    load(shell)  # imports what it needs
    assert hooked_code(sdk) != unhooked
    unload(shell)
    assert hooked_code(sdk) == unhooked
    get_analytics().gate.switch = None
    before = sessions_that_something_keeps()
    # What a line leaves when it fails the second time does not depend on the error.
    failed, _ = interrupt_everywhere(shell, error, sdk, once=error is RuntimeError)
    assert failed > 100
    # Python keeps the frames of an error that was interrupted while it was handled: not hundreds.
    assert sessions_that_something_keeps() - before < 10
    load(shell)
    shell.run("1")
    unload(shell)
    events = [json.loads(line)["event"] for line in log.read_bytes().splitlines()]
    assert events[-3:] == ["launched", "cell executed", "exited"]


@pytest.mark.parametrize("fails_at", ["__init__", "start"])
def test_a_load_that_fails_leaves_switch_and_log_as_they_were(
    shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: str
) -> None:
    analytics = get_analytics()
    shell.config.DevAnalytics.log_file = str(tmp_path / "log.jsonl")
    shell.config.DevAnalytics.enabled = False
    original = getattr(Session, fails_at)

    def interrupted(*given: Any) -> None:
        original(*given)
        raise KeyboardInterrupt

    before = analytics.gate.switch, analytics.gate.sample_percent, analytics.delivery
    callbacks = {event: list(each) for event, each in shell.events.callbacks.items()}
    with monkeypatch.context() as broken:
        broken.setattr(Session, fails_at, interrupted)
        with pytest.raises(KeyboardInterrupt):
            load(shell)
    assert (analytics.gate.switch, analytics.gate.sample_percent, analytics.delivery) == before
    assert analytics.log is None
    assert shell.events.callbacks == callbacks


def test_a_session_of_modules_that_were_replaced_ends_at_the_next_load(shell: Any) -> None:
    ended: list[str] = []
    of_before: Any = SimpleNamespace(shell=shell, stop=lambda: ended.append("stopped"))
    extension._sessions.append(of_before)
    load(shell)
    assert ended == ["stopped"]
    assert [type(each) for each in extension._sessions if each.shell is shell] == [Session]
    unload(shell)


def test_the_end_of_a_process_is_recorded_once_by_the_last_session_and_by_no_child(
    shell: Any, log: Any
) -> None:
    get_analytics().log_to(log.path)
    load(shell)
    (session,) = extension._sessions
    of_another_shell: Any = SimpleNamespace(shell=None)
    session._process = os.getppid()
    session._at_exit()
    session._process = os.getpid()
    extension._sessions.append(of_another_shell)
    session._at_exit()
    assert "exited" not in log.events
    extension._sessions.remove(of_another_shell)
    session._at_exit()
    assert log.events.count("exited") == 1
    session.tear_down()
    get_analytics().stop_log()


@pytest.mark.parametrize("agreed", [True, False])
def test_who_switches_on_what_they_agreed_to_is_told_nothing(
    shell: Any, data: Path, capsys: pytest.CaptureFixture[str], agreed: bool
) -> None:
    if agreed:
        ConsentStore(data).agree(NOTICE, date.today())
    load(shell)
    get_analytics().gate.switch = Switch(True, "dev --analytics", explicit=True)
    extension._sessions[-1].asking().start()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert (shown.err == "") is agreed
    unload(shell)


def test_a_session_that_was_unloaded_before_its_reply_begins_no_recording(shell: Any) -> None:
    load(shell)
    (session,) = extension._sessions
    unload(shell)
    get_analytics().pipeline.forget()
    before = get_analytics().pipeline._recording
    session._begin()
    assert get_analytics().pipeline._recording is before


def test_where_the_store_is_held_nobody_is_asked_and_on_says_why(
    shell: Any, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dev_analytics.consent.store.LOCK_SECONDS", 0.0)
    load(shell)
    gate = get_analytics().gate
    asking = extension._sessions[-1].asking()
    monkeypatch.setattr("dev_analytics.apps.asking.presence", lambda shell: "terminal")
    monkeypatch.setattr(gate, "sample_percent", 100)
    data.mkdir(exist_ok=True)
    with FileLock(data / "consent.lock"):
        assert asking.on() == (
            "Analytics stay off: the consent store cannot be used: another process holds the "
            "consent store."
        )
        asking.after_cell("terminal", {})
    gate.store.agree(1, date.today())
    monkeypatch.setattr(gate, "notice", 2)
    with FileLock(data / "consent.lock"):
        assert asking.on() == ON, "what was agreed to holds"
    assert capsys.readouterr().out == ""
    unload(shell)


def test_an_unload_that_is_interrupted_leaves_nothing(
    shell: Any, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while it starts what delivers the records: a second one would find nothing to unload."""
    ConsentStore(data).agree(NOTICE, date.today())
    before = {event: list(callbacks) for event, callbacks in shell.events.callbacks.items()}
    load(shell)

    def interrupted(**how: bool) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(get_analytics().pipeline.sink, "close", interrupted)
        with pytest.raises(KeyboardInterrupt):
            unload(shell)
    assert shell.events.callbacks == before
    assert rule(shell) == "4, switched off"


@pytest.mark.parametrize("fails", [True, False])
def test_when_another_shell_is_gone_the_first_one_is_asked_again(
    shell: Any, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """Its load failed, or it was unloaded."""
    load(shell)
    gate = get_analytics().gate
    first = gate.on_wanted, gate.attended
    other = type(shell)()
    if fails:
        with monkeypatch.context() as broken:
            broken.setattr(type(gate), "settled", property(lambda gate: gate.no_such_thing))
            with pytest.raises(AttributeError):
                load(other)
    else:
        load(other)
        assert (gate.on_wanted, gate.attended) != first
        unload(other)
    assert (gate.on_wanted, gate.attended) == first
    unload(shell)


def test_the_same_in_a_kernel(kernel: Callable[..., Any], log: Any) -> None:
    notebook = kernel({"DEV_ANALYTICS_LOG": str(log.path)})
    ran = notebook.run(
        f"import sys, openai; sys.path.insert(0, {str(Path(__file__).parents[1] / 'fixtures')!r})\n"
        "from dev_analytics.apps.extension import load, unload; load(get_ipython())\n"
        "unload(get_ipython())\n"
        "from dev_analytics import get_analytics; get_analytics().gate.switch = None\n"
        "from interruptions import interrupt_everywhere\n"
        "failed, survived = interrupt_everywhere(\n"
        "    get_ipython(), KeyboardInterrupt, 'openai', once=True)\n"
        "print(failed > 100)"
    )
    assert ran.text == "True\n"
    before = len(log.events)
    notebook.run(LOAD)
    notebook.run("1")
    assert log.events[before:] == ["launched", "cell executed"]


def test_where_nothing_is_left_to_ask_what_asks_is_never_loaded(kernel: Any, data: Path) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    notebook = kernel(None)
    notebook.run("%load_ext dev_analytics")
    notebook.run("1")
    loaded = "import sys; print([each for each in sys.modules if 'apps.asking' in each])"
    assert notebook.run(loaded).text == "[]\n"
