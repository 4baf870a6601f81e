"""Every state of a user against every switch: in a real terminal, without one, in a real kernel.

A state is what the store holds before; what is checked is whether the question came, whether
anything is collected, what the event log holds, and what the store holds after.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pexpect
import pytest
from in_a_row import InARow

from dev_analytics import NOTICE as NEWEST
from dev_analytics.consent.asking.prompt import READING_SECONDS
from dev_analytics.consent.asking.question import DISABLED, FIRST
from dev_analytics.consent.store import ConsentStore

LOAD = "%load_ext dev_analytics"
LOOK = "print('collecting', __import__('dev_analytics').get_analytics().gate.now()[0].collecting)"
INTRODUCTION, QUESTION, NOTICE = FIRST.lines, FIRST.prompt, FIRST.notice
UNCHOSEN = FIRST.unchosen.prompt
WORDS = f"{INTRODUCTION}\n{QUESTION}"
TODAY = date.today()
YESES = "yes\n" * 5


def prepare(store: ConsentStore, state: str) -> None:
    """Bring the store into a state."""
    if state in ("outside the sample", "in the sample", "asked today", "asked a week ago"):
        store.folder.mkdir(parents=True)
        draw = 0.9999 if state == "outside the sample" else 0.0
        asked = {"asked today": TODAY, "asked a week ago": TODAY - timedelta(7)}.get(state)
        on = f', "asked_on": "{asked}"' if asked else ""
        store.file.write_text(f'{{"version": 1, "draw": {draw}{on}}}')
    elif state == "agreed":
        store.agree(NEWEST, TODAY)
    elif state == "opted out":
        store.opt_out()


def after(store: ConsentStore) -> str:
    """Name the answer that the store holds."""
    consent = store.read()
    assert not consent.unreadable
    return "opted out" if consent.opted_out else "agreed" if consent.user_id else "none"


# state, environment, typed at the question, asked, collecting, after
TERMINAL: list[tuple[str, dict[str, str], str | None, bool, bool, str]] = [
    ("outside the sample", {}, None, False, False, "none"),
    ("outside the sample", {"DEV_ANALYTICS": "off"}, None, False, False, "none"),
    ("outside the sample", {"DEV_ANALYTICS": "on"}, "y", True, True, "agreed"),
    ("outside the sample", {"DEV_ANALYTICS": "on"}, "n", True, False, "opted out"),
    ("outside the sample", {"DEV_ANALYTICS": "on"}, "^D", True, False, "none"),
    ("in the sample", {}, "y", True, True, "agreed"),
    ("in the sample", {}, "", True, True, "agreed"),
    ("in the sample", {}, "n", True, False, "opted out"),
    ("in the sample", {}, "^D", True, False, "none"),
    ("in the sample", {}, "^C", True, False, "none"),
    ("in the sample", {"DEV_ANALYTICS": "off"}, None, False, False, "none"),
    ("in the sample", {"CI": "true"}, None, False, False, "none"),
    ("in the sample", {"CI": "true", "DEV_ANALYTICS": "on"}, "y", True, True, "agreed"),
    ("in the sample", {"DO_NOT_TRACK": "1"}, None, False, False, "none"),
    ("in the sample", {"DO_NOT_TRACK": "1", "DEV_ANALYTICS": "on"}, None, False, False, "none"),
    ("in the sample", {"DO_NOT_TRACK": "0"}, "y", True, True, "agreed"),
    ("asked today", {}, None, False, False, "none"),
    ("asked today", {"DEV_ANALYTICS": "on"}, None, False, False, "none"),
    ("asked a week ago", {}, "n", True, False, "opted out"),
    ("agreed", {}, None, False, True, "agreed"),
    ("agreed", {"DEV_ANALYTICS": "on"}, None, False, True, "agreed"),
    ("agreed", {"DEV_ANALYTICS": "off"}, None, False, False, "agreed"),
    ("agreed", {"DO_NOT_TRACK": "1"}, None, False, False, "agreed"),
    ("agreed", {"CI": "1"}, None, False, True, "agreed"),
    ("opted out", {}, None, False, False, "opted out"),
    ("opted out", {"DEV_ANALYTICS": "on"}, None, False, False, "opted out"),
    ("opted out", {"DEV_ANALYTICS": "off"}, None, False, False, "opted out"),
]


class Forked:
    """An IPython that another one, which waits for its end, forks in its own terminal.

    It is started by nobody else, has loaded nothing of ours, and takes no time to start.
    """

    def __init__(self, parent: Any, folder: Path, env: dict[str, str]) -> None:
        self._parent = parent
        parent.waits = True
        self.type, self.until, self.run = parent.type, parent.until, parent.run
        self.prompt, self.press_enter = parent.prompt, parent.press_enter
        (folder / "environment").write_text(json.dumps({**os.environ, **env}))
        self.run("import os, json; child = os.fork(); child and os.waitpid(child, 0)[1]")
        assert "child 0 fresh" in self.run(
            f"os.environ.clear(); os.environ.update(json.load(open('{folder}/environment'))); "
            "print('child', child, 'dev_' + 'analytics' in __import__('sys').modules or 'fresh')"
        )

    def leave(self) -> None:
        """Leave it, to where the one that waits says that it ended well."""
        assert "]: 0\r\n" in self.run("exit")
        self._parent.waits = False


_parents: list[Any] = []


@pytest.fixture
def parent(lasting_terminal: Callable[..., Any], tmp_path: Path) -> Any:
    """An IPython that forks others; a new one where a test left one of them running."""
    if not _parents or _parents[-1].waits:
        env = {"IPYTHONDIR": str(tmp_path / "parent")}
        _parents.append(lasting_terminal("--HistoryManager.enabled=False", env=env))
        _parents[-1].prompt()
    return _parents[-1]


@pytest.mark.parametrize(("state", "env", "typed", "asked", "collecting", "then"), TERMINAL)
def test_a_terminal(
    terminal: Callable[..., Any],
    parent: Any,
    tmp_path: Path,
    press: Callable[[Any, str], None],
    data: Path,
    log: Any,
    state: str,
    env: dict[str, str],
    typed: str | None,
    asked: bool,
    collecting: bool,
    then: str,
) -> None:
    store = ConsentStore(data)
    prepare(store, state)
    environment = {**env, "DEV_ANALYTICS_LOG": str(log.path)}
    if typed in ("^C", "^D"):  # a key reaches every process of a terminal
        ipython = terminal(env=environment)
        ipython.prompt()
    else:
        ipython = Forked(parent, tmp_path, environment)
    ipython.type(LOAD)
    if asked:
        before = ipython.until(QUESTION)
        assert before.replace("\r", "").endswith(INTRODUCTION + "\n")
        if typed in ("^C", "^D"):
            press(ipython.process, typed[1].lower())
        elif typed:
            ipython.type(typed)
        else:
            ipython.press_enter()
    shown = ipython.prompt()
    assert "privacy" not in shown, "asked where it may not, or twice"
    assert (DISABLED in shown) == (typed == "n")
    assert f"collecting {collecting}" in ipython.run(LOOK)
    ipython.leave()
    assert after(store) == then
    # The log is written whatever was answered, and names the user exactly if it is collected.
    assert "launched" in log.events
    users = {record["distinct_id"] for record in log.records}
    assert users == {store.read().user_id if collecting else None}


def test_a_new_user_outside_the_sample_is_drawn_and_not_asked(
    terminal: Callable[..., Any], data: Path
) -> None:
    ipython = terminal("--DevAnalytics.sample_percent=0")
    ipython.prompt()
    assert "privacy" not in ipython.run(LOAD)
    ipython.leave()
    assert ConsentStore(data).read().draw is not None


def test_a_new_user_in_the_sample_is_asked_once(terminal: Callable[..., Any], data: Path) -> None:
    first = terminal("--DevAnalytics.sample_percent=100")
    first.prompt()
    first.type(LOAD)
    first.until(QUESTION)
    second = terminal("--DevAnalytics.sample_percent=100")
    second.prompt()
    assert "privacy" not in second.run(LOAD), "one question at a time"
    first.process.sendcontrol("d")
    first.prompt()
    consent = ConsentStore(data).read()
    assert (consent.asked_on, consent.user_id) in [(TODAY, None), (date.today(), None)]


@pytest.mark.parametrize(
    ("typed", "notice", "kept"), [("y", 2, 0), ("", 1, 2), ("k", 1, 2), ("^D", 1, 0)]
)
def test_after_an_upgrade_a_terminal_asks_about_the_difference_alone(
    terminal: Callable[..., Any],
    data: Path,
    newer_catalogue: dict[str, str],
    typed: str,
    notice: int,
    kept: int,
) -> None:
    prepare(store := ConsentStore(data), "agreed")
    user = store.read().user_id
    ipython = terminal(env=newer_catalogue)
    ipython.prompt()
    ipython.run("import newer")
    ipython.type(LOAD)
    shown = ipython.until("Allow this too? (Y)es/(K)eep it as it is [Keep]: ")
    assert "dreamt: A dream was dreamt." in shown
    assert "cell executed" not in shown
    if typed == "^D":
        ipython.process.sendcontrol("d")
    elif typed:
        ipython.type(typed)
    else:
        ipython.press_enter()
    ipython.prompt()
    assert "collecting True" in ipython.run(LOOK)
    consent = store.read()
    assert (consent.user_id, consent.notice, consent.kept_notice) == (user, notice, kept)


def test_junk_asks_again_until_there_is_an_answer(terminal: Callable[..., Any], data: Path) -> None:
    prepare(store := ConsentStore(data), "in the sample")
    ipython = terminal()
    ipython.prompt()
    ipython.type(LOAD)
    for junk in ("maybe", "yyy", "1"):
        ipython.until(QUESTION)
        time.sleep(READING_SECONDS)
        ipython.type(junk)
    ipython.until(QUESTION)
    assert after(store) == "none"
    ipython.type("N")
    assert DISABLED in ipython.prompt()
    assert after(store) == "opted out"


def test_the_question_shows_in_a_terminal_with_line_editing_too(
    terminal: Callable[..., Any], data: Path
) -> None:
    prepare(store := ConsentStore(data), "in the sample")
    ipython = terminal("--TerminalInteractiveShell.simple_prompt=False")
    ipython.until("In ")
    ipython.process.send(LOAD + "\r")
    ipython.until("[Yes]: ")
    time.sleep(READING_SECONDS)
    ipython.process.send("y\r")
    ipython.until("Analytics are on")
    assert after(store) == "agreed"


# state, environment, input, after
WITHOUT_A_TTY: list[tuple[str, dict[str, str], str, str]] = [
    ("in the sample", {}, "", "none"),
    ("in the sample", {}, "y\n", "none"),
    ("in the sample", {}, YESES, "none"),
    ("in the sample", {"DEV_ANALYTICS": "on"}, YESES, "none"),
    ("outside the sample", {"DEV_ANALYTICS": "on"}, YESES, "none"),
    ("none", {}, YESES, "none"),
    ("opted out", {"DEV_ANALYTICS": "on"}, YESES, "opted out"),
]
# Each way takes one in a process that runs nothing else.
IN_ITS_OWN_PROCESS = WITHOUT_A_TTY[4]


@pytest.fixture(scope="module")
def ipython(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InARow]:
    """IPython in a process that runs it again and again where nobody is."""
    start = InARow("IPython:start_ipython", "ipython", tmp_path_factory.mktemp("runs"))
    with closing(start):
        yield start


# Nobody is asked in whatever state; each way to run has no input, an answer as input, an opt-out.
@pytest.mark.parametrize(
    ("arguments", "state", "env", "typed", "then"),
    [
        *((("-i",), *each) for each in WITHOUT_A_TTY),
        *((("-c", f"{LOAD}\n%dev_analytics on"), *each) for each in WITHOUT_A_TTY[::3]),
        *((("script.ipy",), *each) for each in WITHOUT_A_TTY[::3]),
    ],
)
def test_without_a_tty_nothing_is_a_yes(
    ipython: InARow,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    state: str,
    env: dict[str, str],
    typed: str,
    then: str,
) -> None:
    prepare(store := ConsentStore(data), state)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    code = f"{LOAD}\n%dev_analytics on\n"
    (tmp_path / "script.ipy").write_text(code)
    monkeypatch.chdir(tmp_path)
    flags = ["--no-banner", "--simple-prompt", *arguments]
    given = (code if arguments == ("-i",) else "") + typed
    done: Any
    if (state, env, typed, then) == IN_ITS_OWN_PROCESS:
        done = subprocess.run(
            [sys.executable, "-m", "IPython", *flags],
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
    else:
        done = ipython.run(*flags, typed=given)
    assert "privacy" not in done.stdout + done.stderr
    assert "Analytics stay off" in done.stdout
    assert after(store) == then


@pytest.mark.parametrize(
    "command",
    [
        "printf '%%load_ext dev_analytics\\n%%dev_analytics on\\ny\\n' | {ipython} -i; echo ended",
        "{ipython} -i -c '%load_ext dev_analytics' > {shown}; echo ended",
    ],
    ids=["a pipe for input", "a file for output"],
)
def test_with_one_tty_alone_nobody_is_asked(data: Path, tmp_path: Path, command: str) -> None:
    prepare(store := ConsentStore(data), "in the sample")
    shown = tmp_path / "shown"
    ipython = f"{sys.executable} -m IPython --no-banner --simple-prompt"
    process = pexpect.spawn(
        "/bin/sh",
        ["-c", command.format(ipython=ipython, shown=shown)],
        encoding="utf-8",
        timeout=240,
    )
    if "{shown}" in command:
        process.sendline("exit()")
    process.expect_exact("\nended")
    process.close()
    output = process.before + (shown.read_text() if shown.exists() else "")
    assert "privacy" not in output
    assert ("Analytics stay off" in output) == ("analytics on" in command)
    assert after(store) == "none"
    assert store.read().asked_on is None


# state, environment, notice shown after the first real cell, collecting
KERNEL: list[tuple[str, dict[str, str], bool, bool]] = [
    ("outside the sample", {}, False, False),
    ("outside the sample", {"DEV_ANALYTICS": "on"}, True, False),
    ("outside the sample", {"DEV_ANALYTICS": "off"}, False, False),
    ("in the sample", {}, True, False),
    ("in the sample", {"DEV_ANALYTICS": "off"}, False, False),
    ("in the sample", {"CI": "1"}, False, False),
    ("in the sample", {"DO_NOT_TRACK": "1", "DEV_ANALYTICS": "on"}, False, False),
    ("asked today", {}, False, False),
    ("asked a week ago", {}, True, False),
    ("agreed", {}, False, True),
    ("agreed", {"DEV_ANALYTICS": "off"}, False, False),
    ("agreed", {"DO_NOT_TRACK": "1"}, False, False),
    ("opted out", {"DEV_ANALYTICS": "on"}, False, False),
]


AS_NEW = """
import os, sys
if "dev_analytics" in get_ipython().extension_manager.loaded:
    get_ipython().extension_manager.unload_extension("dev_analytics")
for name in [name for name in sys.modules if name.lstrip("_").split(".")[0] == "dev_analytics"]:
    del sys.modules[name]
for name in [name for name in os.environ if name.startswith({ours})]:
    del os.environ[name]
os.environ.update({env})
"""
OURS = ("DEV_ANALYTICS", "DO_NOT_TRACK", "CI")
_used: list[Any] = []


@pytest.fixture
def used_kernel(lasting_kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Return a kernel that other tests may have used, with nothing of ours left in it.

    A test that is through puts it back; where one failed, the next one has a new kernel.
    """

    def start(env: dict[str, str] | None = None) -> Any:
        notebook = _used.pop() if _used else lasting_kernel()
        ours = {name: value for name, value in os.environ.items() if name.startswith(OURS)}
        code = AS_NEW.format(ours=OURS, env={**ours, **(env or {})})
        assert notebook.run(code, silent=True, store_history=False).status == "ok"
        return notebook

    return start


# One that is noticed and one that collects, each in a kernel of its own.
ALONE: list[tuple[str, dict[str, str]]] = [("in the sample", {}), ("agreed", {})]


@pytest.mark.parametrize(("state", "env", "noticed", "collecting"), KERNEL)
def test_a_kernel(
    kernel: Callable[..., Any],
    used_kernel: Callable[..., Any],
    data: Path,
    log: Any,
    state: str,
    env: dict[str, str],
    noticed: bool,
    collecting: bool,
) -> None:
    prepare(store := ConsentStore(data), state)
    before = after(store)
    alone = (state, env) in ALONE
    start = kernel if alone else used_kernel
    notebook = start({**env, "DEV_ANALYTICS_LOG": str(log.path)})
    shown = [notebook.run(code, answers=()).text for code in (LOAD, "1", "2")]
    assert [text.count(NOTICE) for text in shown] == [noticed, 0, 0]
    assert f"collecting {collecting}" in notebook.run(LOOK).text
    if alone:
        notebook.stop()
    else:
        notebook.run("%unload_ext dev_analytics")
        _used.append(notebook)
    assert after(store) == before, "a notice is no answer"
    assert log.events[-1] == "exited"
    users = {record["distinct_id"] for record in log.records}
    assert users == {store.read().user_id if collecting else None}


@pytest.mark.parametrize(
    ("state", "typed", "then"),
    [
        ("outside the sample", ("y",), "agreed"),
        ("outside the sample", ("", "", "Y"), "agreed"),
        ("outside the sample", ("", "q"), "none"),
        ("in the sample", ("n",), "opted out"),
        ("asked today", ("what?", "yes"), "agreed"),
        ("agreed", (), "agreed"),
        ("opted out", (), "opted out"),
    ],
)
def test_on_in_a_kernel_asks_whoever_is_there(
    used_kernel: Callable[..., Any], data: Path, state: str, typed: tuple[str, ...], then: str
) -> None:
    prepare(store := ConsentStore(data), state)
    notebook = used_kernel()
    notebook.run(LOAD)
    ran = notebook.run("%dev_analytics on", answers=typed)
    assert ran.asked == [UNCHOSEN] * len(typed)
    assert (INTRODUCTION in ran.text) == bool(typed)
    assert after(store) == then
    assert f"collecting {then == 'agreed'}" in notebook.run(LOOK).text
    _used.append(notebook)


def test_an_interrupt_at_the_question_in_a_kernel_is_no_answer(
    kernel: Callable[..., Any], data: Path, until: Callable[..., None]
) -> None:
    prepare(store := ConsentStore(data), "in the sample")
    notebook = kernel()
    notebook.run(LOAD)
    notebook.client.execute("%dev_analytics on", allow_stdin=True)
    assert notebook.client.get_stdin_msg(timeout=240)["content"]["prompt"] == UNCHOSEN
    notebook.manager.interrupt_kernel()
    assert "No answer" in _until_idle(notebook)
    assert after(store) == "none"
    assert store.read().asked_on in (TODAY, date.today())


def _until_idle(notebook: Any) -> str:
    shown = ""
    while True:
        message: dict[str, Any] = notebook.client.get_iopub_msg(timeout=240)
        shown += str(message["content"].get("text", ""))
        if message["content"].get("execution_state") == "idle" and shown:
            return shown


def test_a_notebook_run_with_nobody_there_is_never_a_yes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real ``nbconvert --execute``; papermill runs cells in the same way, through nbclient."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    monkeypatch.setenv("DEV_ANALYTICS", "on")
    states = ("in the sample", "outside the sample", "none")
    stores = {tmp_path / f"{state}.ipynb": ConsentStore(data / state) for state in states}
    for file, store in stores.items():
        prepare(store, file.stem)
        own = f"import os; os.environ['DEV_ANALYTICS_DIR'] = {str(data / file.stem)!r}"
        cells = [own, LOAD, "1", "%dev_analytics on", LOOK]
        nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), file)
    command = [sys.executable, "-m", "nbconvert", "--execute", "--to", "notebook", "--inplace"]
    subprocess.run([*command, *map(str, stores)], check=True, capture_output=True)
    for file, store in stores.items():
        ran = nbformat.read(file, as_version=4)
        texts = ["".join(o.get("text", "") for o in cell.outputs) for cell in ran.cells[1:]]
        assert texts[:2] == ["", ""]
        assert texts[2].startswith("Analytics stay off")
        assert "nobody here can answer" in texts[2]
        assert texts[3] == "collecting False\n"
        assert ran.cells[2].outputs[0].data == {"text/plain": "1"}
        assert "widgets" not in ran.metadata
        assert after(store) == "none"
        assert store.read().asked_on is None
    assert not (data / "none").exists(), "nobody was there, so nothing was drawn"


def test_silent_and_unstored_cells_show_nothing(kernel: Callable[..., Any], data: Path) -> None:
    prepare(ConsentStore(data), "in the sample")
    notebook = kernel()
    texts = [
        notebook.run(LOAD, answers=(), silent=True).text,
        notebook.run("1", answers=(), store_history=False).text,
        notebook.run("  ", answers=()).text,
    ]
    assert not any(NOTICE in text for text in texts)
    assert NOTICE in notebook.run("1", answers=()).text


def test_a_change_in_one_process_holds_in_every_other_at_its_next_event(
    kernel: Callable[..., Any], data: Path, log: Any
) -> None:
    one, two = kernel(), kernel({"DEV_ANALYTICS_LOG": str(log.path)})
    for notebook in (one, two):
        notebook.run(LOAD)
    one.run("%dev_analytics on", answers=("y",))
    user_id = ConsentStore(data).read().user_id
    two.run("1")
    assert log.records[-1]["distinct_id"] == user_id is not None
    one.run("%dev_analytics disable")
    two.run("1")
    assert log.records[-1]["distinct_id"] is None
    one.run("%dev_analytics reset --yes", answers=())
    one.run("%dev_analytics on", answers=("y",))
    two.run("1")
    assert log.records[-1]["distinct_id"] == ConsentStore(data).read().user_id != user_id
