"""Cells are paired, counted once, named by how they ended, and nothing of them is kept."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult

from dev_analytics import NOTICE, get_analytics, load_ipython_extension, unload_ipython_extension
from dev_analytics.consent.decision import Switch
from dev_analytics.consent.store import ConsentStore
from dev_analytics.process import things
from dev_analytics.process.native import Clock

LOG = "%load_ext dev_analytics\n%dev_analytics log "


def outcomes(log: Any) -> list[str]:
    return [cell["outcome"] for cell in log.of("cell executed")]


def begin(shell: Any, code: str, *, store_history: bool = True) -> ExecutionInfo:
    """Fire IPython's events for the start of a cell, without running it."""
    info = ExecutionInfo(code, store_history, False, True, None, transformed_cell=code)
    shell.events.trigger("pre_execute")
    shell.events.trigger("pre_run_cell", info)
    return info


def end(shell: Any, info: ExecutionInfo | None) -> None:
    """Fire IPython's events for the end of a cell."""
    shell.events.trigger("post_execute")
    shell.events.trigger("post_run_cell", None if info is None else ExecutionResult(info))


# How a cell ends


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("x = 1", "ok"),
        ("1 / 0", "error"),
        ("x =", "syntax error"),
        ("if True:\nx = 1", "syntax error"),
        ("return 3", "syntax error"),
        ("raise SyntaxError", "error"),
        ("import sys; sys.exit(3)", "error"),
        ("raise KeyboardInterrupt", "interrupted"),
        ("import asyncio; raise asyncio.CancelledError", "interrupted"),
        ("%no_such_magic", "error"),
        ("%%time\n1 / 0", "error"),
        ("await no_such_name", "error"),
        ("import asyncio; await asyncio.sleep(0)", "ok"),
    ],
)
def test_a_cell_is_recorded_with_its_outcome(run: Any, log: Any, code: str, outcome: str) -> None:
    run(code)

    assert outcomes(log) == [outcome]


def test_a_cell_that_an_input_transformer_refuses_is_an_error(
    shell: Any, run: Any, log: Any
) -> None:
    def refuse(lines: list[str]) -> list[str]:
        raise ValueError

    shell.input_transformers_post.append(refuse)

    run("x = 1")

    assert outcomes(log) == ["error"]


def test_a_kernel_interrupted_in_its_cell_counts_it_as_interrupted(
    kernel: Any, log: Any, tmp_path: Any
) -> None:
    notebook = kernel()
    notebook.run(LOG + str(log.path))
    started = tmp_path / "started"

    status = notebook.interrupt_when(
        f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(600)",
        started.exists,
    )
    notebook.run("x = 1")

    assert status == "error"
    assert outcomes(log) == ["interrupted", "ok"]
    assert log.of("error raised") == []


def test_a_terminal_interrupted_in_an_await_counts_it_as_interrupted_and_goes_on(
    terminal: Any, log: Any, tmp_path: Any, until: Any, press: Any
) -> None:
    session = terminal("--DevAnalytics.sample_percent=0")
    session.prompt()
    session.run("%load_ext dev_analytics")
    session.run(f"%dev_analytics log {log.path}")
    started = tmp_path / "started"
    session.run("import asyncio, pathlib")

    session.type(f"pathlib.Path({str(started)!r}).touch(); await asyncio.sleep(600)")
    until(started.exists)
    press(session.process, "c")
    session.prompt()
    session.run("x = 1")

    # The log begins within the cell that asks for it.
    assert outcomes(log) == ["ok", "ok", "interrupted", "ok"]


# Which cells count


def test_a_cell_s_end_is_matched_to_its_beginning_whatever_runs_between(
    shell: Any, cells: Any, log: Any
) -> None:
    outer = begin(shell, "outer")
    inner = begin(shell, "inner", store_history=False)
    end(shell, inner)
    assert outcomes(log) == []
    end(shell, outer)

    assert outcomes(log) == ["ok"]


@pytest.mark.parametrize(
    "code",
    [
        "%%capture\nx = 1",
        "get_ipython().run_cell('x = 1')",
        "get_ipython().run_cell('get_ipython().run_cell(\"x = 1\")')",
        "%%capture\nget_ipython().run_cell('')",
        "%%time\nget_ipython().run_cell('x = 1')",
    ],
)
def test_nested_cells_count_as_one(run: Any, log: Any, code: str) -> None:
    run(code)
    run("x = 2")

    assert outcomes(log) == ["ok", "ok"]


def test_the_error_of_a_nested_cell_is_recorded_once_and_the_outer_one_is_ok(
    run: Any, log: Any
) -> None:
    run("%%capture\n1 / 0")

    assert outcomes(log) == ["ok"]
    assert [error["exception"] for error in log.of("error raised")] == ["ZeroDivisionError"]


def test_an_error_that_passes_through_nested_cells_is_recorded_once(run: Any, log: Any) -> None:
    run("get_ipython().run_cell('1 / 0').raise_error()")

    assert outcomes(log) == ["error"]
    assert len(log.of("error raised")) == 1


def test_the_loading_cell_and_an_empty_one_do_not_count(kernel: Any, log: Any) -> None:
    notebook = kernel({"DEV_ANALYTICS_LOG": str(log.path)})

    notebook.run("%load_ext dev_analytics")
    notebook.run("")
    notebook.run("  \n")

    assert log.events == ["launched"]


@pytest.mark.parametrize("how", [{"silent": True}, {"store_history": False}])
def test_a_cell_that_the_front_end_runs_for_itself_does_not_count(
    kernel: Any, log: Any, how: dict[str, bool]
) -> None:
    notebook = kernel()
    notebook.run(LOG + str(log.path))
    before = log.events

    notebook.run("1 / 0", **how)
    notebook.run("%pwd", **how)
    notebook.run("get_ipython().run_cell('1 / 0')", **how)
    assert log.events == before
    notebook.run("x = 1")

    assert outcomes(log) == ["ok"]
    assert log.of("error raised") == []


def test_a_cell_in_a_subshell_counts_in_addition_to_one_in_the_main_shell(
    kernel: Any, in_subshell: Any, log: Any
) -> None:
    notebook = kernel()
    notebook.run(LOG + str(log.path))
    notebook.run("import threading; begun, done = threading.Event(), threading.Event()")

    notebook.client.execute("begun.set(); done.wait(240); x = 1")
    assert in_subshell(notebook, "begun.wait(240); 1 / 0") == "error"
    assert in_subshell(notebook, "%pwd") == "ok"
    assert outcomes(log) == ["ok", "error", "ok"]
    notebook.client.execute("x = 2")
    assert in_subshell(notebook, "done.set()") == "ok"
    notebook.run("x = 3")

    assert outcomes(log) == ["ok", "error", "ok", "ok", "ok", "ok", "ok"]
    assert [error["exception"] for error in log.of("error raised")] == ["ZeroDivisionError"]
    assert notebook.run(
        "from dev_analytics import get_analytics; get_analytics().drops.counts"
    ).text
    assert "Counter()" in notebook.run("get_analytics().drops.counts").text


# Beginnings without an end, and ends without a beginning


def test_an_end_without_a_result_ends_the_cell_uncounted(shell: Any, run: Any, log: Any) -> None:
    info = begin(shell, "x = 1")
    end(shell, None)
    run("x = 2")

    assert info.raw_cell == "x = 1"
    assert outcomes(log) == ["ok"]


def test_an_end_without_a_beginning_does_not_count(shell: Any, run: Any, log: Any) -> None:
    end(shell, ExecutionInfo("x = 1", True, False, True, None, transformed_cell="x = 1"))
    assert log.records == []
    run("x = 2")

    assert outcomes(log) == ["ok"]


def test_a_stray_end_within_a_cell_does_not_affect_the_cell(
    shell: Any, log: Any, cells: Any
) -> None:
    outer = begin(shell, "outer")
    end(shell, ExecutionInfo("", False, False, True, None, transformed_cell=""))
    end(shell, outer)

    assert outcomes(log) == ["ok"]


def test_a_cell_counts_though_another_thread_replaces_the_list_of_cells(
    shell: Any, log: Any, cells: Any
) -> None:
    info = begin(shell, "x = 1")
    cells._open = []
    end(shell, info)

    assert outcomes(log) == ["ok"]


def test_a_feature_is_seen_though_ipython_does_not_report_the_transformed_cell(
    shell: Any, log: Any, cells: Any
) -> None:
    """As up to version 9.3."""
    info = begin(shell, "%time 1")
    info.transformed_cell = None
    end(shell, info)

    assert [feature["name"] for feature in log.of("feature used")] == ["time"]


def test_callbacks_that_somebody_has_removed_are_no_failure(shell: Any, cells: Any) -> None:
    shell.events.callbacks["post_run_cell"].clear()
    cells.unregister()
    assert not [each for each in shell.events.callbacks["pre_run_cell"] if "Cells" in repr(each)]


def test_a_cell_that_never_ended_does_not_make_the_next_look_nested(
    shell: Any, run: Any, log: Any
) -> None:
    begin(shell, "x = 1")
    gc.collect()
    run("x = 2")

    assert outcomes(log) == ["ok"]


def test_a_cell_that_another_callback_prevents_does_not_affect_the_next(
    shell: Any, run: Any, log: Any
) -> None:
    def leave(info: object) -> None:
        raise SystemExit

    shell.events.register("pre_run_cell", leave)
    run("x = 1")
    shell.events.unregister("pre_run_cell", leave)
    run("x = 2")

    assert outcomes(log)[-1] == "ok"
    assert "x" in shell.user_ns
    assert shell.user_ns["x"] == 2


# How long


def test_a_duration_has_two_significant_digits(shell: Any, cells: Any, log: Any) -> None:
    times = iter([0.0, 1.23456, 2.0, 2.98765, 5.0, 5.0004])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clock, "perf_counter", lambda: next(times))
        for _ in range(3):
            end(shell, begin(shell, "x = 1"))

    assert [cell["duration_ms"] for cell in log.of("cell executed")] == [1200, 990, 0]


def test_a_cell_that_awaits_lasts_until_it_is_done(run: Any, log: Any) -> None:
    run("import asyncio; await asyncio.sleep(0.25)")

    (cell,) = log.of("cell executed")
    assert cell["duration_ms"] >= 250


def test_a_kernel_s_cell_that_awaits_lasts_until_it_is_done(kernel: Any, log: Any) -> None:
    notebook = kernel()
    notebook.run(LOG + str(log.path))

    notebook.run("import asyncio; await asyncio.sleep(0.25)")

    (cell,) = log.of("cell executed")
    assert cell["outcome"] == "ok"
    assert cell["duration_ms"] >= 250


# What is kept


def test_nothing_of_a_cell_is_kept_alive_after_its_error(run: Any, shell: Any) -> None:
    run("class Large: ...")
    run("def fail():\n    here = Large()\n    kept.append(weakref.ref(here))\n    1 / here.no")
    shell.user_ns.update(kept=[], weakref=weakref)

    run("fail()")
    assert shell.user_ns["kept"][0]() is not None
    # What Python and IPython themselves keep of the last error.
    run("import sys; del sys.last_value, sys.last_traceback, sys.last_type")
    run("if hasattr(sys, 'last_exc'): del sys.last_exc")
    shell.last_execution_result = None
    for tb in (shell.InteractiveTB, shell.SyntaxTB):
        tb.tb = None
    run("x = 1")
    gc.collect()

    assert shell.user_ns["kept"][0]() is None


def test_nothing_of_a_cell_is_kept_alive_after_it(shell: Any, cells: Any) -> None:
    info = begin(shell, "x = 1")
    gone = weakref.ref(info)
    end(shell, info)

    del info
    assert gone() is None


# Loading, reloading, unloading


@pytest.fixture
def own_analytics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the process an `Analytics` of the test's own."""
    monkeypatch.delitem(things(), "analytics", raising=False)


def state(shell: Any) -> dict[str, Any]:
    """What an extension can leave behind in a shell and in the process."""
    return {
        "callbacks": {name: list(of) for name, of in shell.events.callbacks.items()},
        "excepthooks": (sys.excepthook, threading.excepthook, sys.unraisablehook),
        "magics": {kind: set(of) for kind, of in shell.magics_manager.magics.items()},
        "registry": set(shell.magics_manager.registry),
        "configurables": list(shell.configurables),
        "completers": dict(shell.strdispatchers["complete_command"].strs),
        "matchers": list(shell.Completer.custom_matchers),
        "transformers": (
            list(shell.ast_transformers),
            list(shell.input_transformers_post),
            list(shell.input_transformers_cleanup),
        ),
        "names": set(shell.user_ns),
        "displayhook": sys.displayhook,
    }


def test_the_example_can_be_unloaded_completely(shell: Any, own_analytics: None) -> None:
    before = state(shell)

    load_ipython_extension(shell)
    assert state(shell) != before
    unload_ipython_extension(shell)

    assert state(shell) == before


def test_loading_twice_records_nothing_twice(shell: Any, own_analytics: None) -> None:
    before = state(shell)
    load_ipython_extension(shell)
    once = state(shell)

    load_ipython_extension(shell)
    assert state(shell) == once
    unload_ipython_extension(shell)

    assert state(shell) == before


def test_reloading_doubles_nothing(shell: Any, own_analytics: None, log: Any) -> None:
    before = state(shell)
    extensions = shell.extension_manager
    extensions.load_extension("dev_analytics")
    once = state(shell)

    for _ in range(3):
        extensions.reload_extension("dev_analytics")
    again = state(shell)
    for place in ("magics", "registry"):
        assert again[place] == once[place]
    assert set(again["completers"]) == set(once["completers"])
    for event, callbacks in once["callbacks"].items():
        assert len(again["callbacks"][event]) == len(callbacks)
    assert len(again["configurables"]) == len(once["configurables"])
    shell.run(f"%dev_analytics log {log.path}")
    before_error = len(log.events)
    shell.run("1 / 0")
    assert log.events[before_error:].count("error raised") == 1
    assert log.events[before_error:].count("cell executed") == 1
    extensions.unload_extension("dev_analytics")

    after = state(shell)
    names = after.pop("names") - before.pop("names")
    assert all(name.startswith("_") for name in names), "IPython's own history of cells alone"
    assert after == before


def test_loading_reloading_and_unloading_leave_nothing_to_do_at_exit(kernel: Any, log: Any) -> None:
    notebook = kernel({"DEV_ANALYTICS_LOG": str(log.path)})
    notebook.run("%load_ext dev_analytics")
    notebook.run("%load_ext dev_analytics")
    notebook.run("%reload_ext dev_analytics")
    notebook.run("%unload_ext dev_analytics")
    left = notebook.run(
        "import gc; gc.collect()\n"
        "from dev_analytics import config\n"
        "from dev_analytics.apps import extension, magics\n"
        "from dev_analytics.observers.threads import Threads\n"
        "ours = (extension.Session, extension.Cells, Threads)\n"
        "ours += (config.DevAnalytics, magics.DevAnalyticsMagics)\n"
        "[type(o).__name__ for o in gc.get_objects() if type(o) in ours]"
    )
    notebook.stop()

    assert left.text == "[]"
    assert [one["reason"] for one in log.of("exited")] == ["unloaded", "unloaded"]


def test_a_hook_installed_above_ours_survives_unloading(
    shell: Any, own_analytics: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_type))
    load_ipython_extension(shell)
    ours = threading.excepthook

    def theirs(args: threading.ExceptHookArgs) -> None:
        seen.append("theirs")
        ours(args)

    threading.excepthook = theirs
    unload_ipython_extension(shell)
    assert threading.excepthook is theirs
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()

    assert seen == ["theirs", ZeroDivisionError]


# What began before consent held


NESTED = """
import os
ip = get_ipython()
ip.run_line_magic("run", {bad!r})
{change}
ip.run_cell("x = 1")
"""


@pytest.mark.parametrize("change", ["yes", "off and on"])
def test_an_earlier_error_is_not_that_of_a_nested_cell(
    shell: Any, own_analytics: None, data: Path, tmp_path: Path, change: str
) -> None:
    """A script's error was shown while nothing was collected; the inner cell runs after that."""
    (tmp_path / "bad.py").write_text("1 / 0\n")
    store = ConsentStore(data)
    if change == "off and on":
        store.agree(NOTICE, date.today())
    load_ipython_extension(shell)
    analytics = get_analytics()

    def turn(on: bool) -> None:
        analytics.gate.switch = Switch(on, "a test", explicit=True)

    shell.user_ns |= {"turn": turn, "agree": lambda: store.agree(NOTICE, date.today())}
    code = NESTED.format(
        bad=str(tmp_path / "bad.py"), change="agree()" if change == "yes" else "turn(True)"
    )
    shell.run(code if change == "yes" else f"turn(False)\n{code}")
    sent = [each.record for each in analytics.pipeline.preview if each.accepted]
    unload_ipython_extension(shell)

    assert not [record for record in sent if b"error raised" in record]


def test_an_error_from_before_loading_is_not_that_of_the_loading_callback(
    kernel: Any, click: Any, data: Path
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    notebook = kernel()
    notebook.run("1 / 0")
    loading = (
        "from ipywidgets import Button\n"
        "button = Button()\n"
        "load = lambda _: get_ipython().run_line_magic('load_ext', 'dev_analytics')\n"
        "button.on_click(load); print(button.model_id)"
    )
    click(notebook, notebook.run(loading).text.strip())
    notebook.run("x = 1")
    look = (
        "from dev_analytics import get_analytics as a\n"
        "print([p.record for p in a().pipeline.preview])"
    )
    shown = notebook.run(look).text

    assert "cell executed" in shown
    assert "error raised" not in shown


def test_an_error_that_a_concurrent_cell_may_have_shown_is_nobody_s(
    kernel: Any, in_subshell: Any, log: Any, tmp_path: Path
) -> None:
    notebook = kernel({"DEV_ANALYTICS_LOG": str(log.path)})
    notebook.run("%load_ext dev_analytics\nimport pathlib, time")
    go, shown, ended = (tmp_path / name for name in ("go", "shown", "ended"))
    waits = "while not pathlib.Path({!r}).exists(): time.sleep(0.01)"
    touches = "pathlib.Path({!r}).touch()"
    identifier = notebook.client.execute(
        f"{waits.format(str(go))}\ntry:\n    {{}}['secret']\nexcept KeyError:\n"
        f"    get_ipython().showtraceback()\n{touches.format(str(shown))}\n"
        f"{waits.format(str(ended))}"
    )
    beside = f"{touches.format(str(go))}\n{waits.format(str(shown))}"
    assert in_subshell(notebook, beside) == "ok"
    ended.touch()
    assert notebook.reply_to(identifier)["content"]["status"] == "ok"
    notebook.stop()

    assert outcomes(log).count("ok") >= 2
    assert "error raised" not in log.events
