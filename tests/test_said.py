"""Every command says what it says on any output, or in one line why not."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dev_analytics import NOTICE
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.process.messages import plain, say

SECONDS = 240
WORDS = ("status", "status --json", "preview", "report", "enable", "remove", "disable")
LATIN = os.fsdecode(b"jos\xe9")


def run(words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dev_analytics", *words.split()],
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        timeout=SECONDS,
        check=False,
        **options,
    )


@pytest.mark.parametrize("encoding", ["ascii:strict", "utf-8:strict"])
@pytest.mark.parametrize("name", [LATIN, "josé"], ids=["Latin-1", "UTF-8"])
def test_commands_work_in_a_home_of_any_name_with_an_output_of_any_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, name: str
) -> None:
    place = tmp_path / name
    place.mkdir()
    monkeypatch.setenv("DEV_ANALYTICS_DIR", str(place / "data"))
    monkeypatch.setenv("IPYTHONDIR", str(place / "ipython"))
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    ConsentStore(place / "data").agree(NOTICE, date.today())
    for words in WORDS if name == LATIN else WORDS[:2]:
        ran = run(words)
        assert "Traceback" not in ran.stderr, words
        assert len(ran.stderr.splitlines()) <= 1, words
        assert ran.returncode == (words == "report"), (words, ran.stderr)


def test_what_was_recorded_in_a_folder_whose_name_is_no_text_is_delivered(
    tmp_path: Path, until: Any
) -> None:
    place = tmp_path / LATIN
    ConsentStore(place).agree(NOTICE, date.today())
    code = """
import os, sys
from pathlib import Path
from dev_analytics.analytics import Analytics
analytics = Analytics(Path(sys.argv[1]), strict=True)
analytics.event("cell_executed", outcome="ok", duration_ms=1)
analytics.pipeline.sink.close(at_exit=True)
assert not analytics.pipeline.launcher.failure, analytics.pipeline.launcher.failure
"""
    subprocess.run([sys.executable, "-c", code, place], check=True, timeout=SECONDS)
    until(lambda: read_ledger(place).delivered == 1)


def test_an_output_that_takes_nothing_gives_one_line() -> None:
    with open("/dev/full", "w") as full:
        ran = run("status", stdout=full)
    assert (ran.returncode, len(ran.stderr.splitlines())) == (1, 1)
    assert "No space left" in ran.stderr


def test_an_output_that_is_closed_gives_no_traceback() -> None:
    ran = run("status", preexec_fn=lambda: os.close(1))
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("encoding", [None, "no such", 7])
def test_an_output_of_the_users_may_have_any_encoding(encoding: Any) -> None:
    class Output(io.StringIO):
        pass

    Output.encoding = encoding
    output = Output()
    say(f"{LATIN} \N{SNOWMAN}", output)
    assert output.getvalue() == "jos? \N{SNOWMAN}\n"


def test_a_path_is_text() -> None:
    assert plain(Path("/home", LATIN)) == "/home/jos\N{REPLACEMENT CHARACTER}"
    assert plain(Path("/home/josé")) == "/home/josé"
