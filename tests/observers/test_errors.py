"""Errors say their public class, their public package and our own frames, and are never touched."""

from __future__ import annotations

import functools
import importlib
import json
import sys
import textwrap
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dev_analytics.catalogue.events import ErrorRaised, properties
from dev_analytics.observers import errors
from dev_analytics.observers.errors import describe, public_class
from dev_analytics.observers.threads import Threads

LOG = "%load_ext dev_analytics\n%dev_analytics log "
MARK = "Zqxmark"


def raised(log: Any) -> list[tuple[str, bool, str, str]]:
    return [
        (error["exception"], error["exact"], error["package"], error["phase"])
        for error in log.of("error raised")
    ]


def caught(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


# Class


@pytest.mark.parametrize(
    ("code", "name", "exact"),
    [
        ("1 / 0", "ZeroDivisionError", True),
        ("{}['x']", "KeyError", True),
        ("raise Exception", "Exception", True),
        ("import json; json.loads('{')", "json.decoder.JSONDecodeError", True),
        ("import subprocess; subprocess.run(['false'], check=True)",
         "subprocess.CalledProcessError", True),
        ("%no_such_magic", "IPython.core.error.UsageError", True),
        (f"class {MARK}(KeyError): ...\nraise {MARK}", "KeyError", False),
        (f"class {MARK}(Exception): ...\nclass {MARK}2({MARK}): ...\nraise {MARK}2",
         "Exception", False),
        (f"import json\nclass {MARK}(json.JSONDecodeError): ...\nraise {MARK}('', '', 0)",
         "json.decoder.JSONDecodeError", False),
        (f"class {MARK}(OSError, ValueError): ...\nraise {MARK}", "OSError", False),
        (f"class {MARK}(BaseException): ...\nraise {MARK}", "BaseException", False),
        ("class KeyError(Exception): ...\nraise KeyError", "Exception", False),
        ("raise ExceptionGroup('', [KeyError()])", "ExceptionGroup", True),
        ("raise BaseExceptionGroup('', [KeyboardInterrupt()])", "BaseExceptionGroup", True),
    ],
)  # fmt: skip
def test_an_error_is_named_by_its_nearest_public_class(
    run: Any, log: Any, code: str, name: str, exact: bool
) -> None:
    run(code)

    assert raised(log) == [(name, exact, log.of("error raised")[0]["package"], "cell")]
    assert MARK not in log.path.read_text()


@pytest.mark.parametrize("code", ["x =", "if True:\nx = 1", "return 3"])
def test_a_cell_that_does_not_compile_has_the_phase_compile(run: Any, log: Any, code: str) -> None:
    run(code)

    ((name, exact, _, phase),) = raised(log)
    assert name in ("SyntaxError", "IndentationError")
    assert (exact, phase) == (True, "compile")


def test_a_subclass_that_claims_a_public_name_is_not_that_class() -> None:
    class OwnError(ValueError):
        pass

    for module, name in [
        ("builtins", "KeyError"),
        ("json.decoder", "JSONDecodeError"),
        ("json.decoder", "JSONDecodeError.no"),
        ("no.such.module", "KeyError"),
        ("", ""),
    ]:
        OwnError.__module__, OwnError.__qualname__, OwnError.__name__ = module, name, "KeyError"
        assert public_class(OwnError) == ("ValueError", False)


@pytest.mark.parametrize("module", [None, 3, ["builtins"], object()])
def test_a_class_whose_module_is_not_a_string_is_not_public(module: object) -> None:
    own = type("KeyError", (ValueError,), {"__module__": module})

    assert public_class(own) == ("ValueError", False)


def test_a_class_without_a_module_is_not_public() -> None:
    """Code that is executed in a namespace without a name makes such classes."""
    namespace: dict[str, Any] = {}
    exec('own = type("KeyError", (ValueError,), {})', namespace)
    assert "__module__" not in vars(namespace["own"])
    assert public_class(namespace["own"]) == ("ValueError", False)


def test_a_class_in_a_module_of_the_user_with_a_public_name_is_not_public(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "httpx.py").write_text("class ConnectError(KeyError): ...")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "httpx", raising=False)
    own = importlib.import_module("httpx").ConnectError
    monkeypatch.delitem(sys.modules, "httpx")

    made = types.ModuleType("pandas.errors")
    made.__dict__["ParserError"] = type(
        "ParserError", (ValueError,), {"__module__": "pandas.errors"}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "httpx", sys.modules.get("httpx") or types.ModuleType("httpx"))
        patch.setitem(sys.modules, "pandas.errors", made)
        assert public_class(made.ParserError) == ("ValueError", False)
        assert public_class(own) == ("KeyError", False)


def test_without_python_s_own_builtins_no_class_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "builtins", types.ModuleType("builtins"))
    assert public_class(ValueError) == ("other", False)


# Nothing of an error is called


class Touched:
    """Notes every call of a method of the user's."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def spy(self, name: str, real: Any = None) -> Any:
        def method(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            if real is None:
                raise AssertionError(f"{name} was called")
            return real(*args, **kwargs)

        return method


@pytest.fixture
def touched() -> Iterator[Touched]:
    touched = Touched()
    yield touched
    assert touched.calls == []


HOSTILE = (
    *("__str__", "__repr__", "__eq__", "__ne__", "__hash__", "__bool__", "__len__", "__format__"),
    *("__getattr__", "__getattribute__", "__iter__", "__contains__", "__call__", "__reduce__"),
    *("__reduce_ex__", "__dir__", "__sizeof__", "__lt__", "__bytes__", "__index__", "__int__"),
    *("__float__", "__fspath__", "__get__", "__set__", "__instancecheck__", "__subclasscheck__"),
    *("__subclasshook__", "__length_hint__", "__getitem__", "startswith", "partition", "split"),
)


def hostile_names(touched: Touched, of: tuple[str, ...] = HOSTILE) -> dict[str, Any]:
    names: dict[str, Any] = {name: touched.spy(name) for name in of}
    for name in ("__class__", "__traceback__", "__cause__", "__context__", "__notes__", "args"):
        names[name] = property(touched.spy(name))
    return names


def test_no_method_of_a_hostile_error_is_called(touched: Touched) -> None:
    hostile = type("Hostile", (ValueError,), hostile_names(touched))
    error = caught(functools.partial(_raise, hostile))

    given = describe(error)

    assert given["exception"] == "ValueError"
    assert given["exact"] is False


def _raise(cls: type[BaseException]) -> None:
    raise cls


def test_no_method_of_a_hostile_metaclass_is_called(touched: Touched) -> None:
    names = hostile_names(touched)
    for name in ("__module__", "__name__", "__mro__", "__dict__", "__bases__"):
        names[name] = property(touched.spy(name))
    meta = type("Meta", (type,), names)
    hostile: Any = meta.__new__(meta, "Hostile", (ValueError,), {"__module__": "builtins"})

    # Raising it would let Python itself ask the metaclass.
    assert describe(ValueError.__new__(hostile))["exception"] == "ValueError"


def test_a_public_name_that_leads_to_a_hostile_object_is_not_followed(
    touched: Touched, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = type("Hostile", (), hostile_names(touched))()
    own = type("Own", (ValueError,), {})
    own.__module__, own.__qualname__ = "json.decoder", "JSONDecodeError"
    module = type(
        "Module",
        (types.ModuleType,),
        {**hostile_names(touched), "__dict__": property(touched.spy("__dict__"))},
    )

    monkeypatch.setattr("json.decoder.JSONDecodeError", hostile)
    assert public_class(own) == ("ValueError", False)
    own.__module__, own.__qualname__ = "json", "decoder.JSONDecodeError"
    monkeypatch.setattr("json.decoder", hostile)
    assert public_class(own) == ("ValueError", False)
    own.__module__, own.__qualname__ = "json.decoder", "JSONDecodeError"
    monkeypatch.setitem(sys.modules, "json.decoder", hostile)
    assert public_class(own) == ("ValueError", False)
    monkeypatch.setitem(sys.modules, "json.decoder", types.ModuleType.__new__(module))
    assert public_class(own) == ("ValueError", False)
    monkeypatch.undo()


def test_no_method_of_a_hostile_string_class_is_called(touched: Touched) -> None:
    text = type("Text", (str,), hostile_names(touched))
    code = (lambda: 1 / 0).__code__
    code = code.replace(co_filename=text("site-packages/x.py"), co_qualname=text("f"))
    own = type("Own", (ValueError,), {"__module__": text("builtins")})
    function = types.FunctionType(code, {"__name__": text("dev_analytics"), "__builtins__": {}})

    assert public_class(own) == ("ValueError", False)
    assert describe(caught(function))["package"] == "user code"
    named = types.FunctionType(code, {"__name__": "dev_analytics.drops", "__builtins__": {}})
    frames = describe(caught(named))["frames"]
    assert properties(ErrorRaised)["frames"].accept(frames) == []


def test_a_hostile_object_in_place_of_the_last_error_is_not_touched(
    shell: Any, run: Any, log: Any, touched: Touched
) -> None:
    shell.user_ns["hostile"] = type("Hostile", (), hostile_names(touched))()

    run("import sys; sys.last_value = hostile")
    run("sys.last_value = None")
    run("del sys.last_value")
    run("x = 1")
    touched.calls.clear()  # Python's own: the shell reads __class__ of what a cell assigns

    assert log.of("error raised") == []
    assert log.events.count("cell executed") == 4


# Package and frames


def test_the_package_is_that_of_the_innermost_frame(run: Any, log: Any) -> None:
    run("1 / 0")
    run("import json; json.loads('{')")
    run("import pandas; pandas.Series([1]).no_such_name")
    run("%run no_such_file.py")
    run("import json; json.loads('1', object_hook=None, parse_int=lambda text: 1 / 0)")
    run("import importlib; importlib.import_module('no_such_module_at_all')")

    packages = [error["package"] for error in log.of("error raised")]
    assert packages == ["user code", "json", "pandas", "IPython", "user code", "importlib"]


def test_the_frames_below_compiled_code_are_followed() -> None:
    """A frame of compiled code has no caller."""
    import pandas

    series = pandas.Series([1])
    assert describe(caught(lambda: series.map(lambda _: json.loads("{"))))["package"] == "json"


def test_a_traceback_is_read_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    error = caught(lambda: json.loads("{"))
    assert describe(error)["package"] == "json"
    monkeypatch.setattr(errors, "MAX_FRAMES_READ", 2)
    assert describe(error)["package"] == "user code"


KEPT = """
import asyncio, json
from concurrent.futures import ThreadPoolExecutor
def fail():
    json.loads('{')
def steps():
    yield fail()
async def wait():
    await asyncio.sleep(0)
    fail()
try:
    fail()
except ValueError as error:
    kept = error
"""


@pytest.mark.parametrize(
    ("code", "package"),
    [
        ("raise kept", "user code"),
        ("def again():\n    raise kept\nagain()", "user code"),
        ("try:\n    raise kept\nexcept ValueError as error:\n    raise error", "user code"),
        ("raise shown", "user code"),
        ("fail()", "json"),
        # IPython runs the statements of a cell one by one.
        ("try:\n    fail()\nexcept ValueError as error:\n    now = error\nraise now", "user code"),
        ("def now():\n    try:\n        fail()\n    except ValueError as error:\n"
         "        found = error\n    raise found\nnow()", "json"),
        ("list(steps())", "json"),
        ("await wait()", "json"),
        ("await asyncio.gather(wait())", "json"),
        ("ThreadPoolExecutor().submit(fail).result()", "json"),
        # As libraries that leave their own frames out.
        ("try:\n    (lambda: fail())()\nexcept ValueError as error:\n"
         "    raise error.with_traceback(error.__traceback__.tb_next.tb_next)", "json"),
    ],
)  # fmt: skip
def test_the_old_frames_of_an_error_raised_again_are_left_out(
    run: Any, log: Any, code: str, package: str
) -> None:
    """It may have been without consent; that it is raised now is told."""
    run(KEPT)
    run("fail()")
    run("import sys; shown = sys.last_value")
    run("1 / 0")
    run(code)

    assert raised(log)[2:] == [("json.decoder.JSONDecodeError", True, package, "cell")]


def test_a_file_of_the_user_with_a_public_name_is_user_code(
    kernel: Any, log: Any, tmp_path: Path
) -> None:
    (tmp_path / "requests.py").write_text("def get():\n    1 / 0\n")
    notebook = kernel({"PYTHONPATH": str(tmp_path)})
    notebook.run(LOG + str(log.path))

    notebook.run("import requests; requests.get()")

    assert raised(log) == [("ZeroDivisionError", True, "user code", "cell")]


def test_a_user_module_in_a_folder_named_like_a_site_directory_is_user_code(
    run: Any, log: Any, tmp_path: Path
) -> None:
    for name in ("notes on site-packages", "site-packages"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "prefect.py").write_text("def flow():\n    1 / 0\n")
        run(f"import sys; sys.path.insert(0, {str(folder)!r}); import prefect; prefect.flow()")
        run("del sys.path[0], sys.modules['prefect']")

    assert raised(log) == [("ZeroDivisionError", True, "user code", "cell")] * 2


def test_a_function_of_the_user_that_claims_a_public_module_is_user_code(
    run: Any, log: Any
) -> None:
    run("__name__ = 'pandas'\n1 / 0")

    assert raised(log) == [("ZeroDivisionError", True, "user code", "cell")]


def test_only_our_own_frames_are_recorded(shell: Any, run: Any, log: Any) -> None:
    from dev_analytics.catalogue import vocabulary

    shell.user_ns["vocabulary"] = vocabulary
    run(f"def {MARK}():\n    vocabulary.read('{MARK}')")
    run(f"{MARK}()")

    (error,) = log.of("error raised")
    (frame,) = error["frames"]
    module, function, line = frame.split(":")
    assert (module, function) == ("dev_analytics.catalogue.vocabulary", "read")
    source = Path(str(sys.modules[module].__file__)).read_text().splitlines()
    assert ".txt" in source[int(line) - 1]


@pytest.mark.parametrize(
    ("module", "function"),
    [
        ("dev_analytics.catalogue.vocabulary", MARK),
        (f"dev_analytics.{MARK}", "read"),
        ("dev_analytics.catalogue.vocabulary", "read"),
        ("dev_analytics/../vocabulary", "read"),
    ],
)
def test_a_frame_that_falsely_claims_to_be_ours_is_left_out(
    run: Any, log: Any, module: str, function: str
) -> None:
    run(f"__name__ = {module!r}\n\ndef {function}():\n    1 / 0")
    run(f"{function}()")

    (error,) = log.of("error raised")
    assert "frames" not in error or error["frames"] == []


def test_a_recursion_error_is_recorded_with_its_package(run: Any, log: Any) -> None:
    run("%xmode Minimal")  # IPython looks through all modules for each of the thousand frames
    run("def f():\n    f()\nf()")

    assert raised(log) == [("RecursionError", True, "user code", "cell")]


def test_notes_causes_and_groups_change_nothing(run: Any, log: Any) -> None:
    run(
        textwrap.dedent(f"""
        class {MARK}(KeyError): ...
        try:
            raise {MARK}("{MARK}")
        except KeyError as first:
            second = ValueError("{MARK}")
            second.add_note("{MARK}")
            raise ExceptionGroup("{MARK}", [second, {MARK}()]) from first
        """)
    )

    assert raised(log) == [("ExceptionGroup", True, "user code", "cell")]
    assert MARK not in log.path.read_text()


# Errors that no cell has


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1", []),
        ("1 / 0", [("ZeroDivisionError", True, "user code", "script")]),
        ("import sys; sys.exit(2)", [("SystemExit", True, "user code", "script")]),
        ("import sys; sys.exit(0)", []),
        ("raise KeyboardInterrupt", []),
    ],
)
def test_a_script_that_a_cell_runs_tells_its_error(
    run: Any, log: Any, tmp_path: Path, text: str, expected: list[Any]
) -> None:
    script = tmp_path / "script.py"
    script.write_text(text)

    run(f"%run {script}")
    run("x = 1")

    assert raised(log) == expected
    assert [cell["outcome"] for cell in log.of("cell executed")] == ["ok", "ok"]


def test_a_failing_display_records_its_error(kernel: Any, log: Any) -> None:
    notebook = kernel()
    notebook.run(LOG + str(log.path))
    notebook.run("class C:\n    def __repr__(self): return 1 / 0\nC()")
    notebook.run("x = 1")

    assert raised(log) == [("ZeroDivisionError", True, "user code", "display")]


def test_an_error_that_remains_the_last_one_is_recorded_once(run: Any, log: Any) -> None:
    run("1 / 0")
    run("x = 1")
    run("import sys; error = sys.last_value")
    run("raise error")
    run("%tb")

    assert len(raised(log)) == 1


BUTTON = """
import asyncio, ipywidgets, threading
def clicked(button):
    done.set()
    loop.call_soon(awaited.set) if loop else None
    1 / 0
done, loop, awaited = threading.Event(), None, asyncio.Event()
button = ipywidgets.Button()
button.on_click(clicked)
print(button.model_id)
"""


def test_the_error_of_a_widget_s_callback_is_recorded(kernel: Any, click: Any, log: Any) -> None:
    notebook = kernel()
    notebook.run(LOG + str(log.path))
    model = notebook.run(BUTTON).text.strip()

    assert "ZeroDivisionError" in click(notebook, model).text
    click(notebook, model)
    notebook.run("x = 1")

    assert raised(log) == [("ZeroDivisionError", True, "user code", "callback")] * 2
    assert log.events.count("cell executed") == 2


def test_the_error_of_a_widget_callback_during_an_awaiting_cell_is_the_callback_s(
    kernel: Any, click: Any, log: Any, until: Any, tmp_path: Path
) -> None:
    notebook = kernel()
    notebook.run(LOG + str(log.path))
    model = notebook.run(BUTTON).text.strip()

    started = tmp_path / "started"
    notebook.client.execute(
        f"import pathlib; pathlib.Path({str(started)!r}).touch()\n"
        "loop = asyncio.get_running_loop(); await awaited.wait()"
    )
    until(started.exists)
    click(notebook, model, wait=False)
    until(lambda: log.events.count("cell executed") == 2)
    notebook.run("x = 1")

    assert raised(log) == [("ZeroDivisionError", True, "user code", "callback")]
    assert log.events.count("cell executed") == 3


def test_a_cell_run_by_a_widget_callback_records_its_error_once(
    kernel: Any, click: Any, log: Any
) -> None:
    notebook = kernel()
    notebook.run(LOG + str(log.path))
    model = notebook.run(
        BUTTON.replace("    1 / 0", "    get_ipython().run_cell('1 / 0')")
    ).text.strip()

    click(notebook, model)
    notebook.run("x = 1")

    assert raised(log) == [("ZeroDivisionError", True, "user code", "callback")]


# Threads


@pytest.fixture
def threads(analytics: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    """The observer of threads; the hook that was there only notes."""
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    threads = Threads(analytics)
    yield threads
    threads.unregister()
    assert not analytics.drops.counts


def run_thread(function: Callable[[], object]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_the_error_that_ends_a_thread_is_recorded(threads: Threads, log: Any) -> None:
    threads.register()

    run_thread(lambda: 1 / 0)
    run_thread(lambda: sys.exit(2))

    assert raised(log) == [("ZeroDivisionError", True, "user code", "thread")]


def test_a_second_shell_does_not_install_the_hook_again(threads: Threads) -> None:
    before = threading.excepthook
    threads.register()
    threads.register()
    threads.unregister()
    assert threading.excepthook is before


def test_a_user_hook_installed_earlier_still_runs(
    threads: Threads, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_type))
    threads.register()

    run_thread(lambda: 1 / 0)
    threads.unregister()
    run_thread(lambda: 1 / 0)

    assert seen == [ZeroDivisionError] * 2
    assert len(raised(log)) == 1


def test_a_user_hook_installed_later_decides_whether_ours_runs(
    threads: Threads, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads.register()
    ours = threading.excepthook
    seen: list[object] = []

    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_type))
    run_thread(lambda: 1 / 0)
    assert raised(log) == []

    def chained(args: threading.ExceptHookArgs) -> None:
        seen.append(1)
        ours(args)

    monkeypatch.setattr(threading, "excepthook", chained)
    run_thread(lambda: 1 / 0)

    assert seen == [ZeroDivisionError, 1]
    assert len(raised(log)) == 1


def test_a_failing_user_hook_fails_as_without_the_extension(kernel: Any, log: Any) -> None:
    shown = []
    for load in ("pass", "%load_ext dev_analytics"):
        notebook = kernel()
        notebook.run(load)
        notebook.run("import threading\ndef hook(args): raise KeyError('hook')\n")
        notebook.run("threading.excepthook = hook")
        shown.append(
            notebook.run(
                "t = threading.Thread(target=lambda: 1 / 0, name='T'); t.start(); t.join()"
            ).text.count("'hook'")
        )

    assert shown[0] == shown[1] > 0


def test_loading_again_over_a_user_s_hook_records_a_thread_s_error_once(
    threads: Threads, analytics: Any, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads.register()
    ours = threading.excepthook
    monkeypatch.setattr(threading, "excepthook", lambda args: ours(args))
    threads.unregister()
    again = Threads(analytics)
    again.register()

    run_thread(lambda: 1 / 0)
    again.unregister()

    assert len(raised(log)) == 1
