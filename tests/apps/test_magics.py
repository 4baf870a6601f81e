"""The magic: its words, what they say, their help and their completion."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dev_analytics import NOTICE, get_analytics
from dev_analytics.apps.extension import load, unload
from dev_analytics.apps.magics import WORDS
from dev_analytics.catalogue.events import EVENTS
from dev_analytics.consent.asking.question import DISABLED, WAY_BACK
from dev_analytics.consent.store import ConsentStore
from dev_analytics.views.report.figures import INSTALL

TODAY = date.today()


@pytest.fixture
def run(shell: Any, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[str], str]]:
    """Run a cell in a shell with the extension, and give all that it printed."""
    load(shell)
    get_analytics().strict = True

    def run(code: str) -> str:
        capsys.readouterr()
        shell.run(code)
        shown = capsys.readouterr()
        return shown.out + shown.err

    yield run
    unload(shell)


def line(text: str, label: str) -> str:
    """Return the line of the status that begins with `label`."""
    (found,) = [line for line in text.splitlines() if line.startswith(label)]
    return found.removeprefix(label).strip()


def test_status_is_what_the_magic_alone_shows(run: Callable[[str], str]) -> None:
    assert line(run("%dev_analytics"), "analytics") == line(
        run("%dev_analytics status"), "analytics"
    )


def test_status_is_aligned_and_says_all(run: Callable[[str], str], data: Path) -> None:
    run("1 + 1")
    run("1 / 0")
    shown = run("%dev_analytics status")
    assert line(shown, "analytics") == (
        "off: you have not been asked, and are not drawn for the sample yet"
    )
    assert line(shown, "to change") == (
        "%dev_analytics on (asks you), %dev_analytics disable (never ask)"
    )
    assert line(shown, "this session") == "2 cell executed, 1 error raised, 1 launched"
    assert line(shown, "waiting") == "nothing"
    assert line(shown, "delivered") == (
        "nothing yet; records of this session go to the archive on this machine"
    )
    assert line(shown, "dropped") == "nothing"
    assert line(shown, "event log") == "none"
    assert line(shown, "data") == str(data)
    starts = {text.index(text.split("  ")[-1].strip()) for text in shown.splitlines() if text}
    assert len(starts) == 1, "the texts begin in one column"


def test_status_names_the_rule_that_decided(
    run: Callable[[str], str], data: Path, site_policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decided() -> str:
        return line(run("%dev_analytics"), "analytics")

    store = ConsentStore(data)
    store.agree(NOTICE, TODAY)
    assert decided() == f"on: you agreed on {TODAY} (notice {NOTICE})"
    run("%dev_analytics off")
    assert decided() == "off: switched off for this session by %dev_analytics off"
    run("%dev_analytics on")
    monkeypatch.setenv("DO_NOT_TRACK", "yes")
    assert decided() == "off: DO_NOT_TRACK is set"
    site_policy.write_text('{"analytics": "forbidden"}')
    assert decided() == f"off: the administrator forbids it: {site_policy}"
    store.file.write_text("{")
    assert decided() == "off: the consent store cannot be used: consent.json is damaged"
    store.opt_out()
    assert decided() == "off: you opted out permanently"


def test_off_and_on_switch_this_session(run: Callable[[str], str], data: Path) -> None:
    ConsentStore(data).agree(NOTICE, TODAY)
    gate = get_analytics().gate
    assert "off for this session" in run("%dev_analytics off")
    assert not gate.now()[0].collecting
    assert run("%dev_analytics on").startswith("Analytics are on")
    assert gate.now()[0].collecting
    assert ConsentStore(data).read().user_id is not None, "a session's switch changes no answer"


def test_on_says_why_it_cannot(run: Callable[[str], str], data: Path) -> None:
    assert run("%dev_analytics on").strip() == (
        "Analytics stay off: this session is switched on by %dev_analytics on, "
        "but nobody here can answer the question."
    )
    ConsentStore(data).opt_out()
    assert run("%dev_analytics on").strip() == (
        "Analytics stay off: you opted out permanently. Only %dev_analytics reset undoes that."
    )


def test_disable_opts_out_for_ever_and_at_once(run: Callable[[str], str], data: Path) -> None:
    user_id = ConsentStore(data).agree(NOTICE, TODAY).user_id
    assert run("%dev_analytics disable").strip() == f"{DISABLED} {WAY_BACK}"
    assert ConsentStore(data).read().opted_out
    assert user_id is not None
    assert all(user_id.encode() not in each.record for each in get_analytics().pipeline.preview)
    run("%dev_analytics on")
    assert not get_analytics().gate.now()[0].collecting


def test_disable_says_what_holds_where_it_cannot_be_stored(
    run: Callable[[str], str], data: Path
) -> None:
    data.write_text("a file where the folder should be")
    shown = run("%dev_analytics disable")
    assert "could not be stored" in shown
    assert "DO_NOT_TRACK=1" in shown
    assert DISABLED not in shown


def test_the_log_begins_tells_its_file_and_ends(
    run: Callable[[str], str], tmp_path: Path, data: Path
) -> None:
    file = tmp_path / "my log.jsonl"
    assert run("%dev_analytics log").strip() == "No event log."
    assert run(f"%dev_analytics log '{file}'").strip() == f"Every event is appended to {file}."
    assert str(file) in run("%dev_analytics log")
    assert str(file) in run("%dev_analytics status")
    run("1")
    assert run("%dev_analytics log --stop").strip() == f"The event log {file} has ended."
    run("2")
    records = [json.loads(record) for record in file.read_bytes().splitlines()]
    assert [record["event"] for record in records].count("cell executed") == 4
    assert not data.exists(), "a log is no consent"


def test_a_log_takes_the_home_directory_s_sign(run: Callable[[str], str]) -> None:
    run("%dev_analytics log ~/events.jsonl")
    assert (Path.home() / "events.jsonl").exists()


def test_a_log_that_cannot_be_written_is_one_clear_line(
    run: Callable[[str], str], tmp_path: Path
) -> None:
    shown = run(f"%dev_analytics log {tmp_path}/missing/log")
    assert shown.strip() == (
        f"UsageError: %dev_analytics log: cannot write '{tmp_path}/missing/log': "
        "No such file or directory"
    )
    assert run("print('on we go')") == "on we go\n"


def test_reset_asks_somebody_and_takes_a_flag_from_nobody(
    run: Callable[[str], str], data: Path
) -> None:
    store = ConsentStore(data)
    store.agree(NOTICE, TODAY)
    assert "add --yes" in run("%dev_analytics reset")
    assert store.read().user_id is not None
    assert run("%dev_analytics reset --yes").startswith("Forgotten")
    assert list(store.folder.iterdir()) == []


def test_a_reset_that_cannot_delete_is_one_clear_line(
    run: Callable[[str], str], data: Path
) -> None:
    (data / "consent" / "consent.json").mkdir(parents=True)
    (data / "consent" / "consent.json" / "kept").touch()
    shown = run("%dev_analytics reset --yes")
    assert shown.startswith("UsageError: %dev_analytics reset: ")
    assert (data / "consent" / "consent.json" / "kept").exists()


def test_a_reset_where_nobody_is_undoes_no_opt_out(run: Callable[[str], str], data: Path) -> None:
    store = ConsentStore(data)
    for refuse in (store.opt_out, lambda: store.switch_off("acme")):
        refuse()
        assert run("%dev_analytics reset --yes").strip() == (
            "UsageError: %dev_analytics reset: you opted out, and nobody here can undo that"
        )
        assert store.read().refuses
        store.reset()


@pytest.mark.parametrize(
    ("typed", "forgotten"), [("y", True), ("Yes", True), ("n", False), ("", False), ("?", False)]
)
def test_reset_in_a_kernel_is_confirmed(
    kernel: Callable[..., Any], data: Path, typed: str, forgotten: bool
) -> None:
    ConsentStore(data).opt_out()
    notebook = kernel()
    notebook.run("%load_ext dev_analytics")
    ran = notebook.run("%dev_analytics reset", answers=(typed,))
    assert len(ran.asked) == 1
    assert ("Forgotten" in ran.text) == forgotten
    assert ConsentStore(data).read().opted_out != forgotten


def test_reset_in_a_terminal_is_confirmed(
    terminal: Callable[..., Any], press: Callable[[Any, str], None], data: Path
) -> None:
    ConsentStore(data).opt_out()
    ipython = terminal()
    ipython.prompt()
    ipython.run("%load_ext dev_analytics")
    for end in ("c", "d"):
        ipython.type("%dev_analytics reset")
        ipython.until("[No]: ")
        press(ipython.process, end)
        assert "Nothing was changed." in ipython.prompt()
        assert ConsentStore(data).read().opted_out
    ipython.type("%dev_analytics reset")
    ipython.until("[No]: ")
    ipython.type("y")
    assert "Forgotten" in ipython.prompt()
    assert not ConsentStore(data).read().opted_out


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("disabel", "knows no 'disabel': did you mean 'disable'?"),
        (
            "xyzzy",
            f"knows no 'xyzzy': known are {', '.join(WORDS)}",
        ),
        ("on now", "on knows no tool 'now': none is installed that has events of its own"),
        ("status x y", "status takes no more arguments, got 'x y'"),
        ("reset --no", "reset takes no more arguments, got '--no'"),
        ("log a b", "log takes one file (in quotes if it has spaces), or --stop"),
        ("log --end", "log takes one file (in quotes if it has spaces), or --stop"),
        ("log 'a", ": No closing quotation"),
        ("schema exitd", "schema knows no event 'exitd': did you mean 'exited'?"),
        ("schema --json", f"schema --json takes one event: {', '.join(EVENTS)}"),
    ],
)
def test_an_unknown_word_is_one_clear_line(
    run: Callable[[str], str], typed: str, said: str
) -> None:
    shown = run(f"%dev_analytics {typed}").strip()
    assert shown.startswith("UsageError: %dev_analytics")
    assert shown.endswith(said)
    assert "\n" not in shown


@pytest.mark.parametrize("asked", ["help", "-h", "--help"])
def test_help_names_every_word(run: Callable[[str], str], asked: str) -> None:
    shown = run(f"%dev_analytics {asked}")
    for word in WORDS:
        assert f"%dev_analytics {word}" in shown
    assert "::" not in shown


def test_ipython_s_own_help_shows_the_same(run: Callable[[str], str], shell: Any) -> None:
    found = shell.object_inspect_text("%dev_analytics")
    for word in WORDS:
        assert f"%dev_analytics {word}" in found


@pytest.mark.filterwarnings("ignore:`Completer.complete`")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%dev_analytics ", set(WORDS)),
        ("%dev_analytics o", {"on", "off"}),
        ("dev_analytics di", {"disable"}),
        ("%dev_analytics log --", {"--stop"}),
        ("%dev_analytics schema e", {"embedding", "error_raised", "exited"}),
        ("%dev_analytics schema --", {"--json"}),
        ("%dev_analytics reset -", {"--yes"}),
        ("%dev_analytics report -", {"--since", "--html", "--csv"}),
        ("%dev_analytics report --since 7d --c", {"--csv"}),
    ],
)
def test_tab_completes_words_and_flags(
    run: Callable[[str], str], shell: Any, typed: str, offered: set[str]
) -> None:
    assert set(shell.complete(typed.split(" ")[-1], typed, len(typed))[1]) == offered


@pytest.mark.filterwarnings("ignore:`Completer.complete`")
@pytest.mark.parametrize("word", ["log", "report", "report --html"])
def test_tab_completes_the_path_of_a_file(
    run: Callable[[str], str],
    shell: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    word: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "events.jsonl").touch()
    typed = f"%dev_analytics {word} ev"
    assert shell.complete("ev", typed, len(typed))[1] == ["events.jsonl"]


def test_tab_completes_in_a_kernel_too(kernel: Callable[..., Any]) -> None:
    notebook = kernel()
    notebook.run("%load_ext dev_analytics")
    typed = "%dev_analytics di"
    reply = notebook.client.complete(typed, reply=True, timeout=240)["content"]
    assert "disable" in [match.strip() for match in reply["matches"]]


def test_every_command_is_recorded_by_its_name_alone(
    run: Callable[[str], str], tmp_path: Path
) -> None:
    run(f"%dev_analytics log {tmp_path / 'secret.jsonl'}")
    run("%dev_analytics")
    written = (tmp_path / "secret.jsonl").read_text()
    assert '"command": "log"' in written
    assert '"command": "status"' in written
    assert "secret" not in written


def test_the_schema_of_one_event_is_shown_by_either_of_its_names(run: Callable[[str], str]) -> None:
    assert run("%dev_analytics schema").startswith("launched ")
    shown = run("%dev_analytics schema message_send")
    assert shown.startswith("$ai_generation: A request was made to a language model")
    assert run("%dev_analytics schema $ai_generation") == shown
    assert json.loads(run("%dev_analytics schema exited --json"))["title"] == "exited"


SAMPLE = Path(__file__).parents[2] / "docs" / "sample-analytics.jsonl"


def test_a_report_in_a_terminal_is_text(run: Callable[[str], str]) -> None:
    shown = run(f"%dev_analytics report {SAMPLE}")
    assert "\nsessions  36\n" in shown
    assert "ACTIVITY BY HOUR" in shown


def test_a_report_takes_the_shell_s_options(run: Callable[[str], str], tmp_path: Path) -> None:
    where = f"--html '{tmp_path}/a report.html' --csv {tmp_path}/tables --since 2020-01-01"
    shown = run(f"%dev_analytics report {where} {SAMPLE}")
    assert f"Wrote {tmp_path}/a report.html.\n" in shown
    assert (tmp_path / "tables" / "events.csv").exists()
    assert "ACTIVITY" not in shown


def test_a_report_without_matplotlib_says_what_it_lacks(
    run: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    shown = run(f"%dev_analytics report --html {tmp_path}/report.html {SAMPLE}")
    assert shown.splitlines()[-2:] == [INSTALL, f"Wrote {tmp_path}/report.html."]


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "there is no archive yet: nothing was delivered to it; name an event log"),
        ("/no/such.jsonl", "/no/such.jsonl: there is no such file"),
        ("--since lately", "'lately' is neither a day as 2026-11-01 nor a span as 12h, 7d, 4w"),
        ("--last two", "unrecognized arguments: --last"),
        ("--csv", "argument --csv: expected one argument"),
    ],
)
def test_a_report_that_cannot_be_is_one_clear_line(
    run: Callable[[str], str], typed: str, says: str
) -> None:
    shown = run(f"%dev_analytics report {typed}").strip()
    assert shown.startswith("UsageError: %dev_analytics report: ")
    assert shown.endswith(says)
    assert "\n" not in shown


def test_a_report_in_a_kernel_is_interrupted_without_a_traceback(
    kernel: Callable[..., Any], tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    notebook = kernel({"DEV_ANALYTICS": "off"})
    notebook.run("%load_ext dev_analytics")
    # The pipe can be opened once the kernel reads it.
    opened: list[int] = []

    def read() -> bool:
        try:
            opened.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    assert notebook.interrupt_when(f"%dev_analytics report {pipe}", read) == "ok"
    os.close(opened[0])
    assert notebook.run("1 + 1").text == "2"


def test_loading_brings_nothing_of_the_report(kernel: Callable[..., Any]) -> None:
    notebook = kernel({"DEV_ANALYTICS": "off"})
    notebook.run("%load_ext dev_analytics")
    code = """
import sys
heavy = ("pandas", "matplotlib", "dev_analytics.views.report", "dev_analytics.apps.report")
print([name for name in heavy if name in sys.modules])
"""
    assert notebook.run(code).text.strip() == "[]"
    shown = notebook.run(f"%dev_analytics report {SAMPLE}")
    ((kind, content),) = shown.messages
    assert (kind, set(content["data"])) == ("display_data", {"text/plain", "text/html"})
    assert "<svg" in content["data"]["text/html"]
    assert "matplotlib.pyplot" not in notebook.run("import sys; print(*sys.modules)").text
