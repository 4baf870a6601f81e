"""On a system that is not served each command says so, nothing is stored and nobody is asked.

Such a system stands here as far as its name and the modules that it lacks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import dev_analytics
from dev_analytics.analytics import Analytics
from dev_analytics.apps import unserved
from dev_analytics.apps.arguments import WORDS
from dev_analytics.apps.dev import Dev
from dev_analytics.apps.magics import WORDS as MAGIC_WORDS
from dev_analytics.process import UnservedError, line, why_unserved

UNSERVED = ("emscripten", "wasi")
LACKING = ("fcntl", "grp", "pwd", "resource", "termios")
ELSEWHERE = f"""
import sys
import IPython.terminal.ipapp, platformdirs  # what they import depends on the system
sys.platform = sys.argv.pop(1)
for name in {LACKING}:
    sys.modules[name] = None
"""
COMMANDS = """
from dev_analytics.__main__ import main
for arguments in [[], ["--version"], ["--help"], ["status", "--json"], *([w] for w in WORDS)]:
    sys.argv[1:] = arguments
    print(arguments, main())
"""
SESSION = """
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell
HistoryManager.enabled = False
shell = InteractiveShell()
for code in [
    "%load_ext dev_analytics",
    *(f"%dev_analytics {word}" for word in WORDS),
    "import dev_analytics; analytics = dev_analytics.get_analytics()",
    "with analytics.edit_format('diff'): analytics.event('message_send', model='gpt-4o')",
    "print(sum(analytics.drops.counts.values()))",
    "%reload_ext dev_analytics",
    "%unload_ext dev_analytics",
]:
    assert shell.run_cell(code, store_history=True).success, code
"""


@pytest.fixture
def elsewhere(data: Path, tmp_path: Path) -> Callable[..., str]:
    """Run code on a system that is not served, and return what it prints; it may store nothing."""

    def run(platform: str, code: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-c", ELSEWHERE + code, platform],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            env={**os.environ, "DEV_ANALYTICS": "on", "DEV_ANALYTICS_LOG": str(tmp_path / "log")},
        )
        assert "Traceback" not in ran.stdout
        assert ran.returncode == 0, ran.stdout
        stored = [file for file in tmp_path.rglob("*analytics*") if "ipython" not in file.parts]
        assert not stored, stored
        assert not data.exists()
        assert not (tmp_path / "log").exists()
        return ran.stdout

    return run


def said(monkeypatch: pytest.MonkeyPatch, platform: str) -> str:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", platform)
        return why_unserved()


@pytest.mark.parametrize("platform", UNSERVED)
def test_each_command_of_a_shell_says_so_in_a_line(
    platform: str, elsewhere: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    why = said(monkeypatch, platform)
    shown = elsewhere(platform, f"WORDS = {list(WORDS)}\n{COMMANDS}").splitlines()
    assert why
    assert f"analytics  off: {why}" in shown, "the status has the reason"
    assert shown.count("['status'] 0") == 1
    refused = [word for word in WORDS if word != "status"]
    assert [each for each in shown if each.endswith("1")] == [f"['{word}'] 1" for word in refused]
    assert shown.count(line(why)) == len(refused) + 1, "one line each, and one for the help"


@pytest.mark.parametrize("platform", UNSERVED)
def test_a_session_says_so_and_records_nothing(
    platform: str, elsewhere: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    why = said(monkeypatch, platform)
    shown = elsewhere(platform, f"WORDS = {list(MAGIC_WORDS)}\n{SESSION}").splitlines()
    assert shown == [
        f"analytics  off: {why}",
        f"version    {dev_analytics.__version__}",
        *[line(why)] * (len(MAGIC_WORDS) - 1),
        "0",
    ]


def test_dev_runs_as_ipython_does_and_says_that_no_opt_out_was_stored(
    elsewhere: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = "from dev_analytics.apps.dev import main; sys.argv[1:] = {}; main()"
    why = said(monkeypatch, "emscripten")
    untitled = "--TerminalInteractiveShell.term_title=False"
    code = run.format(["--analytics", untitled, "-c", "print(6 * 7)"])
    assert elsewhere("emscripten", code).splitlines() == ["42"]
    code = run.format(["--analytics-disable", untitled, "-c", "print(6 * 7)"])
    assert elsewhere("emscripten", code).splitlines() == [line(why), "42"]


def test_dev_that_shall_only_opt_out_fails_where_nothing_is_stored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dev_analytics.apps.dev.why_unserved", lambda: "no disk")
    make: Callable[[], Any] = Dev  # IPython's own has no types
    with pytest.raises(SystemExit) as ended:
        make()._opt_out(alone=True)
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"{line('no disk')}\n"


def test_who_loads_it_twice_at_a_terminal_reads_the_line_each_time(
    shell: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unserved, "presence", lambda shell: "terminal")
    monkeypatch.setattr(unserved, "why_unserved", lambda: "no disk")
    for _ in range(2):
        unserved.load(shell)
        assert capsys.readouterr().out == f"{line('no disk')}\n"
    unserved.unload(shell)
    assert "dev_analytics" not in shell.magics_manager.magics["line"]


def test_who_loads_it_in_a_notebook_reads_one_line_and_nobody_is_asked(
    kernel: Callable[..., Any], data: Path
) -> None:
    notebook = kernel({"DEV_ANALYTICS": "on"})
    notebook.run("import sys; sys.platform = 'emscripten'")
    load = "%load_ext dev_analytics"
    assert notebook.run(load).text == "", "nobody is there"
    notebook.run("%unload_ext dev_analytics")
    ran = notebook.run(load, answers=())
    assert ran.text.splitlines()[0].startswith("dev_analytics: analytics are off")
    assert len(ran.text.splitlines()) == 1
    assert notebook.run("1", answers=()).text == "1"
    assert not data.exists()


def test_a_server_has_one_line_in_its_log(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    monkeypatch.setattr(sys, "platform", "emscripten")
    lines: list[str] = []
    dev_analytics._load_jupyter_server_extension(
        SimpleNamespace(log=SimpleNamespace(info=lines.append))
    )
    assert lines == [line(why_unserved())]
    assert not data.exists()


def test_who_asks_for_a_log_is_told_why_there_is_none(
    monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "emscripten")
    analytics = Analytics(data, strict=True)
    with pytest.raises(UnservedError, match="browser"):
        analytics.log_to(tmp_path / "log")
    analytics.event("launched")
    assert not data.exists()


def test_the_status_for_a_script_has_the_reason(elsewhere: Callable[..., str]) -> None:
    code = "from dev_analytics.apps.unserved import main; main(['status', '--json'])"
    fields = json.loads(elsewhere("emscripten", code))
    assert fields["collecting"] is False
    assert "browser" in fields["reason"]
