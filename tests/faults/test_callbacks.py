"""Whatever fails inside stays inside: a kernel shows what it shows without the extension."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec import json

from dev_analytics.consent.store import ConsentStore

CELLS = """
import sys; print("out", flush=True); print("err", file=sys.stderr, flush=True); 40 + 2
---
from IPython.display import display
display("shown"); {"key": [1, 2]}
---
def inner(local):
    return {}[local]
def outer():
    try:
        inner("key")
    except KeyError as error:
        raise ValueError("no such key") from error
outer()
---
x =
---
%no_such_magic
---
import sys; sys.exit(3)
---
%%capture captured
print("captured"); 1 / 0
---
print(captured.stdout); get_ipython().run_cell("1 / 0"); "after"
---
%%time
!echo shell; exit 3
---
def expand(local):
    x = !echo $local {local.upper()}
    return x, _exit_code
expand("value")
---
class C:
    def __repr__(self): return 1 / 0
C()
---
%run script.py
---
import threading
t = threading.Thread(target=lambda: 1 / 0, name="T"); t.start(); t.join(); t.is_alive()
---
import asyncio; await asyncio.sleep(0); "awaited"
---
async def fail(): raise OSError(2, "text")
await fail()
---
raise KeyboardInterrupt
---
len?
---
import ipywidgets
def clicked(button): print(button.description); 1 / 0
button = ipywidgets.Button(description="click")
button.on_click(clicked)
print(button.model_id)
""".strip().split("\n---\n")

IN_MEMORY = "--HistoryManager.hist_file=:memory:"
"""IPython's own history says when the disk is full."""

AS_NEW = """
import warnings
warnings.simplefilter("default", append=True)  # what came once with a warning does so again
get_ipython().reset()
"""

KINDS = ("RuntimeError", "KeyboardInterrupt")

FAIL = """
import dev_analytics.analytics, dev_analytics.apps.asking as asking
import dev_analytics.apps.extension as extension
import dev_analytics.observers.cells as cells, dev_analytics.observers.features as features
import dev_analytics.observers.errors as errors, dev_analytics.observers.threads as threads
import dev_analytics.pipeline as pipeline, dev_analytics.delivery.lines as lines
import dev_analytics.catalogue.record as record, dev_analytics.consent.reading as reading
analytics = dev_analytics.analytics
def fail(*args, **kwargs): raise {error}("inside")
broken = []
def break_it(holder, name):
    broken.append((holder, name, getattr(holder, name)))
    setattr(holder, name, fail)
def break_callback(callback):
    (inner,) = [c for c in callback.__closure__ if callable(c.cell_contents)]
    break_it(inner, "cell_contents")
{break_it}
before = analytics.get_analytics().drops.counts.total()
"""

FAULTS = {
    "before execution": "break_callback(cells.Cells._pre_execute)",
    "before a cell": "break_callback(cells.Cells._pre_run_cell)",
    "after execution": "break_callback(cells.Cells._post_execute)",
    "after a cell": "break_callback(cells.Cells._post_run_cell)",
    "asking after a cell": "break_callback(extension.Session._ask_after_cell)\n"
    "analytics.get_analytics().gate.on_wanted()",
    "following the user": "break_callback(asking.Asking._follow)\n"
    "extension._sessions[0].shell.events.register(\n"
    "    'post_run_cell', extension._sessions[0].asking()._callback)",
    "in a thread": "break_callback(threads.Threads._observe)",
    "describing an error": "break_it(errors, 'describe')",
    "reading features": "break_it(features, 'features')",
    "naming an outcome": "break_it(cells, '_outcome')",
    "looking words up": "break_it(dev_analytics.catalogue.vocabulary.Vocabulary, 'find')",
    "making a record": "break_it(record.Form, 'fill')",
    "encoding": "break_it(record, 'encode')",
    "the gate": "break_it(analytics.Gate, 'now')",
    "the consent store": "break_it(reading.StoredConsent, 'current')",
    "the sink": "break_it(pipeline.Spool, 'accept')",
    "the log": "break_it(lines.LineFile, 'append')",
    "the whole event": "break_it(analytics.Analytics, 'event')",
}

MEND_AND_COUNT = """
while broken: setattr(*broken.pop())
made = analytics.get_analytics()
print(made.drops.counts.total() + made.pipeline.unlogged - before)
"""

Shown = list[list[tuple[str, str]]]
_without: list[Shown] = []
_mended: list[Any] = []


def show(ran: Any) -> list[tuple[str, str]]:
    """Return what a cell showed, without what differs between any two runs."""
    shown: list[tuple[str, dict[str, Any]]] = []
    for kind, content in ran.messages:
        last = shown[-1][1] if shown and shown[-1][0] == kind == "stream" else None
        if last is not None and last["name"] == content["name"]:
            last["text"] += content["text"]  # a stream comes in pieces, as the clock has it
        else:
            shown.append((kind, dict(content)))
    shown.append(("reply", ran.reply))
    return [(kind, _same(json.encode(content).decode())) for kind, content in shown]


def _same(text: str) -> str:
    text = text.replace(str(Path.cwd()), "<folder>")
    text = re.sub(r"/ipykernel_\d+/", "/ipykernel/", text)
    text = re.sub(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", "<id>", text)
    text = re.sub(r"0x[0-9a-f]{6,}", "<address>", text)
    return re.sub(r"(CPU times|Wall time):[^\\]*", r"\1", text)


def play(notebook: Any, click: Any, *, inject: str = "pass", count: str = "pass") -> Any:
    """Run the cells once, after a cell that injects and before one that counts."""
    assert notebook.run(inject).text == ""
    shown: Shown = []
    for code in CELLS:
        ran = notebook.run(code)
        shown.append([("code", code), *show(ran)])
    shown.append([("code", "click"), *show(click(notebook, ran.text.strip()))])
    return shown, notebook.run(count).text


@pytest.fixture(scope="module")
def lasting_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a script that fails."""
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "script.py").write_text("print('script')\n1 / 0\n")
    return folder


@pytest.fixture
def folder(lasting_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that kernels run in."""
    monkeypatch.chdir(lasting_folder)
    return lasting_folder


@pytest.fixture
def without(kernel: Any, click: Any, folder: Path) -> list[Shown]:
    """What a kernel without the extension shows, round for round."""
    if not _without:
        notebook = kernel(None, IN_MEMORY)
        notebook.run("pass")
        _without.extend(play(notebook, click)[0] for _ in KINDS)
    return _without


@pytest.fixture
def loaded(kernel: Any, data: Path, log: Any, folder: Path) -> Any:
    """A kernel with the extension, an event log, and a user who agreed."""
    return _with_extension(kernel, data, log)


def _with_extension(start: Any, data: Path, log: Any) -> Any:
    ConsentStore(data).agree(1, date.today())
    notebook = start({"DEV_ANALYTICS_LOG": str(log.path)}, IN_MEMORY)
    assert notebook.run("%load_ext dev_analytics").text == ""
    return notebook


@pytest.fixture
def mended(lasting_kernel: Any, data: Path, log: Any, folder: Path) -> Any:
    """A kernel as `loaded`, in which every fault of an earlier test was mended.

    Its cells are counted from one again, in a new session of the extension. Where a test failed,
    the next one has a new kernel.
    """
    if _mended:
        notebook = _mended.pop()
        assert notebook.run(AS_NEW, store_history=False).text == ""
        assert notebook.run("%reload_ext dev_analytics").text == ""
    else:
        notebook = _with_extension(lasting_kernel, data, log)
    return notebook


def test_what_a_kernel_shows_differs_not_with_the_extension(
    loaded: Any, click: Any, without: list[Shown], log: Any
) -> None:
    rounds = [play(loaded, click)[0] for _ in KINDS]

    assert rounds == without
    assert len(log.of("cell executed")) == len(KINDS) * (len(CELLS) + 2)
    drops = "from dev_analytics import get_analytics; print(get_analytics().drops.counts)"
    assert loaded.run(drops).text == "Counter()\n"
    # What was compared is what a user sees.
    text = str(without)
    for seen in ("out", "err", "42", "no such key", "ZeroDivisionError", "value VALUE", "awaited"):
        assert seen in text
    assert "Exception in thread T" in text


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_inside_changes_nothing_that_a_kernel_shows(
    mended: Any, click: Any, without: list[Shown], fault: str
) -> None:
    for kind, expected in zip(KINDS, without, strict=True):
        inject = FAIL.format(error=kind, break_it=FAULTS[fault])
        shown, dropped = play(mended, click, inject=inject, count=MEND_AND_COUNT)

        assert shown == expected
        assert int(dropped) > 0
    _mended.append(mended)


@pytest.mark.parametrize(
    "break_it",
    [
        # The next record fits in part, as on a disk that fills up.
        "import resource, os\n"
        "size = os.stat(log.path).st_size + 100\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))",
        # Not one byte fits.
        "import resource, os\n"
        "size = os.stat(log.path).st_size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))",
    ],
    ids=["full after a part of a line", "full"],
)
def test_a_full_disk_changes_nothing_that_a_kernel_shows_and_tears_no_line(
    loaded: Any, click: Any, without: list[Shown], log: Any, break_it: str
) -> None:
    inject = (
        "from dev_analytics import analytics\n"
        "log, before = analytics.get_analytics().log, 0\n" + break_it
    )
    shown, _ = play(loaded, click, inject=inject)
    dropped = loaded.run("print(analytics.get_analytics().drops.counts)").text

    assert shown == without[0]
    assert "disk error" in dropped
    assert "failure inside" not in dropped
    assert log.events[0] == "launched"
