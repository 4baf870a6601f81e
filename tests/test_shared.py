"""What a process shares: we leave it as it was, and live with what the user makes of it.

Each row of the table in ``docs/architecture.md`` has its test here, or is named there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from dev_analytics import NOTICE
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import read_ledger

Run = Callable[..., str]

SESSION = """
import asyncio, atexit, builtins, logging, os, resource, signal, sys, threading, warnings
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell
HistoryManager.enabled = False
log = os.environ["DEV_ANALYTICS_LOG"]
ip = InteractiveShell.instance()

def records(kind="cell executed"):
    with open(log) as file:
        return file.read().count(f'"{kind}"')

def cell(code, shell=None):
    before = records()
    (shell or ip).run_cell(code, store_history=True, silent=False)
    return records() - before

def load(*loads):
    for each in loads or (ip,):
        each.run_line_magic("load_ext", "dev_analytics")

def drops():
    from dev_analytics import get_analytics
    return {**get_analytics().drops.counts}
"""


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Run:
    """Run a session of a user who agreed; give the last line that it printed."""
    ConsentStore(data).agree(NOTICE, date.today())
    env = {**os.environ, "DEV_ANALYTICS_LOG": str(tmp_path / "log.jsonl")}
    env["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # a debugger's own words
    # Of what the sessions themselves ask for, from Python 3.14 on.
    env["PYTHONWARNINGS"] = "ignore:'asyncio:DeprecationWarning"
    (tmp_path / "temporary").mkdir()
    env["TMPDIR"] = str(tmp_path / "temporary")

    def run(code: str, *flags: str) -> str:
        done = subprocess.run(
            [sys.executable, *flags, "-c", SESSION + code],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "rror in callback" not in done.stdout
        return done.stdout.splitlines()[-1]

    return run


UNTOUCHED = """
import contextvars, gc, locale

def state():
    umask = os.umask(0)
    os.umask(umask)
    limits = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    return {
        "signals": [signal.getsignal(each) for each in sorted(signal.valid_signals())],
        "mask": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "sys.excepthook": sys.excepthook,
        "sys.unraisablehook": sys.unraisablehook,
        "sys.displayhook": sys.displayhook,
        "sys.breakpointhook": sys.breakpointhook,
        "sys.path": list(sys.path),
        "sys.path_hooks": list(sys.path_hooks),
        "builtins": set(vars(builtins)),
        "environment": dict(os.environ),
        "limits": [resource.getrlimit(getattr(resource, name)) for name in limits],
        "warnings": list(warnings.filters),
        "logging": list(logging.getLogger().handlers),
        "locale": locale.setlocale(locale.LC_ALL),
        "umask": umask,
        "folder": os.getcwd(),
        "garbage": (gc.isenabled(), gc.get_threshold(), gc.get_debug(), list(gc.callbacks)),
        "recursion": sys.getrecursionlimit(),
        "switches": sys.getswitchinterval(),
        "tracing": (sys.gettrace(), sys.getprofile(), threading.gettrace()),
        "threads": threading.enumerate(),
        "context": list(contextvars.copy_context()),
        "loop": asyncio.get_event_loop_policy(),
        "temporary files": os.stat(os.environ["TMPDIR"]).st_mtime_ns,
        "meta_path": list(sys.meta_path),
        "threading.excepthook": threading.excepthook,
    }

changed = lambda before: sorted(name for name, now in state().items() if now != before[name])
before = state()
load()
cell("1"), cell("1/0"), cell("%time 1")
said = [changed(before)]
ip.run_line_magic("unload_ext", "dev_analytics")
said.append(changed(before))
added = [name for name in sys.modules if name.startswith("_dev_analytics")]
print(said, added)
"""


def test_all_but_two_hooks_is_as_it_was_and_they_are_given_back(run: Run) -> None:
    hooks = ["meta_path", "threading.excepthook"]
    assert run(UNTOUCHED) == f"{[hooks, []]} ['_dev_analytics']"


CHANGED = """
class Handled(Exception):
    pass

def theirs(*given):
    pass

load()
from dev_analytics import get_analytics
dropped = get_analytics().drops.counts
spool = get_analytics().data / "spool"
said = {}
finders = [each for each in sys.meta_path if not type(each).__module__.startswith("dev_")]
sys.meta_path[:] = finders
said["import hooks"] = cell("import json")
sys.excepthook = sys.unraisablehook = threading.excepthook = theirs
sys.displayhook = lambda value: None
said["hooks"] = cell("1")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
said["a thread whose error goes elsewhere"] = records("error raised")
del sys.modules["_dev_analytics"]
said["modules"] = cell("1")
for each in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    if each < signal.SIGRTMIN:
        signal.signal(each, signal.SIG_IGN)
said["signals"] = cell("1")
warnings.simplefilter("error")
said["warnings"] = cell("%time 1")
os.environ.clear()
def kept():
    lines = [line for file in spool.iterdir() for line in file.read_bytes().splitlines()]
    return sum(b"cell executed" in line for line in lines)
before = kept()
cell("1")
said["environment"] = kept() - before
resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
said["no room"] = cell("1")
# Python ignores the signal of a write that is beyond the limit; here it ends the process, or calls.
told = []
for handling in (signal.SIG_DFL, lambda *given: told.append(given)):
    signal.signal(signal.SIGXFSZ, handling)
    said["no room"] += cell("1")
said["no room"] = said["no room"], told, dict(dropped)
resource.setrlimit(resource.RLIMIT_FSIZE, resource.getrlimit(resource.RLIMIT_FSIZE)[1:] * 2)
said["room again"] = cell("1")
ip.run_line_magic("unload_ext", "dev_analytics")
kept = sys.excepthook is sys.unraisablehook is threading.excepthook is theirs
print(said, sys.meta_path == finders, kept)
"""


def test_whatever_the_user_changes_a_cell_is_recorded_or_counted(run: Run) -> None:
    once = ("import hooks", "hooks", "modules", "signals", "warnings", "environment")
    said = dict.fromkeys(once, 1) | {"a thread whose error goes elsewhere": 0}
    found = run(CHANGED)
    assert found.endswith(" True True"), found
    assert eval(found.removesuffix(" True True")) == said | {
        # Each once, though the log lacks it, too.
        "no room": (0, [], {"disk error": 3}),
        "room again": 1,
    }


AUDITED = """
load()
cell("1")
refusing = False

def is_ours(frame):
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("dev_analytics"):
            return True
        frame = frame.f_back

def refuse(event, given):
    if refusing and event != "sys._getframe" and is_ours(sys._getframe()):
        raise RuntimeError("not here")

sys.addaudithook(refuse)
refusing = True
ip.run_line_magic("time", "1")
ip.run_cell("%time 1", store_history=True)
ip.run_cell("x = 1", store_history=True)
refusing = False
print(cell("1"), set(drops()))
"""


def test_an_audit_hook_that_refuses_everything_is_not_heard_of(run: Run) -> None:
    assert run(AUDITED) == "1 {'failure inside'}"


EXIT = """
def first():
    # It runs last: what it does comes after the end of the recording.
    ip.run_cell("1", store_history=True)
    try:
        print(os.wait())
    except ChildProcessError:
        print("no child", records("exited"), records())

def last():
    ip.run_cell("1", store_history=True)

atexit.register(first)
load()
cell("1")
atexit.register(last)
"""


def test_exit_handlers_of_the_user_s_run_before_and_after_ours(
    run: Run, data: Path, until: Callable[[Callable[[], bool]], None]
) -> None:
    assert run(EXIT) == "no child 1 3"
    # Beginning, three cells, end: what comes after the end is not lost either.
    until(lambda: read_ledger(data).delivered + Backlog(data).count() == 5)


FLAGGED = """
load()
said = [cell(code) for code in ("1", "%time 1", "import asyncio; await asyncio.sleep(0)", "?print")]
thread = threading.Thread(target=lambda: sys.exit(1))
thread.start()
thread.join()
ip.run_line_magic("dev_analytics", "off")
ip.run_line_magic("unload_ext", "dev_analytics")
# IPython never closes the loop of its cells.
from IPython.core.async_helpers import get_asyncio_loop
get_asyncio_loop().close()
print(said, drops())
"""


@pytest.mark.parametrize("flags", ["-O", "-OO -I", "-W error -X dev -b"])
def test_the_flags_of_python_make_no_difference(run: Run, flags: str) -> None:
    assert run(FLAGGED, *flags.split()) == "[1, 1, 1, 1] {}"


INSIDE = """
from IPython import embed
from ipykernel.inprocess import InProcessKernelManager
from IPython.terminal.embed import InteractiveShellEmbed
from IPython.terminal.interactiveshell import TerminalInteractiveShell
TerminalInteractiveShell.simple_prompt = True
InteractiveShell.clear_instance()
manager = InProcessKernelManager()
manager.start_kernel()
client = manager.client()
client.start_channels()
for code in ("%load_ext dev_analytics", "1", "1/0", "%dev_analytics status", "%dev_analytics on"):
    client.execute(code)
said = [records(), records("error raised")]
client.execute("%unload_ext dev_analytics")
type(manager.kernel.shell).clear_instance()
load()
# A shell in a function of the user's, which is gone afterwards.
def inner():
    shell = InteractiveShellEmbed.instance(user_ns={})
    load(shell)
    found = cell("1", shell), cell("1/0", shell)
    shell.run_line_magic("unload_ext", "dev_analytics")
    return found
said += [inner(), cell("1")]
print(said)
"""


def test_a_shell_inside_another_program_is_one_as_all(run: Run) -> None:
    assert run(INSIDE).endswith("[4, 1, (1, 1), 1]")


CROWDED = """
import ctypes, struct
from dev_analytics import get_analytics
from dev_analytics.process.unseen_child import run_unseen

def be_ordinary():
    # No such limit counts for root: be somebody else with root's right to files alone.
    if os.getuid():
        return
    os.setresuid(54321, 0, 0)
    library = ctypes.CDLL(None)
    header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0))
    sets = ctypes.create_string_buffer(24)
    assert library.capget(header, sets) == 0
    unlimited = 1 << 21 | 1 << 24  # CAP_SYS_ADMIN, CAP_SYS_RESOURCE
    masks = (*[~unlimited & 0xFFFFFFFF] * 3, *[0xFFFFFFFF] * 3)
    kept = [each & mask for each, mask in zip(struct.unpack("6I", sets.raw), masks)]
    assert library.capset(header, ctypes.create_string_buffer(struct.pack("6I", *kept))) == 0

load()
said = [cell("1")]
be_ordinary()
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
for start in (threading.Thread(target=print).start, lambda: run_unseen("true")):
    try:
        start()
    except (RuntimeError, OSError) as error:
        said.append(type(error).__name__)
sink = get_analytics().pipeline.sink
for _ in range(2):
    # A sender is due, and neither a thread nor a process can be had.
    sink._due = 0.0
    said.append(cell("1"))
launcher = get_analytics().pipeline.launcher
said.append(bool(launcher.failure))
# As an interpreter that is told of no program of its own.
for sys.executable in ("", None):
    sink._due = 0.0
    said += [cell("1"), launcher.failure]
ip.run_line_magic("unload_ext", "dev_analytics")
print(said, drops())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="such limits are Linux's")
def test_where_no_thread_or_process_can_be_had_a_cell_is_recorded(run: Run) -> None:
    said = [1, "RuntimeError", "BlockingIOError", 1, 1, True]
    assert run(CROWDED) == f"{said + [1, 'no Python to start'] * 2} {{}}"


LOOPS = """
from ipykernel.inprocess import InProcessKernelManager
InteractiveShell.clear_instance()
manager = InProcessKernelManager()
manager.start_kernel()
shells = {"terminal": ip, "kernel": manager.kernel.shell}

class Loop(asyncio.SelectorEventLoop):
    # As one of another library, which takes nothing that is not its own.
    def call_soon(self, *given, **options):
        if any(str(getattr(each, "__module__", "")).startswith("dev_analytics") for each in given):
            raise RuntimeError("not here")
        return super().call_soon(*given, **options)

class Policy(asyncio.DefaultEventLoopPolicy):
    def get_event_loop(self):
        raise RuntimeError("there is none")

def closed():
    loop = asyncio.new_event_loop()
    loop.close()
    return loop

def outside(shell):
    load(shell)
    return cell("1", shell)

async def inside(shell, end):
    load(shell)
    found.append(cell("1", shell))
    end(asyncio.get_running_loop())

def within(shell, loop, end):
    try:
        loop.run_until_complete(inside(shell, end))
    except RuntimeError as error:
        assert "stopped before" in str(error), error
    loop.close()
    return found.pop() + cell("1", shell)

def forget(loop):
    # What is put on a loop that ends before its turn comes is never called.
    loop.stop()
    loop._ready.clear()

def by_own_runner(shell):
    # As %autoawait has one for trio, or for none.
    def run(coroutine):
        try:
            coroutine.send(None)
        except StopIteration as end:
            return end.value
    load(shell)
    shell.autoawait, shell.loop_runner = True, run
    return cell("async def wait(): return 1\\nawait wait()", shell)

found = []
ways = {
    "none": lambda shell: (asyncio.set_event_loop(None), outside(shell))[1],
    "closed": lambda shell: (asyncio.set_event_loop(closed()), outside(shell))[1],
    "no policy": lambda shell: (asyncio.set_event_loop_policy(Policy()), outside(shell))[1],
    "ran": lambda shell: within(shell, asyncio.new_event_loop(), lambda loop: None) - 1,
    "stopped": lambda shell: within(shell, asyncio.new_event_loop(), lambda loop: loop.stop()) - 1,
    "forgotten": lambda shell: within(shell, asyncio.new_event_loop(), forget) - 1,
    "another": lambda shell: within(shell, Loop(), lambda loop: None) - 1,
    "own runner": by_own_runner,
}
said = {}
for name, shell in shells.items():
    for way, run in ways.items():
        said[name, way] = run(shell)
        shell.run_line_magic("unload_ext", "dev_analytics")
        asyncio.set_event_loop_policy(None)
print({each for each, number in said.items() if number != 1}, drops(), flush=True)
# The end of a kernel's thread in this process says on Python 3.14 that a task of it is pending.
os._exit(0)
"""


def test_whatever_becomes_of_the_loop_a_cell_is_recorded(run: Run) -> None:
    assert run(LOOPS) == "set() {}"
