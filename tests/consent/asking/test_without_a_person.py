"""Ways to answer the question without a person who has read it, in real terminals: none is one.

And a person's answers, which all are.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pytest

from dev_analytics import NOTICE
from dev_analytics.consent.asking.prompt import READING_SECONDS, SEVERAL, THROWN_AWAY, TOO_EARLY
from dev_analytics.consent.asking.question import DISABLED, FIRST, ON
from dev_analytics.consent.store import ConsentStore

DEV = [
    *(str(Path(sys.executable).with_name("dev")), "--no-banner", "--no-confirm-exit"),
    "--TerminalInteractiveShell.colors=NoColor",
]
LOAD, ON_COMMAND = "%load_ext dev_analytics", "%dev_analytics on"
NOBODY = "nobody here can answer the question"
NO_ANSWER = "No answer, so analytics stay off."
SIMPLE, EDITED = "--simple-prompt", "--TerminalInteractiveShell.simple_prompt=False"


class Session:
    """A program in a terminal of a size, with a bound on how long it is waited for."""

    def __init__(self, command: list[str]) -> None:
        self.process = pexpect.spawn(
            command[0], command[1:], encoding="utf-8", timeout=240, dimensions=(50, 160)
        )
        # What is typed before anything is shown must not be held back.
        self.process.delaybeforesend = None

    def sees(self, text: str) -> str:
        """Wait for `text`, and return what came before."""
        self.process.expect_exact(text)
        return str(self.process.before)

    def types(self, text: str) -> None:
        """Type keys, all at once."""
        self.process.send(text)

    def reads(self) -> None:
        """Take the time that a person needs to read the question: nothing shows its end."""
        time.sleep(READING_SECONDS)

    def is_at_the_prompt(self) -> None:
        """Type an input, and wait for what it shows: nothing else is read at the moment."""
        self.types("print('ready'.upper())\r")
        self.sees("READY")


@pytest.fixture
def session(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Session]]:
    """Start programs, IPython unless a test says otherwise; all are ended after the test."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("PROMPT_TOOLKIT_NO_CPR", "1")
    # Where it is set nobody is asked who does not ask for it, whatever is drawn.
    monkeypatch.setenv("CI", "1")
    started: list[Session] = []

    def start(*arguments: str, command: list[str] | None = None) -> Session:
        ipython = [sys.executable, "-m", "IPython", *DEV[1:]]
        started.append(Session([*(command or ipython), *arguments]))
        return started[-1]

    yield start
    for one in started:
        # The program that `script` runs has a session of its own, which outlives this terminal.
        with suppress(psutil.Error):
            family = psutil.Process(one.process.pid).children(recursive=True)
            for each in family:
                with suppress(psutil.Error):
                    each.kill()
        # It says so where a process that was killed takes its time to be gone.
        with suppress(pexpect.ExceptionPexpect):
            one.process.close(force=True)


@pytest.fixture
def answer(data: Path) -> Callable[[], str]:
    """Return the answer that the store holds; that the user was asked is checked."""

    def read() -> str:
        consent = ConsentStore(data).read()
        assert consent.asked_on is not None or consent.opted_out or consent.user_id
        return "no" if consent.opted_out else "yes" if consent.user_id else "none"

    return read


@contextmanager
def case(typed: str) -> Iterator[None]:
    """Name what is typed in whatever fails."""
    try:
        yield
    except Exception as error:
        error.add_note(f"with {typed!r}")
        raise


def fed(feeder: str) -> list[str]:
    """Return a command that feeds the terminal of ``dev --analytics`` with what `feeder` prints."""
    dev = shlex.join([*DEV, SIMPLE, "--analytics"])
    return ["sh", "-c", f"{feeder} | script -qec {shlex.quote(dev)} /dev/null"]


# 1 to 3: keys that were pressed while the program started.


@pytest.mark.parametrize(
    ("prompt", "keys"),
    [(SIMPLE, "\r"), (SIMPLE, "y"), (SIMPLE, "yes\r\r\r"), (EDITED, "y\r")],
)
def test_what_is_typed_while_dev_starts_is_thrown_away(
    session: Callable[..., Session], answer: Callable[[], str], prompt: str, keys: str
) -> None:
    dev = session(prompt, "--analytics", command=DEV)
    dev.types(keys)
    dev.sees(FIRST.prompt)
    dev.types("q\r")
    dev.sees(NO_ANSWER)
    assert answer() == "none"


def test_what_is_typed_ahead_is_no_answer_to_a_question_that_comes_by_itself(
    session: Callable[..., Session], answer: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI")
    dev = session(EDITED, "--DevAnalytics.sample_percent=100", command=DEV)
    dev.types("\r")
    assert THROWN_AWAY in dev.sees(FIRST.prompt)
    dev.types("q\r")
    dev.sees(NO_ANSWER)
    assert answer() == "none"


# 4 to 6: lines that were pasted, or typed quickly, at IPython's prompt.


@pytest.mark.parametrize(
    ("prompt", "end", "line", "first"),
    [
        (SIMPLE, "\n", "", "x = 1"),
        (SIMPLE, "\r", "y", "x = 1"),
        (SIMPLE, "\r", "", "import readline"),
        (SIMPLE, "\n", "yes", "import readline"),
        (EDITED, "\r", "", "x = 1"),
        (EDITED, "\n", "y", "x = 1"),
    ],
)
def test_lines_that_are_pasted_at_the_prompt_are_thrown_away(
    session: Callable[..., Session],
    answer: Callable[[], str],
    prompt: str,
    end: str,
    line: str,
    first: str,
) -> None:
    ipython = session(prompt)
    ipython.sees("In ")
    ipython.types(end.join((first, LOAD, ON_COMMAND, line, "x = 2", "")))
    assert THROWN_AWAY in ipython.sees(FIRST.prompt)
    ipython.types("q\r")
    ipython.sees(NO_ANSWER)
    assert answer() == "none"
    ipython.is_at_the_prompt()


def test_a_bracketed_paste_at_the_prompt_is_a_cell_and_no_answer(
    session: Callable[..., Session], answer: Callable[[], str]
) -> None:
    ipython = session(EDITED)
    ipython.sees("In ")
    ipython.types(f"\x1b[200~{LOAD}\n{ON_COMMAND}\n\n\nshown = 6 * 7\x1b[201~\x1b\r\r\r")
    ipython.sees(FIRST.prompt)
    ipython.types("q\r")
    ipython.sees(NO_ANSWER)
    assert answer() == "none"
    ipython.types("print(shown)\r")
    ipython.sees("42")


# 7 and 8: what is pasted at the question itself.


@pytest.mark.parametrize(
    ("prompt", "pastes"),
    [
        (SIMPLE, ("y\rx = 1\r", "\r\r", "\x1b[200~y\rx = 1\r\x1b[201~\r")),
        (EDITED, ("yes\r\r",)),
    ],
)
def test_lines_that_are_pasted_at_the_question_are_no_answer(
    session: Callable[..., Session],
    answer: Callable[[], str],
    data: Path,
    prompt: str,
    pastes: tuple[str, ...],
) -> None:
    ipython = session(prompt)
    ipython.sees("In ")
    ipython.types(f"{LOAD}\r")
    ipython.is_at_the_prompt()
    for pasted in pastes:
        ipython.types(f"{ON_COMMAND}\r")
        with case(pasted):
            for _ in range(2):
                ipython.sees(FIRST.prompt)
                ipython.reads()
                ipython.types(pasted)
                ipython.sees(SEVERAL)
            ipython.sees(FIRST.prompt)
            ipython.reads()
            ipython.types(pasted)
            ipython.sees(NO_ANSWER)
            assert answer() == "none"
            ipython.is_at_the_prompt()
        ConsentStore(data).reset()


# 9: Enter without a look at the question.


@pytest.mark.parametrize("prompt", [SIMPLE, EDITED])
def test_enter_at_once_is_no_answer(
    session: Callable[..., Session], answer: Callable[[], str], prompt: str
) -> None:
    dev = session(prompt, "--analytics", command=DEV)
    for _ in range(2):
        dev.sees(FIRST.prompt)
        dev.types("\r")
        dev.sees(TOO_EARLY[:40])
    dev.sees(FIRST.prompt)
    dev.types("\r")
    dev.sees(NO_ANSWER)
    assert answer() == "none"


# 10 to 15: programs that feed a terminal which no window shows.


# Nobody is asked there, so nothing is read: when a program types tells no two of them apart.
@pytest.mark.parametrize(
    "feeder",
    [
        "yes ''",
        "while sleep 0.3; do echo; done",
        "(printf '\\n\\n\\ny\\ny\\n'; sleep 240)",
        "cat /dev/null",
    ],
)
def test_no_program_answers_through_a_terminal_of_its_own(
    session: Callable[..., Session], data: Path, feeder: str
) -> None:
    shown = session(command=fed(feeder)).sees(NOBODY)
    assert FIRST.words not in shown
    assert ConsentStore(data).read().asked_on is None


def test_a_program_that_types_slowly_into_a_terminal_of_its_own_is_not_asked(
    session: Callable[..., Session], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The y of the third line is the name of a variable."""
    monkeypatch.setenv("DEV_ANALYTICS", "on")
    lines = " ".join(shlex.quote(line) for line in ("y = 2", LOAD, "y", ON_COMMAND, "y", "exit"))
    feeder = f'(for line in {lines}; do sleep {3 * READING_SECONDS}; echo "$line"; done)'
    ipython = shlex.quote(shlex.join([sys.executable, "-m", "IPython", *DEV[1:], SIMPLE]))
    shown = session(command=["sh", "-c", f"{feeder} | script -qec {ipython} /dev/null"])
    assert FIRST.words not in shown.sees(NOBODY)
    shown.process.expect(pexpect.EOF)
    assert FIRST.words not in shown.process.before
    assert ConsentStore(data).read().user_id is None


def test_a_here_document_answers_nothing_through_a_terminal_of_its_own(
    session: Callable[..., Session], data: Path
) -> None:
    ipython = shlex.quote(shlex.join([sys.executable, "-m", "IPython", *DEV[1:], SIMPLE]))
    lines = "\n".join((LOAD, ON_COMMAND, "", "y", "yes", "", "x = 1", "END"))
    shown = session(command=["sh", "-c", f"script -qec {ipython} /dev/null <<'END'\n{lines}\n"])
    assert FIRST.words not in shown.sees(NOBODY)
    assert ConsentStore(data).read().asked_on is None


# 16: a program whose terminal has a size, as that of expect has.


@pytest.mark.parametrize(("prompt", "seconds"), [(SIMPLE, 0.2), (EDITED, 0.7), (SIMPLE, 1.5)])
def test_no_program_answers_that_presses_enter_at_a_pace_from_the_start(
    session: Callable[..., Session], answer: Callable[[], str], prompt: str, seconds: float
) -> None:
    dev = session(prompt, "--analytics", command=DEV)
    dev.types("\r")
    ends = [NO_ANSWER, ON[:40], pexpect.TIMEOUT]
    while dev.process.expect_exact(ends, timeout=seconds) == 2:
        dev.types("\r")
    assert answer() == "none"


# 17 and 18: clients of a kernel.


@pytest.mark.parametrize("answers", [("",) * 10, ("", " ", "\t", "q")])
def test_a_client_that_sends_empty_lines_has_not_answered(
    kernel: Callable[..., Any], answer: Callable[[], str], answers: tuple[str, ...]
) -> None:
    notebook = kernel({"CI": "1"})
    notebook.run(LOAD)
    ran = notebook.run(ON_COMMAND, answers=answers)
    assert NO_ANSWER in ran.text
    assert ran.asked == [FIRST.unchosen.prompt] * len(answers)
    assert answer() == "none"


@pytest.mark.parametrize("given", ["y", "yes"])
def test_a_client_that_says_yes_at_once_has_not_read_the_question(
    kernel: Callable[..., Any], answer: Callable[[], str], given: str
) -> None:
    notebook = kernel({"CI": "1"})
    notebook.run(LOAD)
    ran = notebook.run(ON_COMMAND, answers=(given,) * 3, reads=False)
    assert NO_ANSWER in ran.text
    assert len(ran.asked) == 3
    assert answer() == "none"


@pytest.mark.parametrize("command", [ON_COMMAND, "%dev_analytics reset"])
def test_a_cell_that_puts_its_own_in_place_of_input_does_not_answer(
    kernel: Callable[..., Any], answer: Callable[[], str], data: Path, command: str
) -> None:
    if "reset" in command:
        ConsentStore(data).opt_out()
    notebook = kernel({"CI": "1"})
    notebook.run(LOAD)
    cell = f"""
import builtins, time
builtins.input = lambda *prompt: time.sleep({READING_SECONDS}) or "y"
get_ipython().run_cell({command!r})
"""
    ran = notebook.run(cell, answers=("q",))
    assert len(ran.asked) == 1
    assert answer() == ("no" if "reset" in command else "none")


def test_a_client_that_says_no_at_once_has_refused(
    kernel: Callable[..., Any], answer: Callable[[], str]
) -> None:
    notebook = kernel({"CI": "1"})
    notebook.run(LOAD)
    assert DISABLED in notebook.run(ON_COMMAND, answers=("n",), reads=False).text
    assert answer() == "no"


# The end of input, at a terminal.


@pytest.mark.parametrize("keys", ["\x04", "\x03", "y\x04\x04", "y\x03"])
def test_leaving_the_question_with_a_key_is_no_answer(
    session: Callable[..., Session], answer: Callable[[], str], keys: str
) -> None:
    dev = session(SIMPLE, "--analytics", command=DEV)
    dev.sees(FIRST.prompt)
    dev.types(keys)
    dev.sees(NO_ANSWER)
    assert answer() == "none"


# A person.


@pytest.mark.parametrize(
    ("prompt", "answers"),
    [
        (SIMPLE, ("", "y", "Y", "YES", "n", "never", "No, thanks!", "q")),
        (EDITED, ("", "y", "n", "exit")),
    ],
)
def test_every_answer_of_a_person_is_taken_as_it_is_meant(
    session: Callable[..., Session],
    answer: Callable[[], str],
    data: Path,
    prompt: str,
    answers: tuple[str, ...],
) -> None:
    """The first is asked for at the start, each other one by the command, of a user unasked."""
    dev = session(prompt, "--analytics", command=DEV)
    for typed in answers:
        with case(typed):
            dev.sees(FIRST.prompt)
            dev.reads()
            dev.types(f"{typed}\r")
            means = str(FIRST.parse(typed)).removeprefix("Answer.").lower()
            dev.sees({"yes": ON[:40], "no": DISABLED, "none": NO_ANSWER}[means])
            assert answer() == means
            dev.is_at_the_prompt()
        ConsentStore(data).reset()
        dev.types(f"{ON_COMMAND}\r")
    dev.sees(FIRST.prompt)


def test_a_person_who_was_too_quick_reads_and_answers(
    session: Callable[..., Session], answer: Callable[[], str]
) -> None:
    dev = session(SIMPLE, "--analytics", command=DEV)
    dev.sees(FIRST.prompt)
    dev.types("\r")
    dev.sees(FIRST.prompt)
    assert answer() == "none"
    dev.reads()
    dev.types("\r")
    dev.sees(ON[:40])
    assert answer() == "yes"


def test_a_person_who_typed_ahead_is_asked_and_answers(
    session: Callable[..., Session], answer: Callable[[], str]
) -> None:
    dev = session(SIMPLE, "--analytics", command=DEV)
    dev.types("\r")
    dev.sees(FIRST.prompt)
    assert answer() == "none"
    dev.reads()
    dev.types("y\r")
    dev.sees(ON[:40])
    assert answer() == "yes"


def test_a_terminal_without_a_window_is_not_asked_and_a_word_says_why(
    session: Callable[..., Session], data: Path
) -> None:
    # Not before pexpect has set a window of its own, which it does after the start.
    shrunk = ["sh", "-c", 'read set; stty cols 0 rows 0; "$@"', "", *DEV]
    dev = session(SIMPLE, "--analytics", command=shrunk)
    dev.types("\r")
    assert FIRST.words not in dev.sees(NOBODY)
    dev.types("y\r")
    dev.is_at_the_prompt()
    dev.types(f"{ON_COMMAND}\r")
    dev.sees(NOBODY)
    assert ConsentStore(data).read().user_id is None


# What is read from the terminal is asked there, whatever a program did to its output.


@pytest.mark.parametrize(
    "mute",
    [
        "import builtins; builtins.print = lambda *given, **options: None",
        "import sys, io; log = io.StringIO(); log.isatty = lambda: True; sys.stdout = log",
    ],
)
def test_the_question_is_shown_whatever_stands_in_place_of_the_output(
    session: Callable[..., Session], answer: Callable[[], str], mute: str
) -> None:
    ipython = session(SIMPLE)
    ipython.sees("In ")
    ipython.types(f"{LOAD}\r")
    ipython.is_at_the_prompt()
    ipython.types(f"{mute}; get_ipython().run_line_magic('dev_analytics', 'on')\r")
    ipython.sees("The records would be kept on this machine only")
    ipython.sees(FIRST.prompt)
    ipython.types("q\r")


def test_where_the_output_is_no_terminal_nobody_is_asked(
    session: Callable[..., Session], data: Path, tmp_path: Path
) -> None:
    """A log may pass on to a program all but what it writes, and say that it is a terminal."""
    ipython = shlex.join([sys.executable, "-m", "IPython", *DEV[1:], SIMPLE])
    log = tmp_path / "log"
    session(command=["sh", "-c", f"{ipython} > {shlex.quote(str(log))}"]).types(
        f"import sys; sys.stdout.isatty = lambda: True\r{LOAD}\r{ON_COMMAND}\rexit\r"
    )
    wait_for = time.monotonic() + 240
    while NOBODY not in (shown := log.read_text("utf-8") if log.exists() else ""):
        assert time.monotonic() < wait_for, shown
        time.sleep(0.05)
    assert FIRST.words not in shown
    assert ConsentStore(data).read().user_id is None


def test_a_question_mark_shows_the_records_above_the_question(
    session: Callable[..., Session], answer: Callable[[], str], data: Path
) -> None:
    ipython = session(SIMPLE)
    ipython.sees("In ")
    ipython.types(f"{LOAD}\r")
    ipython.is_at_the_prompt()
    ipython.types(f"{ON_COMMAND}\r")
    ipython.sees(FIRST.prompt)
    ipython.types("?\r")
    shown = ipython.sees(FIRST.prompt)
    assert "cell executed: " in shown
    assert '"event":"cell executed"' in shown.replace('": "', '":"')
    assert "# would have been sent" in shown
    assert answer() == "none"
    ipython.types("n\r")
    ipython.sees(DISABLED)
    assert answer() == "no"


def test_at_the_start_a_question_mark_shows_the_launch(terminal: Callable[..., Any]) -> None:
    ipython = terminal("--ext=dev_analytics", "--DevAnalytics.sample_percent=100")
    ipython.until(FIRST.prompt)
    ipython.type("?")
    shown = ipython.until(FIRST.prompt)
    assert "# would have been sent" in shown
    assert '"event": "launched", "distinct_id": null' in shown.replace("\r\n", "")
    ipython.type("q")
    ipython.prompt()
    ipython.leave()


ENDS = {
    "y\r": ON[:40],
    "\x03": NO_ANSWER,
    "q\r": NO_ANSWER,
    "\r\r": SEVERAL,
    "?\r": "would have been sent",
    "what\r": FIRST.possible,
}


@pytest.mark.parametrize("prompt", [SIMPLE, EDITED])
def test_the_terminal_is_left_in_the_mode_that_it_was_in(
    session: Callable[..., Session], data: Path, prompt: str
) -> None:
    mode = "import termios; print('mode', termios.tcgetattr(0)[:6], 'end')\r"

    def look() -> str:
        ipython.types(mode)
        ipython.process.expect(r"mode (\[\d[^\n]*?\]) end")
        return str(ipython.process.match[1])

    ipython = session(prompt)
    ipython.sees("In ")
    before = look()
    ipython.types(f"{LOAD}\r")
    ipython.is_at_the_prompt()
    for keys, says in ENDS.items():
        ipython.types(f"{ON_COMMAND}\r")
        with case(keys):
            ipython.sees(FIRST.prompt)
            if says == ON[:40]:
                ipython.reads()
            ipython.types(keys)
            ipython.sees(says)
            if says not in (ON[:40], NO_ANSWER):
                ipython.sees(FIRST.prompt)
                ipython.types("q\r")
                ipython.sees(NO_ANSWER)
            ipython.is_at_the_prompt()
            assert look() == before
        ConsentStore(data).reset()


# The same holds for the way back from an opt-out.


@pytest.mark.parametrize("prompt", [SIMPLE, EDITED])
def test_an_opt_out_is_not_lifted_by_what_was_typed_ahead(
    session: Callable[..., Session], answer: Callable[[], str], data: Path, prompt: str
) -> None:
    ConsentStore(data).opt_out()
    ipython = session(prompt)
    ipython.sees("In ")
    ipython.types(f"{LOAD}\r%dev_analytics reset\ry\r")
    ipython.sees("[No]: ")
    ipython.reads()
    assert answer() == "no"
    ipython.types("\r")
    ipython.sees("Nothing was changed.")
    assert answer() == "no"


def test_what_is_new_is_not_agreed_to_ahead(
    session: Callable[..., Session],
    data: Path,
    newer_catalogue: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", newer_catalogue["PYTHONPATH"])
    ConsentStore(data).agree(NOTICE, date.today())
    ipython = session(SIMPLE)
    ipython.sees("In ")
    ipython.types(f"import newer\r{LOAD}\r{ON_COMMAND}\ry\r\r")
    ipython.sees("[Keep]: ")
    ipython.types("q\r")
    ipython.sees("No answer, so analytics stay as you agreed to them.")
    consent = ConsentStore(data).read()
    assert (consent.notice, consent.kept_notice) == (NOTICE, 0)


INSIDE = """
import os
from dev_analytics.consent.asking.presence import started_by_cell
before = started_by_cell()
os.environ.pop("JPY_PARENT_PID", None)
print(before, started_by_cell())
os.environ["JPY_PARENT_PID"] = "1"
print(started_by_cell())
"""


@pytest.mark.parametrize("started_by_a_cell", [True, False])
def test_code_does_not_change_whether_a_cell_started_this_process(started_by_a_cell: bool) -> None:
    """By a variable, which code that runs in the process can take away or set."""
    environ = {name: value for name, value in os.environ.items() if name != "JPY_PARENT_PID"}
    if started_by_a_cell:
        environ["JPY_PARENT_PID"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", INSIDE], capture_output=True, text=True, check=True, env=environ
    )
    assert done.stdout.split() == [str(started_by_a_cell)] * 3
