"""The command ``dev``, as it is installed: in a pseudo-terminal, and without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import date
from pathlib import Path
from typing import Any

import pexpect
import pytest
from in_a_row import InARow

from dev_analytics import NOTICE
from dev_analytics.consent.asking.answering import farewell
from dev_analytics.consent.asking.prompt import READING_SECONDS
from dev_analytics.consent.asking.question import DISABLED, FIRST, ON
from dev_analytics.consent.store import ConsentStore

DEV = str(Path(sys.executable).with_name("dev"))
IPYTHON = str(Path(sys.executable).with_name("ipython"))
LOOK = "print('collecting', __import__('dev_analytics').get_analytics().gate.now()[0].collecting)"
FLAGS = ("--analytics", "--no-analytics", "--analytics-disable", "--analytics-log")
TODAY = date.today()


def prepare(store: ConsentStore, state: str) -> None:
    """Bring the store into a state."""
    if state == "agreed":
        store.agree(NOTICE, TODAY)
    elif state == "opted out":
        store.opt_out()
    else:
        store.folder.mkdir(parents=True)
        draw = {"outside the sample": 0.9999, "in the sample": 0.0}[state]
        store.file.write_text(json.dumps({"version": 1, "draw": draw}))


def after(store: ConsentStore) -> str:
    """Name the answer that the store holds."""
    consent = store.read()
    return "opted out" if consent.opted_out else "agreed" if consent.user_id else "none"


def delivered_or_waiting(data: Path) -> bool:
    """Return whether any record was collected; a sender may hold it by now."""
    return (data / "archive.sqlite").exists() or any((data / "spool").glob("*.jsonl"))


def run(*arguments: str, typed: str = "", command: str = DEV) -> subprocess.CompletedProcess[str]:
    """Run it where nobody is."""
    return subprocess.run(
        [command, *arguments], input=typed, capture_output=True, text=True, check=False, timeout=240
    )


@pytest.fixture(scope="module")
def in_a_row(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, InARow]]:
    """The two commands, each in a process that runs it again and again where nobody is."""
    with ExitStack() as stack:
        yield {
            command: stack.enter_context(
                closing(InARow(function, command, tmp_path_factory.mktemp("runs")))
            )
            for command, function in (
                (DEV, "dev_analytics.apps.dev:main"),
                (IPYTHON, "IPython:start_ipython"),
            )
        }


@pytest.fixture
def dev() -> Iterator[Callable[..., Any]]:
    """Start it in a pseudo-terminal."""
    started = []

    def start(*arguments: str, **env: str) -> Any:
        process = pexpect.spawn(
            DEV,
            ["--no-banner", "--no-confirm-exit", "--simple-prompt", *arguments],
            env={**os.environ, "TERM": "dumb", "PROMPT_TOOLKIT_NO_CPR": "1", **env},
            encoding="utf-8",
            timeout=240,
            dimensions=(40, 200),
        )
        process.setecho(False)
        started.append(process)
        return process

    yield start
    for process in started:
        # It says so where a process that was killed takes its time to be gone.
        with suppress(pexpect.ExceptionPexpect):
            process.close(force=True)


# Every row of the table of the model that this takes up, with its two differences: the end of
# input is no yes, and ``--analytics-disable`` alone ends.
# state, flags and variables, typed at the question (None: no question), collecting, after
ROWS: list[tuple[str, str, str | None, bool, str]] = [
    ("outside the sample", "", None, False, "none"),
    ("outside the sample", "--no-analytics", None, False, "none"),
    ("outside the sample", "--analytics", "^D", False, "none"),
    ("outside the sample", "--analytics", "y", True, "agreed"),
    ("outside the sample", "--analytics", "", True, "agreed"),
    ("outside the sample", "--analytics", "n", False, "opted out"),
    ("outside the sample", "--analytics", "^C", False, "none"),
    ("outside the sample", "DEV_ANALYTICS=on", "^D", False, "none"),
    ("in the sample", "", "^D", False, "none"),
    ("in the sample", "", "y", True, "agreed"),
    ("in the sample", "", "n", False, "opted out"),
    ("in the sample", "--no-analytics", None, False, "none"),
    ("in the sample", "DEV_ANALYTICS=off", None, False, "none"),
    ("in the sample", "DEV_ANALYTICS=off --analytics", "y", True, "agreed"),
    ("in the sample", "DO_NOT_TRACK=1 --analytics", None, False, "none"),
    ("agreed", "", None, True, "agreed"),
    ("agreed", "--analytics", None, True, "agreed"),
    ("agreed", "--no-analytics", None, False, "agreed"),
    ("agreed", "DEV_ANALYTICS=on --no-analytics", None, False, "agreed"),
    ("opted out", "", None, False, "opted out"),
    ("opted out", "--analytics", None, False, "opted out"),
    ("opted out", "--no-analytics", None, False, "opted out"),
    ("outside the sample", "--analytics-log {log} --no-analytics", None, False, "none"),
    ("agreed", "--analytics-log {log} --no-analytics", None, False, "agreed"),
    ("opted out", "--analytics-log {log} --no-analytics", None, False, "opted out"),
    ("outside the sample", "--analytics-log {log}", None, False, "none"),
    ("opted out", "--analytics-log {log}", None, False, "opted out"),
    ("in the sample", "--analytics-log {log}", "^D", False, "none"),
    ("agreed", "--analytics-log {log}", None, True, "agreed"),
    ("agreed", "--analytics-disable -i", None, False, "opted out"),
    ("outside the sample", "--analytics-disable --analytics -i", None, False, "opted out"),
    ("agreed", "--analytics-disable --analytics-log {log} -i", None, False, "opted out"),
]


def split(given: str, log: Any) -> tuple[list[str], dict[str, str]]:
    """Split a row's flags from its variables."""
    words = given.format(log=log.path).split()
    flags = [word for word in words if word[0] in "-/"]
    return flags, dict(word.split("=") for word in words if word not in flags)


@pytest.mark.parametrize(("state", "given", "typed", "collecting", "then"), ROWS)
def test_every_row_in_a_terminal(
    dev: Callable[..., Any],
    press: Callable[[Any, str], None],
    data: Path,
    log: Any,
    state: str,
    given: str,
    typed: str | None,
    collecting: bool,
    then: str,
) -> None:
    prepare(store := ConsentStore(data), state)
    flags, env = split(given, log)
    process = dev(*flags, **env)
    shown = ""
    if typed is not None:
        process.expect_exact(FIRST.prompt)
        assert process.before.replace("\r", "").endswith(FIRST.lines + "\n")
        if typed in ("^C", "^D"):
            press(process, typed[1].lower())
        else:
            if typed in ("", "y"):
                time.sleep(READING_SECONDS)
            process.sendline(typed)
    process.expect(r"In \[1\]: ")
    shown = process.before
    assert "privacy" not in shown, "asked where it may not, or twice"
    assert (DISABLED in shown) == (typed == "n" or "--analytics-disable" in flags)
    assert (ON in shown.replace("\r\n", "")) == (typed in ("y", ""))
    if "--analytics" in flags and not collecting and typed is None:
        assert "Analytics stay off: " in shown, "it says why"
    else:
        assert "Analytics stay off" not in shown
    process.sendline(LOOK)
    process.expect(r"In \[2\]: ")
    assert f"collecting {collecting}" in process.before
    process.sendline("exit")
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0
    assert after(store) == then
    assert delivered_or_waiting(data) == collecting
    if "--analytics-log" in flags:
        assert set(log.events) == {"launched", "command run", "cell executed", "exited"}
        users = {record["distinct_id"] for record in log.records}
        assert users == {store.read().user_id if collecting else None}
    else:
        assert log.events == []


# Each with an assumed yes, and with no input at all where a terminal would have asked.
NOBODY = sorted(
    {
        (row[0], row[1], typed)
        for row in ROWS
        for typed in ("", "y\n")
        if typed or row[2] is not None
    }
)


# One that collects and one that may not, each in a process that runs nothing else.
ALONE = [("agreed", "", "y\n"), ("outside the sample", "--analytics", "y\n")]
assert set(ALONE) <= set(NOBODY)


@pytest.mark.parametrize(("state", "given", "typed"), NOBODY)
def test_every_row_where_nobody_is(
    in_a_row: dict[str, InARow],
    data: Path,
    log: Any,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    given: str,
    typed: str,
) -> None:
    prepare(store := ConsentStore(data), state)
    flags, env = split(given.replace("-i", ""), log)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    start = run if (state, given, typed) in ALONE else in_a_row[DEV].run
    ran = start(*flags, "-c", LOOK, typed=typed)
    assert ran.returncode == 0
    never = "--no-analytics" in flags or "off" in env.values()
    collecting = state == "agreed" and "--analytics-disable" not in flags and not never
    assert ran.stdout == f"collecting {collecting}\n", "nothing of ours stands in the output"
    stays = "--analytics" in flags and not collecting
    assert ran.stderr.count("Analytics stay off: ") == stays
    assert (DISABLED in ran.stderr) == ("--analytics-disable" in flags)
    assert "privacy" not in ran.stderr
    assert after(store) == {
        "agreed": "opted out" if "--analytics-disable" in flags else "agreed",
        "opted out": "opted out",
    }.get(state, "opted out" if "--analytics-disable" in flags else "none")
    assert delivered_or_waiting(data) == collecting
    assert ("launched" in log.events) == ("--analytics-log" in flags)


@pytest.mark.parametrize("state", ["outside the sample", "agreed", "opted out"])
@pytest.mark.parametrize("beside", [[], ["--analytics"], ["--no-analytics"]])
def test_disable_alone_does_its_one_thing_and_ends(
    in_a_row: dict[str, InARow], data: Path, state: str, beside: list[str]
) -> None:
    prepare(store := ConsentStore(data), state)
    last = farewell(store.read())
    ran = in_a_row[DEV].run("--analytics-disable", *beside)
    said = f"{DISABLED}\n{last}\n" if last else f"{DISABLED}\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, said, "")
    assert bool(last) == (state == "agreed")
    assert after(store) == "opted out"
    assert {path.name for path in data.rglob("*")} - {"consent.lock"} == {"consent", "opted-out"}
    assert not Path(os.environ["IPYTHONDIR"]).exists(), "nothing was set up"


def test_disable_alone_is_in_the_log_that_was_asked_for(log: Any) -> None:
    assert run("--analytics-disable", "--analytics-log", str(log.path)).returncode == 0
    said = [each["command"] for each in log.of("command run")]
    assert said == ["--analytics-disable", "--analytics-log"]
    assert {record["distinct_id"] for record in log.records} == {None}


def test_disable_alone_is_in_the_log_that_the_variable_names(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEV_ANALYTICS_LOG", str(log.path))
    assert run("--analytics-disable").returncode == 0
    assert [each["command"] for each in log.of("command run")] == ["--analytics-disable"]


def test_disable_alone_in_a_terminal_ends_too(dev: Callable[..., Any], data: Path) -> None:
    process = dev("--analytics-disable")
    process.expect(pexpect.EOF)
    process.close()
    assert process.before == f"{DISABLED}\r\n"
    assert process.exitstatus == 0
    assert after(ConsentStore(data)) == "opted out"


@pytest.mark.parametrize("how", ["a file", "-c", "-m", "-i"])
def test_disable_comes_before_what_is_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    code = f"from pathlib import Path; print(Path({str(data)!r}, 'consent', 'opted-out').exists())"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text(code)
    what = {"a file": ["program.py"], "-c": ["-c", code], "-m": ["-m", "program"], "-i": ["-i"]}
    typed = f"{code}\n" if how == "-i" else ""
    ran = run("--simple-prompt", "--analytics-disable", *what[how], typed=typed)
    assert ran.returncode == 0
    assert "True" in ran.stdout
    assert ran.stderr.startswith(DISABLED)


@pytest.mark.parametrize("what", [[], ["-c", "print('ran')"], ["program.py"]])
def test_an_opt_out_that_cannot_be_stored_is_told_and_nothing_runs(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text("print('ran')")
    data.write_text("a file where the folder should be")
    ran = run("--analytics-disable", *what)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith("dev: the opt-out could not be stored: ")
    assert "DO_NOT_TRACK=1" in ran.stderr
    assert ran.stderr.count("\n") == 1


# `tests/consent/test_store.py` has every corruption; here is what a whole session makes of some.
CORRUPTIONS = {
    "half JSON": b'{"version": 1, "answ',
    "an old yes": b'{"version": 1, "answer": "yes", "user_id": '
    b'"71b00c15-cdb5-4ee2-afb1-2f11ecfbebf4", "notice": 1, "answered_on": "2026-01-01"}',
}


@pytest.mark.parametrize("damage", [*CORRUPTIONS, "a folder", "a link to nowhere"])
def test_an_opt_out_survives_a_corruption(
    in_a_row: dict[str, InARow], data: Path, damage: str
) -> None:
    store = ConsentStore(data)
    store.opt_out()
    if damage == "a folder":
        store.file.mkdir()
    elif damage == "a link to nowhere":
        store.file.symlink_to(data / "nowhere")
    else:
        store.file.write_bytes(CORRUPTIONS[damage])
    ran = in_a_row[DEV].run("--analytics", "-c", LOOK, typed="y\n")
    assert ran.stdout == "collecting False\n"
    assert "you opted out permanently" in ran.stderr
    assert after(store) == "opted out"
    assert not delivered_or_waiting(data)


@pytest.mark.parametrize("damage", ["half JSON", "a folder"])
def test_a_yes_that_is_damaged_is_none_and_it_says_why(
    in_a_row: dict[str, InARow], data: Path, damage: str
) -> None:
    store = ConsentStore(data)
    store.agree(NOTICE, TODAY)
    store.file.unlink()
    if damage == "a folder":
        store.file.mkdir()
    else:
        store.file.write_bytes(CORRUPTIONS[damage])
    ran = in_a_row[DEV].run("--analytics", "-c", LOOK)
    assert ran.stdout == "collecting False\n"
    assert "the consent store cannot be used" in ran.stderr


def test_a_yes_that_cannot_be_stored_is_none(dev: Callable[..., Any], data: Path) -> None:
    data.write_text("a file where the folder should be")
    process = dev("--analytics")
    process.expect(r"In \[1\]: ")
    assert "Analytics stay off: the consent store cannot be used" in process.before
    assert "privacy" not in process.before


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "1/0"],
        ["-c", "import sys; sys.exit(3)"],
        ["program.py", "a", "b"],
        ["program.py", "--", "--analytics", "--no-analytics"],
        ["-i", "program.py"],
        ["-m", "program"],
        ["missing.py"],
        ["--version"],
        ["locate"],
        ["profile", "list"],
        ["--no-such-flag"],
        ["--colors=nosuch", "-c", "1"],
        ["--InteractiveShellApp.exec_lines=print('first')", "-c", "print('then')"],
        ["--ext=nosuch", "-c", "1"],
        ["--quick", "-c", "print(1)"],
        ["--profile=other", "-c", "print(get_ipython().profile)"],
        [],
    ],
    ids=" ".join,
)
def test_all_that_ipython_takes_works_as_there(
    in_a_row: dict[str, InARow],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "program.py").write_text("import sys; print('program', sys.argv); x = 1")
    profile = Path(os.environ["IPYTHONDIR"]) / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text(
        "c = get_config()\nc.TerminalIPythonApp.display_banner = False\n"
        "c.TerminalInteractiveShell.simple_prompt = True\n"
        "c.InteractiveShellApp.exec_lines = ['print(\"of the profile\")']\n"
    )
    theirs, ours = (
        in_a_row[command].run(*arguments, typed="print('typed')\nexit(4)\n")
        for command in (IPYTHON, DEV)
    )
    assert ours.returncode == theirs.returncode
    assert ours.stdout == theirs.stdout.replace("ipython cmd", "dev cmd")
    said = theirs.stderr
    if arguments != ["--no-such-flag"]:
        # argparse and traitlets begin a message with the name of the command, or of its class.
        names = ("[TerminalIPythonApp]", "[Dev]"), ("ipython: ", "dev: ")
        for there, here in names:
            said = said.replace(there, here)
        # A traceback begins in the command itself.
        last = -2 if said.startswith("Traceback") else 0
        assert ours.stderr.splitlines()[last:] == said.splitlines()[last:]


@pytest.mark.parametrize("command", [DEV, IPYTHON], ids=["dev", "ipython"])
def test_one_of_many_runs_in_a_process_is_as_one_alone(
    in_a_row: dict[str, InARow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text("import sys; print('program', sys.argv); 1 / 0")
    arguments = ["--simple-prompt", "--no-banner", "-i", "program.py", "a"]
    typed = "import sys; print('typed', file=sys.stderr)\nexit(4)\n"
    alone = run(*arguments, typed=typed, command=command)
    assert "typed" in alone.stderr
    for _ in range(2):
        assert in_a_row[command].run("--no-such-flag").returncode == 2
        one = in_a_row[command].run(*arguments, typed=typed)
        assert one == (alone.returncode, alone.stdout, alone.stderr)


def test_help_shows_ours_in_a_section_of_their_own() -> None:
    ran = run("--help")
    assert ran.returncode == 0
    _, head, rest = ran.stdout.partition("\nAnalytics\n=========\n")
    ours, options, theirs = rest.partition("\nOptions\n=======\n")
    assert head, options
    for flag in FLAGS:
        assert f"\n{flag}" in ours
        assert f"{flag}\n" not in theirs
    for flag in ("--debug", "--no-banner", "--profile=", "-c=", "--ext="):
        assert flag in theirs


def test_help_all_explains_the_settings_too() -> None:
    ran = run("--help-all")
    assert ran.returncode == 0
    assert "--DevAnalytics.posthog_host=" in ran.stdout
    assert "--TerminalInteractiveShell.confirm_exit=" in ran.stdout


def test_nothing_is_imported_beyond_ipython_and_the_extension() -> None:
    look = "import sys; print(*sorted(sys.modules))"
    load = "get_ipython().extension_manager.load_extension('dev_analytics'); "
    theirs = set(run("-c", load + look, command=IPYTHON).stdout.split())
    ours = set(run("-c", look).stdout.split())
    assert ours - theirs == {"dev_analytics.apps.dev"}


def test_a_magic_is_newer_than_a_flag(dev: Callable[..., Any], data: Path) -> None:
    ConsentStore(data).agree(NOTICE, TODAY)
    ran = run("--analytics", "-c", f"get_ipython().run_line_magic('dev_analytics', 'off')\n{LOOK}")
    assert "collecting False" in ran.stdout


def test_a_magic_undoes_no_flag_where_nobody_can_answer(data: Path) -> None:
    ConsentStore(data).agree(NOTICE, TODAY)
    ran = run(
        "--no-analytics", "-c", f"get_ipython().run_line_magic('dev_analytics', 'on')\n{LOOK}"
    )
    assert "nobody here can undo that" in ran.stdout
    assert "collecting False" in ran.stdout


def test_a_log_that_cannot_be_written_is_one_clear_line_and_work_goes_on(tmp_path: Path) -> None:
    ran = run("--analytics-log", str(tmp_path / "missing" / "log"), "-c", "print('on we go')")
    assert (ran.returncode, ran.stdout) == (0, "on we go\n")
    assert ran.stderr == (
        f"dev: no event log, cannot write '{tmp_path}/missing/log': No such file or directory\n"
    )


def test_the_flag_s_log_goes_before_the_variable_s(
    tmp_path: Path, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEV_ANALYTICS_LOG", str(tmp_path / "variable.jsonl"))
    run("--analytics-log", str(log.path), "-c", "1")
    assert "launched" in log.events
    assert not (tmp_path / "variable.jsonl").exists()


def test_flags_are_recorded_by_their_names_alone(log: Any) -> None:
    run("--analytics-log", str(log.path), "--no-analytics", "-c", "secret = 1")
    assert log.of("command run") == [{"command": "--no-analytics"}, {"command": "--analytics-log"}]
    assert "secret" not in log.path.read_text()


@pytest.mark.parametrize("flag", ["--analytics", ""])
def test_a_bad_setting_is_one_clear_line_and_off_whatever_the_flag(data: Path, flag: str) -> None:
    ConsentStore(data).agree(NOTICE, TODAY)
    ran = run(*filter(None, [flag]), "--DevAnalytics.sample_percent=many", "-c", LOOK)
    assert ran.stdout == "collecting False\n"
    assert ran.stderr.splitlines()[0] == (
        "dev_analytics: c.DevAnalytics.sample_percent must be a number from 0 to 100, "
        "got 'many'; analytics stay off"
    )
    assert len(ran.stderr.splitlines()) == 1
    assert not delivered_or_waiting(data)
