"""Modules come and go in a session: loaded again, replaced, deleted; one record for each thing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from ast import literal_eval
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

import dev_analytics
from dev_analytics import NOTICE
from dev_analytics.consent.store import ConsentStore

Run = Callable[..., str]

SESSION = """
import importlib, os, pathlib, shutil, sys, threading, time
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell
from IPython.terminal.interactiveshell import TerminalInteractiveShell
HistoryManager.enabled = False
TerminalInteractiveShell.simple_prompt = True
package = pathlib.Path(sys.argv[1])
log = pathlib.Path(os.environ["DEV_ANALYTICS_LOG"])

def records(kind="cell executed"):
    return log.read_text().count(f'"{kind}"') if log.exists() else 0

def cell(code, shell=None):
    before = records()
    (shell or ip).run_cell(code, store_history=True)
    return records() - before

def modules():
    return sorted(name for name in sys.modules if name.split(".")[0] == "dev_analytics")

theirs = threading.excepthook = lambda args: None
ip = InteractiveShell.instance()
ip.run_line_magic("load_ext", "dev_analytics")
import dev_analytics
"""

RELOADED = """
for name in modules():
    importlib.reload(sys.modules[name])
"""
IMPORTED_ANEW = """
for name in modules():
    del sys.modules[name]
"""
AUTORELOADED = """
from dev_analytics.observers.hooks import wrap
class Model:
    def stream(self):
        yield 1
# A generator is wrapped, and the wrapper is of a class of ours.
wrap(Model, "stream", lambda method, own, args, kwargs: method())
ip.run_line_magic("load_ext", "autoreload")
ip.run_line_magic("autoreload", "2")
cell("1")
later = time.time() + 100
for file in package.rglob("*.py"):
    file.write_text(file.read_text() + "\\n# a newer version\\n")
    os.utime(file, (later, later))
cell("1")
"""

RELOADED_WHOLE = (
    AUTORELOADED.replace(
        "later =",
        """
# As IPython did before it looked at what has changed in a module.
reloader = ip.magics_manager.registry["AutoreloadMagics"]._reloader
if hasattr(reloader, "deduper_reloader"):
    reloader.deduper_reloader.enabled = False
# It cannot give an instance of a `threading.local` another class.
reloader.mark_module_skipped("dev_analytics.observers.cells")
later =""",
    )
    + """
# And what the others have imported, alone.
for file in (package / "process").glob("*.py"):
    os.utime(file, (later + 1, later + 1))
cell("1")
"""
)

THEN = """
def hooks():
    ours = [each for each in sys.meta_path if type(each).__module__.startswith("dev_analytics")]
    callbacks = [
        each
        for each in ip.events.callbacks["post_run_cell"]
        if type(each.__self__).__module__.startswith("dev_analytics")
    ]
    return len(ours), len(callbacks), "dev_analytics" in ip.magics_manager.magics["line"]

def thread_error():
    before = records("error raised")
    threading.excepthook(threading.ExceptHookArgs((ValueError, ValueError(), None, None)))
    return records("error raised") - before

import dev_analytics
ip.run_line_magic("dev_analytics", "status")
before = [cell("1"), thread_error(), *hooks()]
ip.run_line_magic("dev_analytics", "off")
ip.run_line_magic("reload_ext", "dev_analytics")
switch = dev_analytics.get_analytics().gate.switch.on
again = [cell("1"), thread_error(), *hooks()]
ip.run_line_magic("unload_ext", "dev_analytics")
after = [cell("1"), thread_error(), *hooks()]
print(before, switch, again, after, threading.excepthook is theirs)
"""

DELETED = """
shutil.rmtree(package)
for name in modules():
    if name.startswith("dev_analytics.observers"):
        del sys.modules[name]
# As if the yes were an old one: the next events look at its folder in another way.
os.utime(pathlib.Path(os.environ["DEV_ANALYTICS_DIR"]) / "consent", (1, 1))
cell("1/0")
cell("%time 1")
cell("1")
counted = dev_analytics.get_analytics().drops.counts
print(records(), "failure inside" in counted)
"""

NEWER = """
# What is loaded with a command is of the newer package, what it imports is there already.
status = package / "views" / "status.py"
status.write_text(status.read_text() + "\\nfrom dev_analytics.analytics import of_the_newer\\n")
"""
REPLACED = """
for file in package.rglob("*.py"):
    text = file.read_text()
    file.unlink()
    file.write_text(text)
"""
COMMANDS = """
said = []
for line in ("status", "statsu", "schema cell_executed"):
    try:
        said.append(ip.run_line_magic("dev_analytics", line))
    except Exception as error:
        said.append(f"{type(error).__name__}: {error}"[:80])
print(said)
"""

SHELLS = """
from IPython.core.history import HistoryManager
from IPython.terminal.embed import InteractiveShellEmbed
inner = InteractiveShellEmbed(user_ns={})
inner.run_line_magic("load_ext", "dev_analytics")
errors = lambda: records("error raised")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
said = [errors()]
# A shell that runs in a cell of another: the error is shown as the last one in both.
ip.user_ns["inner"] = inner
cell("inner.run_cell('1/0', store_history=True); inner.run_cell('1', store_history=True)")
said.append(errors())
cell("1/0", inner)
cell("1")
said.append(errors())
inner.run_line_magic("unload_ext", "dev_analytics")
threading.excepthook(threading.ExceptHookArgs((ValueError, ValueError(), None, None)))
said.append(errors())
ip.run_line_magic("unload_ext", "dev_analytics")
print(said, threading.excepthook is theirs)
"""


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Run:
    """Run a session with a copy of the package; give what it said."""
    ConsentStore(data).agree(NOTICE, date.today())
    package = tmp_path / "copy" / "dev_analytics"
    source = Path(dev_analytics.__file__).parent
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
    env = {
        **os.environ,
        "PYTHONPATH": str(package.parent),
        "DEV_ANALYTICS_LOG": str(tmp_path / "log.jsonl"),
    }

    def run(code: str, *flags: str) -> str:
        done = subprocess.run(
            [sys.executable, *flags, "-c", SESSION + code, str(package)],
            env=env,
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert "Error in callback" not in done.stdout + done.stderr
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()[-1]

    return run


@pytest.mark.parametrize("change", [RELOADED, IMPORTED_ANEW, AUTORELOADED, RELOADED_WHOLE])
def test_each_thing_is_recorded_once_and_nothing_after_unloading(run: Run, change: str) -> None:
    """And a no of this session stays one, whatever is loaded again."""
    there, gone = [1, 1, 1, 1, True], [0, 0, 0, 0, False]
    assert run(change + THEN) == f"{there} False {there} {gone} True"


def test_what_cannot_be_recorded_as_the_package_is_gone_is_counted(run: Run) -> None:
    assert run(DELETED) == "3 True"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (
            NEWER + REPLACED,
            "UsageError: dev_analytics was updated on disk since it was loaded here: ",
        ),
        (NEWER, "ImportError: cannot import name 'of_the_newer'"),
        (REPLACED, "None"),
    ],
)
def test_a_command_that_fails_after_an_update_says_so(run: Run, change: str, status: str) -> None:
    first, second, third = literal_eval(run(change + COMMANDS))
    assert str(first).startswith(status)
    assert second == "UsageError: %dev_analytics knows no 'statsu': did you mean 'status'?"
    assert third is None


def test_two_shells_of_a_process_record_an_error_once(run: Run) -> None:
    """Also where one runs inside the other, and whichever is unloaded first."""
    assert run(SHELLS) == "[1, 2, 3, 4] True"


READ = """
ip.run_line_magic("dev_analytics", "help")
ip.run_line_magic("dev_analytics", "schema command_run")
print(dev_analytics.__version__)
"""


def test_what_users_read_is_there_without_docstrings(run: Run) -> None:
    import_package = "import dev_analytics, io, contextlib\n"
    shown = [
        run(
            import_package
            + "out = io.StringIO()\nwith contextlib.redirect_stdout(out):\n"
            + READ.replace("\n", "\n    ")
            + "\nprint(repr(out.getvalue()))",
            *flags,
        )
        for flags in ((), ("-OO",))
    ]
    assert shown[0] == shown[1]
    assert "A command of dev was run." in shown[0]
