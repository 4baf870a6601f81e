"""The command ``jupyter dev-analytics``, as it is installed, with and without a kernel running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pexpect
import pytest
from fake_posthog import to_posthog
from filelock import FileLock

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.apps.arguments import WORDS
from dev_analytics.apps.commands import RESET_QUESTION
from dev_analytics.apps.jupyter import main
from dev_analytics.catalogue.events import COMMANDS
from dev_analytics.consent.asking.answering import farewell
from dev_analytics.consent.asking.prompt import READING_SECONDS
from dev_analytics.consent.asking.question import DISABLED
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import Delivery
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import change_ledger
from dev_analytics.destinations import ARCHIVE, in_words
from dev_analytics.destinations.archive_file import Archive
from dev_analytics.process import things

BIN = Path(sys.executable).parent
TODAY = date.today()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where nobody is, in this process, which has no `Analytics` yet."""
    things().pop("analytics", None)
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = main(arguments)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def installed(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Start ``jupyter dev-analytics`` as its user does, where nobody is."""
    return subprocess.run(
        [BIN / "jupyter", "dev-analytics", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
    )


def line(text: str, label: str) -> str:
    """Return the line of the status that begins with `label`."""
    (found,) = [line for line in text.splitlines() if line.startswith(label)]
    return found.removeprefix(label).strip()


def fields() -> dict[str, Any]:
    """Return the status as a script reads it, parsed from JSON."""
    return dict(json.loads(run("status", "--json").stdout))


def test_status_is_what_it_shows_without_a_word(data: Path) -> None:
    ran = installed()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == installed("status").stdout
    assert line(ran.stdout, "analytics").startswith("off: you have not been asked")
    assert line(ran.stdout, "notice") == f"none agreed to, the newest is {NOTICE}"
    assert line(ran.stdout, "waiting") == "nothing"
    assert line(ran.stdout, "processes").startswith("none is recording")
    assert line(ran.stdout, "sender") == "not running"
    assert line(ran.stdout, "policy") == "none"
    assert not data.exists(), "looking leaves nothing"
    assert not Path(os.environ["IPYTHONDIR"]).exists()


def test_python_m_is_the_same_and_loads_nothing_of_the_report(data: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "dev_analytics", "status"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == installed("status").stdout
    loaded = {each.rpartition("|")[2].strip() for each in ran.stderr.splitlines()}
    assert "dev_analytics.apps.jupyter" in loaded
    assert not loaded & {"dev_analytics.views.report", "dev_analytics.apps.report", "sqlite3"}


def test_the_log_that_the_variable_names_has_every_command(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEV_ANALYTICS_LOG", str(log.path))
    for word in ("status", "preview", "disable"):
        assert run(word).returncode == 0
    assert [each["command"] for each in log.of("command run")] == ["status", "preview", "disable"]
    assert all(record["distinct_id"] is None for record in log.records)


def test_a_log_that_cannot_be_written_is_one_line_and_the_command_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEV_ANALYTICS_LOG", str(tmp_path))
    ran = run("status")
    assert ran.returncode == 0
    assert line(ran.stdout, "analytics").startswith("off")
    assert ran.stderr == (
        f"jupyter dev-analytics: no event log, cannot write {str(tmp_path)!r}: Is a directory\n"
    )


def test_the_status_is_that_of_a_session_with_ipython_s_configuration(data: Path) -> None:
    ConsentStore(data).agree(NOTICE, TODAY)
    assert line(run().stdout, "analytics").startswith("on")
    profile = Path(os.environ["IPYTHONDIR"]) / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.json").write_text('{"DevAnalytics": {"enabled": false}}')
    assert fields()["rule"] == 4
    shown = "switched off for this session by c.DevAnalytics.enabled"
    assert line(run().stdout, "analytics") == f"off: {shown}"
    (profile / "ipython_config.json").write_text('{"DevAnalytics": {"flush_interval": -1}}')
    bad = "c.DevAnalytics.flush_interval must be a number of seconds from 0, got -1"
    assert bad in line(run().stdout, "analytics")
    (profile / "ipython_config.json").write_text('{"DevAnalytics": 5}')
    bad = "c.DevAnalytics must be a section with settings, got 5"
    assert bad in line(run().stdout, "analytics")
    (profile / "ipython_config.json").unlink()
    (profile / "ipython_config.py").write_text("print('read'); get_config().X.y = 1")
    assert fields()["collecting"], "what it prints is not between what a script reads"
    (profile / "ipython_config.py").write_text("1 / 0")
    ran = run()
    assert line(ran.stdout, "analytics").startswith("on")
    said = f"{profile}/ipython_config.py is left out: ZeroDivisionError('division by zero')"
    assert ran.stderr == f"jupyter dev-analytics: {said}\n"


def test_who_has_no_home_has_the_status_too(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", "~nobody-of-this-name")
    ran = run()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert line(ran.stdout, "analytics").startswith("off: you have not been asked")


def test_its_records_go_where_those_of_a_session_would(data: Path) -> None:
    posthog = Delivery(recipient=to_posthog("http://127.0.0.1:9", "phc_x"))
    ConsentStore(data).agree(NOTICE, TODAY, recipients=[posthog.recipient])
    profile = Path(os.environ["IPYTHONDIR"]) / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.json").write_text(
        '{"DevAnalytics": {"posthog_project_key": "phc_x", "posthog_host": "http://127.0.0.1:9"}}'
    )
    for word in ("preview", "status"):
        assert run(word).returncode == 0
    assert "until you agree" not in line(run("status").stdout, "analytics")
    assert len(Backlog(data).files(posthog.destination)) == len(Backlog(data).files()) == 3
    ConsentStore(data).reset()
    ConsentStore(data).agree(NOTICE, TODAY)
    assert run("preview").returncode == 0
    assert len(Backlog(data).files(ARCHIVE)) == len(Backlog(data).files()) == 1, (
        "it is not agreed to"
    )
    withheld = f"nothing goes to {in_words(posthog.recipient)} until you agree to it"
    assert withheld in line(run("status").stdout, "analytics")
    (profile / "ipython_config.json").write_text('{"DevAnalytics": {"enabled": false}}')
    assert run("preview").returncode == 0
    assert Backlog(data).count() == 2, "switched off is off for the commands too"


def test_the_sample_is_that_of_ipython_s_configuration(data: Path) -> None:
    (data / "consent").mkdir(parents=True)
    (data / "consent" / "consent.json").write_text('{"version": 1, "draw": 0.5}')
    profile = Path(os.environ["IPYTHONDIR"]) / "profile_default"
    profile.mkdir(parents=True)
    for percent, rule in ((0, 8), (100, 7)):
        (profile / "ipython_config.py").write_text(
            f"get_config().DevAnalytics.sample_percent = {percent}"
        )
        assert fields()["rule"] == rule


def test_status_tells_of_every_process_that_records(
    kernel: Callable[..., Any], data: Path, until: Callable[..., None]
) -> None:
    ConsentStore(data).agree(NOTICE, TODAY)
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
    # No sender delivers what is being counted.
    with FileLock(data / "sender.lock"):
        status = fields()
    assert [each["state"] for each in status["processes"]].count("recording") == 1
    assert sum(each["waiting"] for each in status["processes"]) == status["waiting"] > 0


def test_status_lists_a_process_until_it_is_switched_off(
    kernel: Callable[..., Any], data: Path
) -> None:
    ConsentStore(data).agree(NOTICE, TODAY)
    notebook = kernel(None, "--DevAnalytics.flush_interval=0")
    notebook.run("%load_ext dev_analytics")
    for code, recording in (
        ("1", 1),
        ("%dev_analytics off", 0),
        ("%dev_analytics on", 1),
        ("import os; os.environ['DO_NOT_TRACK'] = '1'", 0),
    ):
        notebook.run(code)
        states = [each["state"] for each in fields()["processes"]]
        assert states.count("recording") == recording, code


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
    ConsentStore(data).agree(NOTICE, TODAY)
    status = fields()
    assert (status["collecting"], status["rule"], status["notice"]) == (True, 5, NOTICE)
    assert (status["opted_out"], status["waiting"], status["failure"]) == (False, 0, None)
    run("disable")
    status = fields()
    assert (status["collecting"], status["rule"], status["opted_out"]) == (False, 1, True)
    assert status["data"] == str(data)


def test_preview_shows_the_exact_records_that_wait(data: Path) -> None:
    assert run("preview").stdout.startswith("No records are waiting.")
    assert json.loads(run("preview", "--json").stdout) == []
    ConsentStore(data).agree(NOTICE, TODAY)
    session = Analytics(data, delivery=None, strict=True)
    session.event("cell_executed", outcome="ok", duration_ms=10)
    record = session.pipeline.preview[-1].record.decode()
    assert f"# waiting\n{record}\n" in run("preview").stdout
    assert json.loads(record) in json.loads(run("preview", "--json").stdout)


def test_disable_opts_out_for_every_process(kernel: Callable[..., Any], data: Path) -> None:
    ConsentStore(data).agree(NOTICE, TODAY)
    notebook = kernel()
    notebook.run("%load_ext dev_analytics")
    last = farewell(ConsentStore(data).read())
    ran = installed("disable")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{DISABLED}\n{last}\n", "")
    assert "you opted out permanently" in notebook.run("%dev_analytics").text
    assert not any((data / "spool").glob("*"))


def test_disable_that_cannot_be_stored_fails_and_says_so(data: Path) -> None:
    data.write_text("a file where the folder should be")
    ran = installed("disable")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("jupyter dev-analytics disable: the opt-out could not be stored")
    assert "DO_NOT_TRACK=1" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_reset_that_cannot_delete_fails_and_says_so(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "consent" / "consent.json").mkdir(parents=True)
    (data / "consent" / "consent.json" / "kept").touch()
    assert main(["reset", "--yes"]) == 1
    assert "reset: " in capsys.readouterr().err
    assert (data / "consent" / "consent.json" / "kept").exists()


def test_a_yes_while_a_command_runs_does_not_cover_it(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ConsentStore(data).agree(NOTICE, TODAY)

    def preview(options: object) -> str:
        ConsentStore(data).reset()
        ConsentStore(data).agree(NOTICE, TODAY)
        return "what it shows"

    monkeypatch.setattr("dev_analytics.apps.jupyter._preview", preview)
    assert main(["preview"]) == 0
    assert capsys.readouterr().out == "what it shows\n"
    assert Backlog(data).count() == 0


def test_reset_asks_somebody_and_takes_a_flag_from_nobody(data: Path) -> None:
    store = ConsentStore(data)
    store.opt_out()
    ran = installed("reset")
    assert ran.returncode == 1
    assert "add --yes" in ran.stderr
    assert store.read().opted_out
    ran = installed("reset", "--yes")
    assert (ran.returncode, ran.stdout.startswith("Forgotten")) == (0, True)
    assert not store.read().opted_out


@pytest.mark.parametrize(
    ("typed", "forgotten"), [("y", True), ("yes", True), ("n", False), ("", False), ("^D", False)]
)
def test_reset_in_a_terminal_is_confirmed(data: Path, typed: str, forgotten: bool) -> None:
    ConsentStore(data).opt_out()
    process = pexpect.spawn(
        sys.executable, ["-m", "dev_analytics", "reset"], encoding="utf-8", timeout=240
    )
    process.expect_exact(RESET_QUESTION)
    if typed == "^D":
        process.sendeof()
    else:
        time.sleep(READING_SECONDS)
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
    ran = installed(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "jupyter dev-analytics" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_help_names_every_word() -> None:
    shown = installed("--help").stdout
    for word in WORDS:
        assert f"\n    {word} " in shown
        with pytest.raises(SystemExit) as ended:
            main([word, "--help"])
        assert ended.value.code == 0


def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "dev_analytics", "status", "--json"]
    ran = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (0, b"")


@pytest.mark.parametrize("word", WORDS)
def test_every_word_is_one_of_the_catalogue(word: str) -> None:
    assert word in COMMANDS.members


def test_a_word_is_recorded_after_a_yes_alone(data: Path) -> None:
    run("status")
    assert not data.exists()
    ConsentStore(data).agree(NOTICE, TODAY)
    run("status")
    (record,) = json.loads(run("preview", "--json").stdout)
    assert record["event"] == "command run"
    assert record["properties"]["command"] == "status"


SAMPLE = Path(__file__).parents[2] / "docs" / "sample-analytics.jsonl"


def test_a_report_is_80_columns_where_there_is_no_terminal() -> None:
    ran = installed("report", str(SAMPLE))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "ACTIVITY BY HOUR" in ran.stdout
    assert 70 < max(map(len, ran.stdout.splitlines())) <= 80


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_report_fits_its_terminal(columns: int) -> None:
    process = pexpect.spawn(
        sys.executable,
        ["-m", "dev_analytics", "report", str(SAMPLE)],
        encoding="utf-8",
        timeout=240,
        dimensions=(50, columns),
    )
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0
    shown = process.before
    assert "\x1b" not in shown
    assert "GAPS AND DROPS" in shown
    assert max(map(len, shown.splitlines())) <= min(columns, 100)


def test_a_report_is_written_in_letters_that_its_reader_has(tmp_path: Path) -> None:
    log = tmp_path / "lög.jsonl"
    log.write_bytes(SAMPLE.read_bytes())
    ran = subprocess.run(
        [sys.executable, "-m", "dev_analytics", "report", "lög.jsonl"],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=True,
        timeout=240,
    )
    assert b"l?g.jsonl" in ran.stdout
    assert b"####" in ran.stdout


def test_a_report_for_a_script_and_as_files(tmp_path: Path) -> None:
    ran = run("report", str(SAMPLE), "--json", "--html", str(tmp_path / "r.html"))
    assert json.loads(ran.stdout)["records"] == 1000
    # Before it, matplotlib may say there that it builds its cache of fonts.
    assert ran.stderr.endswith(f"Wrote {tmp_path / 'r.html'}.\n")
    ran = run("report", str(SAMPLE), "--csv", str(tmp_path / "tables"))
    assert ran.stdout.startswith(f"Wrote into {tmp_path / 'tables'}: activity.csv, events.csv, ")
    assert (tmp_path / "tables" / "models.csv").read_text().count("\n") == 5
    ran = run("report", str(SAMPLE), "--html", str(SAMPLE))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        f"jupyter dev-analytics report: {SAMPLE} exists and is not a report: "
        "nothing was written; name another file\n"
    )


def test_a_report_of_what_is_not_old() -> None:
    def records(since: str) -> int:
        found = json.loads(run("report", str(SAMPLE), "--json", "--since", since).stdout)
        assert found["records"] + found["older_records"] == 1000
        return int(found["records"])

    assert records("2020-01-01") == records("99999d") == 1000
    assert records("2999-01-01") == records("0h") == 0


@pytest.mark.parametrize("said", ["yesterday", "2026-13-01", "2026-11", "7", "-1d", "999999w"])
def test_a_day_that_is_none_is_one_clear_line(
    said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["report", f"--since={said}"])
    assert ended.value.code == 2
    shown = capsys.readouterr()
    (line,) = shown.err.splitlines()
    assert f"{said!r} is neither a day as 2026-11-01 nor a span as 12h, 7d, 4w" in line
    assert shown.out == ""


def test_a_report_on_nothing_is_one_clear_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, says in (
        ([], "there is no archive yet: nothing was delivered to it; name an event log"),
        (
            [str(tmp_path)],
            f"{tmp_path} has no file whose name ends in .jsonl, .ndjson, .parquet, .sqlite",
        ),
        ([f"{tmp_path}/\x1b[2J"], f"{tmp_path}/?[2J: there is no such file"),
    ):
        assert main(["report", *arguments]) == 1
        shown = capsys.readouterr()
        assert (shown.out, shown.err) == ("", f"jupyter dev-analytics report: {says}\n")
    assert not data.exists(), "looking leaves nothing"


def test_a_report_on_its_own_archive_tells_what_was_dropped(data: Path) -> None:
    data.mkdir()
    Archive(data).deliver(SAMPLE.read_bytes().splitlines())
    change_ledger(data, lambda ledger: ledger.add_dropped({"spool full": 3}))
    assert "dropped on this machine: spool full" in run("report").stdout
    assert "dropped on this machine" not in run("report", str(SAMPLE)).stdout
    assert json.loads(run("report", "--json").stdout)["records"] == 1000


def test_the_progress_of_a_long_report_is_wiped_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = pexpect.spawn(
        sys.executable,
        ["-m", "dev_analytics", "report", str(pipe)],
        encoding="utf-8",
        timeout=240,
        dimensions=(50, 80),
    )
    lines = SAMPLE.read_bytes() * 10
    with pipe.open("wb") as opened:
        while process.expect([r"\r[\d,]+ records read", pexpect.TIMEOUT], timeout=0):
            opened.write(lines)
        process.sendintr()
        process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 1
    assert process.before.rstrip().endswith("report: interrupted before the report was finished")
    assert "Traceback" not in process.before
    assert f"\r{' ' * 10}" in process.before, "the line of the progress was not wiped"


def test_nothing_of_the_progress_is_where_nobody_looks(tmp_path: Path) -> None:
    log = tmp_path / "long.jsonl"
    log.write_bytes(SAMPLE.read_bytes() * 300)
    ran = run("report", str(log))
    assert ran.stderr == ""
    assert "records read" not in ran.stdout


def test_a_command_that_began_before_a_yes_is_not_recorded(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The yes comes in another process while the command waits."""

    def waits(options: object) -> str:
        ConsentStore(data).agree(NOTICE, TODAY)
        return "waited"

    monkeypatch.setattr("dev_analytics.apps.jupyter._status", waits)
    assert main(["status"]) == 0
    assert Backlog(data).count() == 0
    assert main(["status"]) == 0
    assert Backlog(data).count() > 0


OF_A_CELL = (
    f"!{sys.executable} -m dev_analytics {{}}",
    f"%%bash --no-raise-error\n{sys.executable} -m dev_analytics {{}} 2>&1",
)


def test_a_command_of_a_cell_shows_no_identifier(kernel: Callable[..., Any], data: Path) -> None:
    notebook = kernel()
    for cell in OF_A_CELL:
        ConsentStore(data).reset()
        user_id = ConsentStore(data).agree(NOTICE, TODAY).user_id
        assert user_id is not None
        Analytics(data, delivery=None).event("cell_executed", outcome="ok", duration_ms=1)
        for words, says in (
            ("status", "agreed to"),
            ("preview", "run this in a terminal"),
            ("preview --json", "run this in a terminal"),
            ("disable", "Your identifier is deleted. It is not shown here"),
        ):
            shown = notebook.run(cell.format(words)).text
            assert says in shown, (cell, words)
            assert user_id not in shown, (cell, words)
        assert ConsentStore(data).read().opted_out, cell


def test_a_command_of_a_cell_undoes_no_off(kernel: Callable[..., Any], data: Path) -> None:
    notebook = kernel()
    store = ConsentStore(data)
    for cell in OF_A_CELL:
        for words in ("reset --yes", "on acme"):
            store.switch_off("acme")
            assert "undo that" in notebook.run(cell.format(words)).text, (cell, words)
            assert store.read().tools_off == {"acme"}, (cell, words)
