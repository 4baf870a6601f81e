"""The six commands of ``docs/verify-it-yourself.md``, run in a shell as they stand in the page."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pexpect
import pytest

from dev_analytics.consent.asking.prompt import READING_SECONDS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "verify-it-yourself.md").read_text("utf-8")
COMMANDS = re.findall(r"^```sh\n(.+?)^```$", PAGE, re.DOTALL | re.MULTILINE)
SECONDS = 600
SECRETS = ("correct horse", "password")


class Sceptic:
    """A shell in a terminal, in the checkout, with the environment that the tests run in."""

    def __init__(self, script: Path) -> None:
        self._script = script
        self.directory: Path | None = None

    def paste(
        self, number: int, *typed: str, unanswered: int = 0, last: int = 0, **environ: str
    ) -> str:
        """Run a command, type a line at each question or prompt, and return what it showed.

        With `last`, all from the one to the other, in one shell. The first prompts, as many as are
        `unanswered`, read a file: what is typed there is typed ahead, and no answer. Further
        keywords are variables of the shell.
        """
        exported = f'export DEV_ANALYTICS_DIR="{self.directory}"\n' if self.directory else ""
        end = '\nstatus=$?; echo "@$DEV_ANALYTICS_DIR@"; exit $status'
        commands = "".join(COMMANDS[number - 1 : max(number, last)])
        self._script.write_text(f"{exported}{commands}{end}")
        bin_first = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {
            **{name: value for name, value in os.environ.items() if "PYTEST" not in name},
            "PATH": bin_first,
            "TERM": "dumb",
            "IPY_TEST_SIMPLE_PROMPT": "1",
            **environ,
        }
        if not self.directory:
            del environment["DEV_ANALYTICS_DIR"]
        shell = pexpect.spawn(
            "bash",
            [str(self._script)],
            cwd=ROOT,
            env=environment,
            encoding="utf-8",
            timeout=SECONDS,
            dimensions=(40, 1000),
        )
        shown = ""
        for line in (*[None] * unanswered, *typed):
            shell.expect(r"\[Yes\]: |In \[\d+\]: ")
            shown += shell.before
            if line is not None:
                time.sleep(READING_SECONDS if line == "y" else 0)
                shell.sendline(line)
        shell.expect(pexpect.EOF)
        shown += shell.before
        shell.close()
        assert shell.exitstatus == 0, shown
        shown, directory, _ = shown.rsplit("@", 2)
        self.directory = Path(directory)
        return re.sub(r"\x1b\[[0-9;]*m", "", shown).replace("\r\n", "\n")


@pytest.fixture
def sceptic(tmp_path: Path) -> Sceptic:
    """A sceptic with a data directory as the page's first command makes one."""
    one = Sceptic(tmp_path / "command.sh")
    one.directory = tmp_path / "own"
    one.directory.mkdir()
    return one


def test_there_are_six_commands_and_no_other_block() -> None:
    assert len(COMMANDS) == 6
    assert PAGE.count("```") == 12
    headings = re.findall(r"^## (\d)\. ", PAGE, re.MULTILINE)
    assert headings == ["1", "2", "3", "4", "5", "6"]


def test_the_first_shows_the_records_before_any_answer_and_writes_none(
    sceptic: Sceptic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    sceptic.directory = None
    shown = sceptic.paste(1)
    records = [json.loads(line) for line in shown.splitlines() if line.startswith('{"event"')]
    assert [record["event"] for record in records] == [
        *("launched", "cell executed", "cell executed", "error raised")
    ]
    assert shown.count("# would have been sent") == len(records)
    assert records[-1]["properties"]["exception"] == "FileNotFoundError"
    assert all(record["distinct_id"] is None for record in records)
    assert not [secret for secret in SECRETS if secret in json.dumps(records)]
    assert sceptic.directory is not None
    assert sceptic.directory.parent == tmp_path, "a directory of its own"
    assert list(sceptic.directory.rglob("*")) == []
    assert str(sceptic.directory) not in shown, "find lists no file"


def test_the_second_names_the_rule_that_decides(sceptic: Sceptic) -> None:
    rules = re.findall(r"^analytics +(.+)$", sceptic.paste(2), re.MULTILINE)
    assert len(rules) == 2
    assert rules[0].startswith("off: you have not been asked")
    assert rules[1] == "off: DO_NOT_TRACK is set"


def test_the_third_finds_the_bytes_of_the_log_on_the_wire(sceptic: Sceptic) -> None:
    shown = sceptic.paste(3, "y", "password = 'correct horse'", "open(password)", "exit")
    counted = re.search(r"(\d+) lines in the log, (\d+) of them.+\n(\d+) of them came", shown)
    assert counted
    log, agreed, wire = map(int, counted.groups())
    assert agreed == wire > 5
    assert log == agreed + 2, "the launch and the flag, before there was an answer"
    assert "The same bytes, and no others." in shown
    compared = shown.partition("lines in the log")[2]
    assert "POST /batch/ HTTP/1.1" in compared
    assert not [secret for secret in SECRETS if secret in compared]


def test_the_third_finds_nothing_on_the_wire_after_a_no(sceptic: Sceptic) -> None:
    shown = sceptic.paste(3, "n", "1 + 1", "exit")
    assert "0 of them made after a yes." in shown
    assert "0 of them came over the wire" in shown
    assert "POST" not in shown


def test_the_fourth_finds_nothing_of_the_time_before_the_yes(sceptic: Sceptic) -> None:
    before = ("1 + 1", "open(password := 'correct horse')", "import time; time.sleep(3)")
    shown = sceptic.paste(4, *before, "%dev_analytics on", "y", "2 + 2", "exit")
    assert "The same bytes, and no others." in shown
    rehearsed, recorded = map(_places, shown.partition("\nNot sent:\n")[2].split("\nSent:\n"))
    # The cell with the answer began before it.
    assert [event for _, event, *_ in rehearsed].count("cell executed") == len(before) + 1
    events = ["launched", "cell executed", "cell executed", "exited"]
    assert [(seq, event) for seq, event, *_ in recorded] == list(enumerate(events, 1))
    (began,) = {(session, began) for _, _, _, session, began, _ in recorded}
    assert began[0] not in {session for _, _, _, session, _, _ in rehearsed}
    assert _seconds(rehearsed[0][4], began[1]) >= 3
    *_, last = recorded
    counted = re.fullmatch(r"cells (\d+)  duration (\d+)", last[-1])
    assert counted
    assert int(counted[1]) == 2
    assert int(counted[2]) <= _seconds(began[1], last[2]) + 1
    assert sceptic.directory is not None
    assert list(sceptic.directory.rglob("*")) == [], "its answer was its own"


def _places(shown: str) -> list[tuple[int, str, str, str, str, str]]:
    """Return of each line number, event, time, session, its beginning, and what is counted."""
    form = r"^ *(\d+) (\S[\w $]*?) +(\S+)  \$session_id (\S+) of (\S+)(?:  (cells .+))?$"
    found: list[tuple[str, ...]] = re.findall(form, shown, re.MULTILINE)
    return [
        (int(seq), event, at, session, began, counted)
        for seq, event, at, session, began, counted in found
    ]


def _seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def test_the_fifth_shows_that_everything_is_gone(
    sceptic: Sceptic, everything: Callable[[Path], bytes]
) -> None:
    sceptic.paste(3, "y", "1 + 1", "exit")
    assert sceptic.directory is not None
    consent: dict[str, Any] = json.loads((sceptic.directory / "consent/consent.json").read_text())
    shown = sceptic.paste(5)
    assert "Analytics have been permanently disabled." in shown
    assert re.search(r"^analytics +off: you opted out permanently$", shown, re.MULTILINE)
    assert "consent/opted-out" in shown
    files = [path for path in sceptic.directory.rglob("*") if path.is_file()]
    assert {path.name for path in files if path.suffix != ".lock"} == {"opted-out", "sender.log"}
    assert {path.stat().st_size for path in files if path.suffix == ".lock"} <= {0}
    assert consent["user_id"].encode() not in everything(sceptic.directory)
    again = sceptic.paste(3, "1 + 1", "exit")
    assert "Allow collection" not in again
    assert "0 of them came over the wire" in again


def test_they_work_one_after_the_other_in_the_shell_of_somebody_who_switched_analytics_off(
    sceptic: Sceptic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    monkeypatch.setenv("DEV_ANALYTICS", "off")
    sceptic.directory = None
    prompts = COMMANDS[0].partition("<<'END'\n")[2].partition("END\n")[0].count("\n") + 1
    typed = ("y", "1 + 1", "exit", "2 + 2", "%dev_analytics on", "y", "exit")
    shown = sceptic.paste(1, *typed, unanswered=prompts, last=5)
    assert "# would have been sent" in shown
    assert "The same bytes, and no others." in shown
    rules = re.findall(r"^analytics +(.+)$", shown, re.MULTILINE)
    assert rules[0].startswith("off: you have not been asked")
    assert rules[-1] == "off: you opted out permanently"


def test_the_sixth_runs_the_proof(sceptic: Sceptic) -> None:
    # All that it runs is run with the other tests too: here a part is enough.
    shown = sceptic.paste(6, PYTEST_ADDOPTS="-k test_answers")
    assert re.search(r"^[1-9]\d* passed, [1-9]\d* deselected in ", shown, re.MULTILINE)
    assert "failed" not in shown
    assert "skipped" not in shown
