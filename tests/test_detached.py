"""What a process of our own is given of the user's: Python, flags and environment."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import dev_analytics
from dev_analytics.consent.decision import VARIABLES
from dev_analytics.process import detached
from dev_analytics.process.detached import environment, python

PROJECT = Path(dev_analytics.__file__).parent.parent


def test_it_is_given_the_variables_that_it_needs_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needed = {"PATH", "HOME", "LC_ALL", "PYTHONUSERBASE", "LD_LIBRARY_PATH", "HTTPS_PROXY"}
    needed |= {"no_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "XDG_CONFIG_DIRS"}
    needed |= {"DEV_ANALYTICS_POLICY", *VARIABLES.values()}
    others = {"OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "JPY_SESSION_NAME"}
    others |= {"USER", "PWD", "OLDPWD", "PYTHONINSPECT"}
    for name in needed | others:
        monkeypatch.setenv(name, "value")
    assert needed <= set(environment())
    assert not others & set(environment())


def test_what_else_is_on_the_path_stays_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "lib").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/elsewhere", "", ".", "lib", "/last"]))
    expected = ["/elsewhere", str(tmp_path / "here" / "lib"), "/last"]
    assert environment()["PYTHONPATH"].split(os.pathsep) == expected


def test_a_checkout_that_is_worked_in_stays_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    monkeypatch.setenv("PYTHONPATH", ".")
    assert environment()["PYTHONPATH"] == str(PROJECT)


PYTHONS = (
    "python",
    "python3",
    "python3.13t",
    "python3.11-dbg",
    "pypy3.10",
    "Python",
    "pythonw.exe",
)
OTHERS = (
    "app",
    "uwsgi",
    "blender",
    "python-editor",
    "pythonista",
    "ipython",
    "python.sh",
    "FreeCAD",
)


@pytest.mark.parametrize("name", [*PYTHONS, *OTHERS])
def test_only_what_is_called_as_a_python_is_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """To start another program is to start the user's once more."""
    program = tmp_path / name
    program.touch(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    if name in PYTHONS:
        assert python() == str(program)
        return
    with pytest.raises(OSError, match="inside another program"):
        python()


def test_a_link_to_a_python_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "our-tools").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "our-tools"))
    assert python() == str(tmp_path / "our-tools")


@pytest.mark.parametrize("sign", ["frozen", "_MEIPASS"])
def test_a_frozen_program_is_none_whatever_it_is_called(
    monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    monkeypatch.setattr(sys, sign, True, raising=False)
    with pytest.raises(OSError, match="frozen"):
        python()


@pytest.mark.parametrize("program", ["", None])
def test_where_python_knows_no_program_of_its_own_there_is_none(
    monkeypatch: pytest.MonkeyPatch, program: str | None
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(OSError, match="no Python to start"):
        python()


FLAGS = "from dev_analytics.process.detached import flags; print(*flags())"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "-P"),
        ("-I", "-I"),
        ("-E -s -B", "-P -E -s -B"),
        ("-S", "-P -S"),
        ("-X pycache_prefix=/tmp/compiled", "-P -X pycache_prefix=/tmp/compiled"),
        ("-I -X utf8 -W error -X dev -O", "-I -X utf8"),
    ],
)
def test_what_the_user_shut_out_is_shut_out_there(given: str, expected: str) -> None:
    """And what is for the user's own code is not taken over: warnings, checks of developers."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, *given.split(), "-c", FLAGS]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, cwd=PROJECT)
    assert (ran.stdout, ran.stderr) == (f"{expected}\n", "")


def test_a_variable_that_no_shell_can_name_prevents_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHON-X", "value")
    monkeypatch.setenv("PYTHON_X", "a 'value'")
    script = detached._script([sys.executable, "-c", "import os; print(os.environ)"], "", 0.0)
    shown = script.replace(b">/dev/null", b"").replace(b"2>&1", b"")
    ran = subprocess.run(["/bin/sh"], input=shown, env={}, capture_output=True, text=False)
    assert ran.stderr == b""
    assert b"\"a 'value'\"" in ran.stdout
    assert b"PYTHON-X" not in ran.stdout


def test_options_that_no_pipe_holds_are_an_error_and_nobody_waits() -> None:
    with pytest.raises(OSError, match=os.strerror(errno.E2BIG)):
        detached.spawn("no_module", {"much": "x" * 2**21})
