"""Public names, asked of a process of our own: a real one, and what can go wrong with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dev_analytics import names
from dev_analytics.names import MOST_FAILURES, MOST_KNOWN, Lookup, NotKnownYet

DATED = ("model", "gpt-4o-2024-08-06", None)
OPENAI = ("provider", "https://api.openai.com/v1")


@pytest.fixture
def lookup() -> Iterator[Lookup]:
    lookup = Lookup()
    yield lookup
    lookup.rest()


def pipes() -> set[str]:
    """Give the pipes that this process has open; threads of other tests may have other files."""
    found = set()
    for one in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.add(str(one.readlink()))
    return {one for one in found if one.startswith("pipe:")}


def ended(lookup: Lookup) -> Callable[[], None]:
    """Give a function that waits until the process has ended."""
    assert lookup._pipes is not None
    listen = os.dup(lookup._pipes[1])

    def wait() -> None:
        with os.fdopen(listen, "rb") as stream:
            assert stream.read() == b""

    return wait


def broken(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str) -> None:
    """Have another program asked, which leaves its work to a child as the real one does."""
    source = f"import os, sys\nif os.fork():\n    os._exit(0)\n{source}\n"
    (folder / "not_the_matcher.py").write_text(source, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(names, "MODULE", "not_the_matcher")


def test_a_name_is_asked_for_once_and_then_known(lookup: Lookup) -> None:
    for find, question, expected in (
        (lambda: lookup.model(*DATED[1:]), DATED, "gpt-4o"),
        (lambda: lookup.provider(OPENAI[1]), OPENAI, "openai"),
        (lambda: lookup.model("acme-7b", "openai"), ("model", "acme-7b", "openai"), None),
    ):
        with pytest.raises(NotKnownYet) as unknown:
            find()
        assert unknown.value.question == question
        assert lookup.learn(question)
        assert find() == expected
    lookup.rest()
    assert lookup.learn(DATED)
    assert lookup._pipes is None  # nobody had to be asked


def test_what_is_known_now_is_answered_without_waiting(lookup: Lookup) -> None:
    lookup.learn(DATED)
    known = lookup.known()
    assert known.model(*DATED[1:]) == "gpt-4o"
    assert known.provider("https://acme.example") is None


def test_the_user_s_process_loads_nothing_of_it() -> None:
    program = f"""
import sys
from dev_analytics import names
from dev_analytics.names import NAMES
names.LONGEST_WAIT = 240
before = set(sys.modules)
assert NAMES.learn({DATED!r})
assert NAMES.model(*{DATED[1:]!r}) == "gpt-4o"
print(sorted(set(sys.modules) - before))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_the_process_ends_when_it_may_rest_and_another_is_started(lookup: Lookup) -> None:
    lookup.learn(DATED)
    wait = ended(lookup)
    lookup.rest()
    wait()
    assert lookup.learn(OPENAI)
    assert lookup.provider(OPENAI[1]) == "openai"


def test_the_process_ends_with_the_user_s_however_that_ends() -> None:
    program = f"""
import os, signal
from dev_analytics import names
from dev_analytics.names import NAMES
names.LONGEST_WAIT = 240
assert NAMES.learn({DATED!r})
os.kill(os.getpid(), signal.SIGKILL)
"""
    read, write = os.pipe()
    # The process that answers inherits this end: it is closed when that ends, too.
    ran = subprocess.run([sys.executable, "-c", program], pass_fds=[write])
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        assert stream.read() == b""
    assert ran.returncode == -signal.SIGKILL


def test_a_process_that_was_killed_is_replaced(
    lookup: Lookup, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken(monkeypatch, tmp_path, """sys.stdin.readline() and print('"gpt-4o"')""")
    for number in range(3):
        assert lookup.learn(("model", str(number), None))
        assert lookup.model(str(number), None) == "gpt-4o"
        ended(lookup)()


@pytest.mark.parametrize(
    "source",
    ["raise SystemExit", "sys.stdin.read()", "print('no json')", "print('7')"],
    ids=["ends", "hangs", "babbles", "answers a number"],
)
def test_after_three_failures_nobody_is_asked_any_more(
    lookup: Lookup, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str
) -> None:
    broken(monkeypatch, tmp_path, source)
    monkeypatch.setattr(names, "LONGEST_WAIT", 0.3)
    asked = [lookup.learn(("model", str(number), None)) for number in range(MOST_FAILURES + 2)]
    assert asked == [False] * MOST_FAILURES + [True] * 2
    assert lookup.model("0", None) is None
    assert lookup._pipes is None


def test_a_process_that_cannot_be_started_is_a_failure(
    lookup: Lookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    open_before = pipes()
    assert not lookup.learn(DATED)
    assert lookup.model(*DATED[1:]) is None
    assert pipes() <= open_before


def test_without_genai_prices_nobody_is_asked(
    lookup: Lookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "find_spec", lambda name: None)
    assert not lookup.installed
    assert lookup.learn(DATED)
    assert lookup.model(*DATED[1:]) is None
    assert lookup._pipes is None


def test_a_forked_child_asks_a_process_of_its_own(lookup: Lookup) -> None:
    lookup.learn(DATED)
    mine = lookup._pipes
    child = os.fork()
    if child == 0:
        lookup.after_fork()
        good = lookup._pipes is None and lookup.learn(OPENAI)
        os._exit(0 if good and lookup.provider(OPENAI[1]) == "openai" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert lookup._pipes == mine
    assert lookup.learn(OPENAI)


def test_what_is_remembered_is_bounded(lookup: Lookup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "find_spec", lambda name: None)
    for number in range(MOST_KNOWN + 5):
        lookup.learn(("model", str(number), None))
    assert len(lookup._known) == 5


def test_no_name_stands_where_other_users_see_it(lookup: Lookup) -> None:
    """Names go through a pipe: not the command line, not the environment, not a file."""
    lookup.learn(("model", "Xanadu7-private", None))
    for each in Path("/proc").glob("[0-9]*"):
        try:
            seen = (each / "cmdline").read_bytes() + (each / "environ").read_bytes()
        except OSError:
            continue
        assert b"Xanadu7-private" not in seen


def test_the_two_sides_speak_the_same_words() -> None:
    questions = [["model", "gpt-4o-2024-08-06", None], ["provider", "https://api.openai.com"]]
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    program = "import sys; from dev_analytics.catalogue.matcher import answer, load\n"
    program += "answer(sys.stdin.buffer, sys.stdout.buffer, load())"
    ran = subprocess.run(
        [sys.executable, "-c", program], input=lines, capture_output=True, text=True
    )
    assert (ran.stdout, ran.stderr) == ('"gpt-4o"\n"openai"\n', "")
