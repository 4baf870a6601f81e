"""The command ``jupyter dev-analytics``, as it is installed, with and without a kernel running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pexpect
import pytest

from dev_analytics.analytics import Analytics
from dev_analytics.catalogue.events import COMMANDS
from dev_analytics.commands.jupyter import WORDS
from dev_analytics.commands.magics import RESET_QUESTION
from dev_analytics.consent.question import DISABLED
from dev_analytics.consent.store import ConsentStore

BIN = Path(sys.executable).parent
TODAY = date.today()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``jupyter dev-analytics`` where nobody is."""
    return subprocess.run(
        [BIN / "jupyter", "dev-analytics", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
    )


def line(text: str, label: str) -> str:
    """Give the line of the status that begins with `label`."""
    (found,) = [line for line in text.splitlines() if line.startswith(label)]
    return found.removeprefix(label).strip()


def fields() -> dict[str, Any]:
    """Give the status as a script reads it."""
    return dict(json.loads(run("status", "--json").stdout))


def test_status_is_what_it_shows_without_a_word(data: Path) -> None:
    ran = run()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == run("status").stdout
    assert line(ran.stdout, "analytics").startswith("off: you have not been asked")
    assert line(ran.stdout, "waiting") == "nothing"
    assert line(ran.stdout, "processes").startswith("none is recording")
    assert line(ran.stdout, "sender") == "not running"
    assert line(ran.stdout, "policy") == "none"
    assert not data.exists(), "looking leaves nothing"
    assert not Path(os.environ["IPYTHONDIR"]).exists()


def test_python_m_is_the_same(data: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "dev_analytics", "status"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == run("status").stdout


def test_status_tells_of_every_process_that_records(
    kernel: Callable[..., Any], data: Path, until: Callable[..., None]
) -> None:
    ConsentStore(data).agree(1, TODAY)
    one, two, off = kernel(), kernel(), kernel({"DEV_ANALYTICS": "off"})
    for notebook in (one, two, off):
        notebook.run("%load_ext dev_analytics")
    two.run("1")
    pids = {notebook.run("import os; print(os.getpid())").text.strip() for notebook in (one, two)}
    shown = line(run().stdout, "processes")
    assert shown.count("recording") == 2
    if Path("/proc/locks").exists():
        for pid in pids:
            assert f"recording (pid {pid})" in shown
    two.kill()
    until(lambda: not two.manager.is_alive())
    status = fields()
    assert [each["state"] for each in status["processes"]].count("recording") == 1
    assert sum(each["waiting"] for each in status["processes"]) == status["waiting"] > 0


def test_status_tells_of_a_sender_that_runs(data: Path) -> None:
    data.mkdir()
    code = "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire()"
    code += "; print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(data / "sender.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sender:
        assert sender.stdout
        assert sender.stdout.readline() == "held\n"
        assert line(run().stdout, "sender").startswith("running")
        assert fields()["sender"]["held"]
        sender.communicate("\n")
    assert line(run().stdout, "sender") == "not running"


def test_status_for_a_script(data: Path) -> None:
    ConsentStore(data).agree(1, TODAY)
    status = fields()
    assert (status["collecting"], status["rule"], status["notice"]) == (True, 5, 1)
    assert (status["opted_out"], status["waiting"], status["failure"]) == (False, 0, None)
    run("disable")
    status = fields()
    assert (status["collecting"], status["rule"], status["opted_out"]) == (False, 1, True)
    assert status["data"] == str(data)


def test_preview_shows_the_exact_records_that_wait(data: Path) -> None:
    assert run("preview").stdout.startswith("No records wait.")
    assert json.loads(run("preview", "--json").stdout) == []
    ConsentStore(data).agree(1, TODAY)
    session = Analytics(data, delivery=None, strict=True)
    session.event("cell_executed", outcome="ok", duration_ms=10)
    record = session.preview[-1].record.decode()
    assert f"# waiting\n{record}\n" in run("preview").stdout
    assert json.loads(record) in json.loads(run("preview", "--json").stdout)


def test_disable_opts_out_for_every_process(kernel: Callable[..., Any], data: Path) -> None:
    ConsentStore(data).agree(1, TODAY)
    notebook = kernel()
    notebook.run("%load_ext dev_analytics")
    ran = run("disable")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{DISABLED}\n", "")
    assert "you opted out permanently" in notebook.run("%dev_analytics").text
    assert not any((data / "spool").iterdir())


def test_disable_that_cannot_be_stored_fails_and_says_so(data: Path) -> None:
    data.write_text("a file where the folder should be")
    ran = run("disable")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("jupyter dev-analytics disable: the opt-out could not be stored")
    assert "DO_NOT_TRACK=1" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_reset_asks_somebody_and_takes_a_flag_from_nobody(data: Path) -> None:
    store = ConsentStore(data)
    store.opt_out()
    ran = run("reset")
    assert ran.returncode == 1
    assert "add --yes" in ran.stderr
    assert store.read().opted_out
    ran = run("reset", "--yes")
    assert (ran.returncode, ran.stdout.startswith("Forgotten")) == (0, True)
    assert not store.read().opted_out


@pytest.mark.parametrize(
    ("typed", "forgotten"), [("y", True), ("yes", True), ("n", False), ("", False), ("^D", False)]
)
def test_reset_in_a_terminal_is_confirmed(data: Path, typed: str, forgotten: bool) -> None:
    ConsentStore(data).opt_out()
    process = pexpect.spawn(
        sys.executable, ["-m", "dev_analytics", "reset"], encoding="utf-8", timeout=60
    )
    process.expect_exact(RESET_QUESTION)
    if typed == "^D":
        process.sendeof()
    else:
        process.sendline(typed)
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0
    assert ("Forgotten" in process.before) == forgotten
    assert ConsentStore(data).read().opted_out != forgotten


@pytest.mark.parametrize(
    "arguments", [["no-such-word"], ["status", "more"], ["enable", "--user", "--system"]]
)
def test_what_is_not_understood_exits_with_two(arguments: list[str]) -> None:
    ran = run(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "jupyter dev-analytics" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_help_names_every_word() -> None:
    shown = run("--help").stdout
    for word in WORDS:
        assert f"\n    {word} " in shown
        assert run(word, "--help").returncode == 0


def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    command = f"{sys.executable} -m dev_analytics status --json | head -c 1"
    ran = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("{", "")


@pytest.mark.parametrize("word", WORDS)
def test_every_word_is_one_of_the_catalogue(word: str) -> None:
    assert word in COMMANDS.members


def test_a_word_is_recorded_after_a_yes_alone(data: Path) -> None:
    run("status")
    assert not data.exists()
    ConsentStore(data).agree(1, TODAY)
    run("status")
    (record,) = json.loads(run("preview", "--json").stdout)
    assert record["event"] == "command run"
    assert record["properties"]["command"] == "status"
