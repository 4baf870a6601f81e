"""Whatever private stands in a session, none of it reaches a record, a file or a preview."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import json

from dev_analytics import Analytics
from dev_analytics.catalogue.events import EVENTS, properties

PREVIEW = """
from dev_analytics import get_analytics
for previewed in get_analytics().pipeline.preview:
    print(previewed.accepted, previewed.record.decode())
"""


def previewed(text: str) -> tuple[list[bool], list[bytes]]:
    """Read a preview that was printed: whether each record was accepted, and the record."""
    lines = [line for line in text.splitlines() if line.startswith(("True {", "False {"))]
    return [line.startswith("True") for line in lines], [
        line.partition(" ")[2].encode() for line in lines
    ]


def notebook_cells(mark: Any, folder: Path) -> Iterator[str]:
    """Return a notebook's cells with a mark in each place where a user's data are."""
    script = folder / f"{mark('script name')}.py"
    script.write_text(
        f"import sys\n{mark('script name in code')} = sys.argv\n"
        f"class {mark('class in a script')}(ValueError): ...\n"
        f"raise {mark('class in a script')}('{mark('message in a script')}')\n"
    )
    (folder / f"{mark('module name')}.py").write_text(
        f"class {mark('class in a module')}(OSError): ...\n"
        f"def {mark('function in a module')}():\n"
        f"    raise {mark('class in a module')}('{mark('message in a module')}')\n"
    )
    (folder / f"{mark('extension')}.py").write_text("def load_ipython_extension(shell): 1 / 0\n")
    cells = f"""
        {mark("variable")} = "{mark("string")}"  # {mark("comment")}
        ---
        def {mark("function")}({mark("argument")}): "{mark("docstring")}"; return {mark("argument")}
        print("{mark("printed")}", {mark("function")}(b"{mark("bytes")}"))
        ---
        {mark("name that is not there")}
        ---
        class {mark("class")}(KeyError):
            def __str__(self): return "{mark("str")}"
            def __repr__(self): return "{mark("repr")}"
            {mark("attribute")} = 1
        raise {mark("class")}("{mark("message")}")
        ---
        class {mark("class that claims a name")}(ValueError): ...
        {mark("class that claims a name")}.__module__ = "{mark("claimed module")}"
        {mark("class that claims a name")}.__qualname__ = "{mark("claimed name")}"
        raise {mark("class that claims a name")}
        ---
        class {mark("class of nobody")}(BaseException): ...
        raise {mark("class of nobody")}("{mark("message of nobody")}")
        ---
        try:
            raise ValueError("{mark("cause")}")
        except ValueError as error:
            error.add_note("{mark("note")}")
            part = OSError(2, "{mark("part")}")
            raise ExceptionGroup("{mark("group")}", [error, part]) from error
        ---
        open("/{mark("path")}/{mark("file")}.txt")
        ---
        {{}}["{mark("key")}"]
        ---
        import sys; sys.exit("{mark("exit message")}")
        ---
        if "{mark("text of a syntax error")}"
        ---
        {mark("bad")} {mark("syntax")}
        ---
        import {mark("module that is not there")}
        ---
        import {mark("module name")}; {mark("module name")}.{mark("function in a module")}()
        ---
        %run {script} {mark("argument of a script")} --{mark("flag of a script")}
        ---
        %{mark("line magic")} {mark("argument of a line magic")}
        ---
        %%{mark("cell magic")} {mark("argument of a cell magic")}
        {mark("body of a cell magic")}
        ---
        def {mark("own magic")}(line, cell=None): raise OSError("{mark("error of a magic")}")
        get_ipython().register_magic_function({mark("own magic")}, "line_cell")
        ---
        %{mark("own magic")} {mark("argument of own magic")}
        ---
        %%{mark("own magic")}
        {mark("body of own magic")}
        ---
        !{mark("command")} {mark("argument of a command")}
        ---
        x = !/{mark("folder of a command")}/{mark("command in a folder")} 2>&1
        ---
        !!KEY={mark("variable of a command")} echo {mark("echo")}
        ---
        !echo ${mark("variable")} {{{mark("variable")}}}
        ---
        %alias {mark("alias")} echo {mark("text of an alias")}
        ---
        {mark("alias")} {mark("argument of an alias")}
        ---
        %%bash
        echo {mark("bash")}; {mark("command in bash")}
        ---
        %%time
        !{mark("command in time")} {mark("argument in time")}
        %{mark("magic in time")}
        ---
        %%capture {mark("captured")}
        %%{mark("magic in capture")}
        raise ValueError("{mark("error in capture")}")
        ---
        {mark("variable")}?
        ---
        {mark("help for nothing")}??
        ---
        *{mark("search")}*?
        ---
        %env {mark("variable of the environment")}={mark("value of a variable")}
        ---
        %cd {folder}
        ---
        %%writefile {mark("file that is written")}.txt
        {mark("text that is written")}
        ---
        %load_ext {mark("extension")}
        ---
        %load_ext {mark("extension that is not there")}
        ---
        %dev_analytics {mark("word of our magic")}
        ---
        %dev_analytics log /{mark("log that cannot be")}/x
        ---
        import threading
        def {mark("thread function")}(): raise ValueError("{mark("message in a thread")}")
        t = threading.Thread(target={mark("thread function")}, name="{mark("thread")}")
        t.start(); t.join()
        ---
        class {mark("class that cannot be shown")}:
            def __repr__(self): raise TypeError("{mark("message of a display")}")
        {mark("class that cannot be shown")}()
        ---
        async def {mark("coroutine")}(): raise ValueError("{mark("message of a coroutine")}")
        await {mark("coroutine")}()
        ---
        __name__ = "dev_analytics.{mark("module that claims to be ours")}"
        def {mark("function that claims to be ours")}(): 1 / 0
        {mark("function that claims to be ours")}()
        ---
        __name__ = "__main__"
        exec(compile("1 / 0", "/site-packages/{mark("compiled file")}.py", "exec"),
             {{"__name__": "{mark("compiled module")}"}})
        ---
        from dev_analytics import get_analytics
        analytics = get_analytics()
        analytics.event("{mark("event")}")
        analytics.event("command_run", command="{mark("command of a tool")}")
        analytics.event("command_run", {mark("property")}="{mark("value of a property")}")
        with analytics.edit_format("{mark("edit format")}"):
            analytics.event("message_send", provider="{mark("provider")}", model="{mark("model")}",
                            error_type="{mark("error type")}", tool="{mark("tool")}")
        ---
        analytics.event("launched", frontend="{mark("front end")}", python="3.11.7+{mark("local")}",
                        ipython="{mark("version")}", os="{mark("system")}",
                        version="1.{mark("part of a version")}")
        ---
        import ipywidgets
        def {mark("clicked")}(button): raise ValueError(button.description)
        button = ipywidgets.Button(description="{mark("button")}")
        button.on_click({mark("clicked")})
        print(button.model_id)
    """
    yield from textwrap.dedent(cells).strip().split("\n---\n")


def test_nothing_private_of_a_notebook_is_recorded(
    kernel: Any, click: Any, everything: Any, marks: Any, foreign: Any, log: Any, data: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    home = tmp_path / marks("home")
    folder = home / marks("folder")
    folder.mkdir(parents=True)
    log.path = folder / f"{marks('log')}.jsonl"
    notebook = kernel({
        "HOME": str(home),
        "USER": marks("user"),
        "LOGNAME": marks("user"),
        "PYTHONPATH": str(folder),
        "JPY_SESSION_NAME": f"{folder}/{marks('notebook')}.ipynb",
        "VSCODE_PID": marks("process of the front end"),
        "OPENAI_API_KEY": f"sk-{marks('key of a service')}",
        marks("variable of a kernel"): marks("value in a kernel"),
    })  # fmt: skip
    notebook.client.session.username = marks("user in a request")

    notebook.run("%load_ext dev_analytics", answers=())
    notebook.run(f"%dev_analytics log {log.path}")
    assert "Analytics are on" in notebook.run("%dev_analytics on", answers=("y",)).text
    # A cell with a name would be asked by a dialog.
    notebook.client.session.metadata = {"cellId": f"file:///{marks('cell')}"}
    cells = list(notebook_cells(marks, folder))
    shown = [notebook.run(cell).text for cell in cells]
    click(notebook, shown[-1].strip())
    accepted, records = previewed(notebook.run(PREVIEW).text)
    notebook.stop()

    assert len(records) > len(cells)
    assert set(records[-len(cells) :]) <= set(log.path.read_bytes().splitlines())
    assert all(accepted[-len(cells) :])
    for place, text in {
        "log": log.path.read_bytes(),
        "data directory": everything(data),
        "preview": b"\n".join(records),
    }.items():
        assert text, f"the {place} is empty, and shows nothing"
        assert marks.found_in(text) == [], f"in the {place}"
    assert [foreign(record) for record in log.path.read_bytes().splitlines() + records] == [
        [] for _ in log.records + records
    ]
    # What was to be seen was seen: the marks were in its way.
    assert {(error["phase"]) for error in log.of("error raised")} == {
        *("cell", "compile", "script", "callback", "thread", "display")
    }
    assert {feature["kind"] for feature in log.of("feature used")} == {
        *("line magic", "cell magic", "shell command", "help")
    }
    assert len(log.of("cell executed")) >= len(cells)


def test_nothing_private_of_a_terminal_is_recorded(
    terminal: Any, everything: Any, marks: Any, foreign: Any, log: Any, data: Path, tmp_path: Path
) -> None:
    home = tmp_path / marks("home")
    home.mkdir()
    session = terminal(
        "--DevAnalytics.sample_percent=0",
        env={"HOME": str(home), "USER": marks("user"), "COLUMNS": "10000"},
    )
    session.prompt()
    session.run("%load_ext dev_analytics")
    session.run(f"%dev_analytics log {log.path}")
    session.type("%dev_analytics on")
    session.until("[Yes]: ")
    session.type("y")
    session.prompt()
    lines = [
        f"{marks('variable')} = '{marks('string')}'",
        f"raise type('{marks('class')}', (KeyError,), {{}})('{marks('message')}')",
        f"{marks('name that is not there')}",
        f"{marks('bad')} {marks('syntax')}",
        f"%{marks('line magic')} {marks('argument of a magic')}",
        f"!{marks('command')} {marks('argument of a command')}",
        f"{marks('variable')}?",
        f"%cd /{marks('folder')}",
        "from dev_analytics import get_analytics",
    ]
    for line in lines:
        session.run(line)
    seen = tmp_path / "preview"
    session.run(
        "preview = get_analytics().pipeline.preview; "
        f"open({str(seen)!r}, 'wb').write(b''.join(p.record for p in preview))"
    )
    session.leave()

    for text in (log.path.read_bytes(), everything(data), seen.read_bytes()):
        assert text
        assert marks.found_in(text) == []
    assert [foreign(line) for line in log.path.read_bytes().splitlines()] == [
        [] for _ in log.records
    ]
    assert log.records[-1]["distinct_id"] is not None
    assert len(log.of("error raised")) >= 4


def test_a_mark_in_a_log_is_found(
    analytics: Any, log: Any, everything: Any, marks: Any, foreign: Any, data: Path
) -> None:
    marks("another place")
    analytics.event("command_run", command="status")
    (line,) = log.path.read_bytes().splitlines()
    assert marks.found_in(line) == []
    assert foreign(line) == []

    planted = line.replace(b'"status"', f'"{marks("log").upper()}"'.encode())
    log.path.write_bytes(planted)

    assert marks.found_in(everything(log.path.parent)) == ["log"]
    assert foreign(planted) != []


# Analytics.event takes whatever it is given

HOSTILE = (
    *("__str__", "__repr__", "__eq__", "__ne__", "__hash__", "__bool__", "__len__", "__format__"),
    *("__getattr__", "__getattribute__", "__iter__", "__contains__", "__call__", "__getitem__"),
    *(
        "__reduce__",
        "__reduce_ex__",
        "__lt__",
        "__le__",
        "__gt__",
        "__ge__",
        "__bytes__",
        "__dir__",
    ),
    *("__index__", "__int__", "__float__", "__round__", "__trunc__", "__floor__", "__ceil__"),
    *("__add__", "__radd__", "__mul__", "__rmul__", "__fspath__", "__next__", "__length_hint__"),
    *("__del__", "__enter__", "__exit__", "__instancecheck__", "__subclasscheck__", "keys"),
    *("encode", "lower", "strip", "split", "startswith", "partition", "__sizeof__", "__copy__"),
)
BASES = (object, str, int, float, bytes, list, tuple, dict, set, Exception)


class Placeholder:
    """Stands for a hostile object until it is needed: hypothesis would call it."""

    def __init__(self, base: type) -> None:
        self.base = base

    def __repr__(self) -> str:
        return f"Placeholder({self.base.__name__})"


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.binary(),
        st.complex_numbers(),
        st.sampled_from(["ok", "other", "linux", "3.11", "3.11.7+me", "chat", "1" * 40, "٣.١"]),
        st.sampled_from(BASES).map(Placeholder),
        st.sampled_from([("dev_analytics.drops", "DropLedger.count", line) for line in range(40)]),
    ),
    lambda values: st.one_of(
        st.lists(values, max_size=4),
        st.lists(values, max_size=4).map(tuple),
        st.dictionaries(st.text(), values, max_size=3),
    ),
    max_leaves=8,
)


def real(value: Any, calls: list[str]) -> Any:
    """Put hostile objects, which note every call, in place of the placeholders."""
    if isinstance(value, Placeholder):
        return hostile(value.base, calls)
    if isinstance(value, list | tuple):
        return type(value)(real(one, calls) for one in value)
    if isinstance(value, dict):
        return {name: real(one, calls) for name, one in value.items()}
    return value


def hostile(base: type, calls: list[str]) -> Any:
    def spy(name: str) -> Callable[..., Any]:
        def method(*args: object, **kwargs: object) -> Any:
            calls.append(name)
            raise RuntimeError(name)

        return method

    names: dict[str, Any] = {name: spy(name) for name in HOSTILE if name != "__del__"}
    names["__class__"] = property(spy("__class__"))
    hostile: Any = type("Hostile", (base,), names)
    made: Any = base.__new__
    return made(hostile)


@pytest.fixture
def lenient(data: Path) -> Analytics:
    """An `Analytics` as users have it: nothing that it is given raises."""
    return Analytics(data)


@pytest.mark.parametrize("name", EVENTS)
@settings(max_examples=settings().max_examples * 3 // 10)
@given(data_of=st.data())
def test_whatever_an_event_is_given_only_closed_values_are_recorded(
    lenient: Analytics, foreign: Any, name: str, data_of: Any
) -> None:
    declared = list(properties(EVENTS[name]))
    drawn = data_of.draw(st.fixed_dictionaries(
        {}, optional=dict.fromkeys(declared, VALUES)
    ))  # fmt: skip
    calls: list[str] = []
    given = {of: real(value, calls) for of, value in drawn.items()}
    calls.clear()
    lenient.pipeline.preview.clear()
    dropped = lenient.drops.counts.total()

    lenient.event(name, **given)

    assert calls == []
    assert len(lenient.pipeline.preview) + lenient.drops.counts.total() - dropped == 1
    assert lenient.drops.counts["failure inside"] == 0
    for one in lenient.pipeline.preview:
        assert foreign(one.record) == []
        assert json.decode(one.record)["event"] == EVENTS[name].wire


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("base", BASES)
def test_a_hostile_object_in_each_property_is_left_alone(
    lenient: Analytics, foreign: Any, name: str, base: type
) -> None:
    for of in properties(EVENTS[name]):
        for wrap in (lambda x: x, lambda x: [x], lambda x: (x, x, x), lambda x: [(x, x, x)]):
            calls: list[str] = []
            value = wrap(hostile(base, calls))
            calls.clear()
            lenient.event(name, **{of: value})
            assert calls == []
    assert all(foreign(one.record) == [] for one in lenient.pipeline.preview)


@settings(max_examples=50)
@given(name=st.text(), of=st.text(), value=VALUES)
def test_an_event_or_property_that_is_not_declared_is_dropped_and_counted(
    lenient: Analytics, name: str, of: str, value: Any
) -> None:
    calls: list[str] = []
    value = real(value, calls)
    calls.clear()
    lenient.pipeline.preview.clear()
    before = lenient.drops.counts["invalid"]

    lenient.event("zq" + name, **{of: value})
    lenient.event("command_run", **{"zq" + of: value, "command": "status"})

    assert calls == []
    assert not lenient.pipeline.preview
    assert lenient.drops.counts["invalid"] == before + 2
