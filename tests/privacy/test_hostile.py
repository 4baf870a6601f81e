"""Objects that raise, block or lie: our code asks them nothing, however a session holds them.

IPython itself calls some methods of what it shows. So every cell runs in a shell with the extension
and in one without it, and each object counts who called it: the counts are the same.
"""

from __future__ import annotations

import textwrap
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dev_analytics import NOTICE, get_analytics
from dev_analytics.apps.extension import load, unload
from dev_analytics.consent.store import ConsentStore
from dev_analytics.testing.marks import Marks

METHODS = (
    *("__str__", "__repr__", "__eq__", "__ne__", "__hash__", "__bool__", "__len__", "__iter__"),
    *("__getattr__", "__call__", "__getitem__", "__contains__", "__format__", "__fspath__"),
    *("__index__", "__lt__", "__reduce_ex__", "__dir__", "__sizeof__", "__bytes__"),
)
META = ("__instancecheck__", "__subclasscheck__", "__eq__", "__hash__", "__repr__", "__len__")


class Hostility:
    """Makes hostile classes, and counts what is called of them.

    Parameters
    ----------
    manner
        What each method does: raise, block, or lie.
    """

    def __init__(self, manner: str, mark: str) -> None:
        self.manner = manner
        self.mark = mark
        self.calls: Counter[str] = Counter()
        self.never = threading.Event()

    def method(self, name: str) -> Callable[..., Any]:
        def called(this: Any, *args: Any) -> Any:
            self.calls[name] += 1
            if self.manner == "block" and self.calls.total() == 1:
                self.never.wait(1)
            if self.manner == "lie" and name in ("__str__", "__repr__", "__format__"):
                return f"KeyError {self.mark}"
            if self.manner == "lie" and name in ("__eq__", "__bool__", "__contains__"):
                return True
            if self.manner == "lie" and name in ("__hash__", "__index__", "__len__"):
                return 7
            raise RuntimeError(self.mark)

        return called

    def make(self, base: type, methods: tuple[str, ...] = METHODS) -> type:
        """Make a class whose methods are hostile, and whose metaclass is."""
        meta = type("M" + self.mark, (type,), {name: self.method(f"M.{name}") for name in META})
        hostile: dict[str, Any] = {name: self.method(name) for name in methods}
        hostile["__class__"] = property(self.method("__class__"))
        hostile["__traceback__"] = property(self.method("__traceback__"))
        hostile["__notes__"] = property(self.method("__notes__"))
        made: type = meta(self.mark, (base,), hostile)
        return made


CELLS = {
    "kept in a variable": "thing = make(object)()",
    "a subclass of str in a variable": "thing = make(str).__new__(make(str), 'ok')",
    "thrown away": "make(object)(); None",
    "displayed": "make(object)()",
    "in a container": "things = [make(object)(), (make(dict).__new__(make(dict)),)]",
    "the argument of an error": "raise ValueError(make(object)())",
    "the class of an error": "raise make(Exception).__new__(make(Exception))",
    "of a public class": "raise make(KeyError).__new__(make(KeyError))",
    "a base exception": "raise make(BaseException).__new__(make(BaseException))",
    "the cause of an error": "raise KeyError from make(Exception).__new__(make(Exception))",
    "in a group": "raise ExceptionGroup('', [make(ValueError).__new__(make(ValueError))])",
    "an exit": "raise make(SystemExit).__new__(make(SystemExit))",
    "the name of a module": "__name__ = make(str).__new__(make(str), 'pandas'); 1 / 0",
    "the last error": "import sys; sys.last_value = make(object)()",
    "in a thread": """
        import threading
        def target(): raise make(OSError).__new__(make(OSError))
        thread = threading.Thread(target=target); thread.start(); thread.join()
        """,
    "under a magic": "%time thing = make(object)()",
    "as the property of an event": """
        from dev_analytics import get_analytics
        for name in ("command", make(str).__new__(make(str), "command")):
            try: get_analytics().event("command_run", **{name: make(object)()})
            except TypeError: pass
        get_analytics().event("message_send", model=make(str).__new__(make(str), "gpt-4o"))
        """,
}
SHOWN = {
    *("displayed", "the argument of an error", "the class of an error", "of a public class"),
    *("a base exception", "the cause of an error", "in a group", "an exit", "in a thread"),
    *("the name of a module", "as the property of an event"),
}
"""Where IPython or Python itself calls what then would block for ever, with or without us."""


def counts(shell: Any, cell: str, manner: str, mark: str) -> Counter[str]:
    """Run a cell that makes hostile objects, another one after it, and count the calls."""
    hostility = Hostility(manner, mark)
    made: dict[type, type] = {}

    def make(base: type) -> type:
        return made.setdefault(base, hostility.make(base))

    shell.user_ns["make"] = make
    shell.run(textwrap.dedent(cell).strip())
    shell.run("1")
    return hostility.calls


@pytest.fixture
def observed(shell: Any, data: Path, log: Any) -> Iterator[Any]:
    """A shell with the extension, whose user agreed."""
    ConsentStore(data).agree(NOTICE, date.today())
    shell.config.DevAnalytics.flush_interval = 3600
    shell.config.DevAnalytics.log_file = str(log.path)
    load(shell)
    yield shell
    unload(shell)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:To exit:UserWarning")
@pytest.mark.parametrize("manner", ["raise", "lie", "block"])
def test_a_hostile_object_is_called_by_ipython_alone(
    shell: Any, request: pytest.FixtureRequest, manner: str, marks: Marks, foreign: Any, log: Any
) -> None:
    cells = {
        where: cell for where, cell in CELLS.items() if manner != "block" or where not in SHOWN
    }
    own = {where: cell for where, cell in cells.items() if "event" not in where}
    for _ in range(2):  # the first time, Python and IPython also look for what they then know
        without = {where: counts(shell, cell, manner, marks(where)) for where, cell in own.items()}
    observed = request.getfixturevalue("observed")
    with_us = {where: counts(observed, cell, manner, marks(where)) for where, cell in cells.items()}
    ours = with_us.pop("as the property of an event", Counter())
    assert with_us == without
    # Python itself hashes the name of a keyword argument, and nothing else was called.
    assert set(ours) <= {"__hash__", "__eq__"}
    assert marks.found_in(log.path.read_bytes()) == []
    assert [wrong for line in log.path.read_bytes().splitlines() for wrong in foreign(line)] == []
    assert len(log.of("cell executed")) == 2 * len(cells)
    assert manner == "block" or len(log.of("error raised")) > 5
    assert not get_analytics().drops.counts.keys() - {"invalid"}


def test_what_is_huge_costs_no_record_more(
    kernel: Any, data: Path, log: Any, marks: Marks, foreign: Any
) -> None:
    """A text of megabytes, a deep recursion, thousands of magics: words of ours, and no more."""
    ConsentStore(data).agree(NOTICE, date.today())
    notebook = kernel({"DEV_ANALYTICS_LOG": str(log.path)})
    notebook.run("%load_ext dev_analytics")
    for cell in (
        f"raise ValueError('{marks('huge message')}' * 10_000)",
        f"x = '{marks('huge text')}' * 1_000_000",
        f"class {marks('long name') * 500}(KeyError): ...\nraise {marks('long name') * 500}",
        "import sys; sys.setrecursionlimit(400)",  # IPython takes seconds to show a thousand
        f"def {marks('recursion')}(n): return {marks('recursion')}(n)\n{marks('recursion')}(1)",
        "\n".join(
            f"if 0: get_ipython().run_line_magic('{marks(f'magic {n}')}', '')" for n in range(60)
        ),
        f"%{marks('magic')} {marks('argument') * 1_000}",
        f"!true {marks('shell argument') * 50}",
    ):
        notebook.run(cell)
    notebook.stop()
    lines = log.path.read_bytes().splitlines()
    assert max(map(len, lines)) < 1000
    assert [wrong for line in lines for wrong in foreign(line)] == []
    assert marks.found_in(log.path.read_bytes()) == []
    assert len(log.of("error raised")) >= 3
