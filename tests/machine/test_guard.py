"""A run that writes outside of its tests' folders fails, and says what it wrote."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import pytest

TESTS = Path(__file__).parents[1]
Run = Callable[..., subprocess.CompletedProcess[str]]

ONE_PROCESS: tuple[str, ...] = ()
WORKERS = ("--numprocesses", "1")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of somebody who runs tests, with something in it already."""
    home = tmp_path / "somebody"
    startup = home / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "mine.py").write_text("mine = 1\n")
    (startup / "README").write_text("of IPython\n")
    (home / ".config").mkdir()
    return home


@pytest.fixture
def run(tmp_path: Path, home: Path) -> Run:
    """Run a test as this checkout runs its own, for somebody with this home."""

    def run(body: str, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / "tests"
        folder.mkdir()
        shutil.copy(TESTS / "conftest.py", folder)
        shutil.copytree(TESTS / "machine", folder / "machine", ignore=lambda *_: ["__pycache__"])
        (folder / "test_it.py").write_text(
            "import os, subprocess, sys\nfrom pathlib import Path\n"
            f"HOME = Path({str(home)!r})\n"
            "def test_another():\n    pass\n"
            f"def test_it(terminal):\n{indent(body, '    ')}\n"
        )
        inherited = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
        return subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-ra", *options),
                *("--rootdir", folder, folder / "test_it.py"),
            ],
            cwd=tmp_path,
            env={**inherited, "HOME": str(home), **environ},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


FAULTS = {
    "(STARTUP / '50-dev-analytics.py').touch()": "{startup}/50-dev-analytics.py: new",
    "(STARTUP / 'mine.py').write_text('other = 2')": "{startup}/mine.py: changed",
    "(STARTUP / 'README').unlink()": "{startup}/README: gone",
    "(HOME / '.ipython').chmod(0o700)": "{home}/.ipython: changed",
    "(HOME / '.config/other').mkdir()": "{home}/.config/other: new",
    "(HOME / 'events.jsonl').touch()": "{home}/events.jsonl: new",
    "Path(DATA, 'consent').touch()": "{data}/consent: new",
    "Path(POLICIES, 'policy.json').touch()": "{policies}/policy.json: new",
}


def counts(summary: str) -> dict[str, int]:
    """Return how many tests had which result; warnings are those of other packages."""
    found = re.findall(r"(\d+) (\w+?)s?\b", summary.partition(" in ")[0])
    return {what: int(number) for number, what in found if what != "warning"}


@pytest.mark.parametrize("options", [ONE_PROCESS, WORKERS], ids=["one process", "workers"])
def test_what_tests_leave_behind_fails_the_run_by_name(
    run: Run, home: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    startup = home / ".ipython" / "profile_default" / "startup"
    data, policies = tmp_path / "data of somebody", tmp_path / "policies"
    for folder in (data, policies):
        folder.mkdir()
    known = f"STARTUP, DATA, POLICIES = Path({str(startup)!r}), {str(data)!r}, {str(policies)!r}"
    ran = run(
        "; ".join([known, *FAULTS]),
        *options,
        DEV_ANALYTICS_DIR=str(data),
        XDG_CONFIG_DIRS=str(policies),
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    said = ran.stdout.splitlines()
    for line in FAULTS.values():
        assert line.format(home=home, startup=startup, data=data, policies=policies) in said
    assert counts(said[-1]) == {"passed": 2, "error": 1}


def test_a_run_that_stops_at_a_failure_is_compared_too(run: Run, home: Path) -> None:
    ran = run("(HOME / 'events.jsonl').touch(); assert False", "--exitfirst")
    assert f"{home / 'events.jsonl'}: new\n" in ran.stdout
    assert counts(ran.stdout.splitlines()[-1]) == {"failed": 1, "passed": 1, "error": 1}


def test_a_run_that_leaves_everything_as_it_was_passes(run: Run) -> None:
    """What tests write to the home and the machine that they are shown is theirs.

    Under workers the run that this test is in shows it.
    """
    ran = run("(Path.home() / 'mine').touch(); os.makedirs(os.environ['FAKE_ROOT'])")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout.splitlines()[-1]


SHOUTS = "print('hostile'); raise RuntimeError('hostile')"
SHELLS = """
shell = terminal("--DevAnalytics.sample_percent=0")
shell.prompt()
shown = shell.run("%load_ext dev_analytics") + shell.run("%dev_analytics status")
assert "hostile" not in shown
assert "policy" not in shown
for command in (["IPython", "-c", "print(1)"], ["jupyter", "kernelspec", "list", "--json"]):
    ran = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "hostile" not in ran.stdout
"""


def test_what_somebody_has_set_up_does_not_reach_the_tests(
    run: Run, home: Path, tmp_path: Path
) -> None:
    (home / ".ipython" / "profile_default" / "startup" / "mine.py").write_text(SHOUTS)
    set_up = tmp_path / "set up"
    for name in ("startup.py", "jupyter_config.py", "dev-analytics/policy.json"):
        (set_up / name).parent.mkdir(exist_ok=True, parents=True)
        (set_up / name).write_text(SHOUTS)
    ran = run(
        SHELLS,
        PYTHONSTARTUP=str(set_up / "startup.py"),
        IPYTHONDIR=str(home / ".ipython"),
        JUPYTER_CONFIG_PATH=str(set_up),
        JUPYTER_CONFIG_DIR=str(set_up),
        XDG_CONFIG_DIRS=str(set_up),
        DEV_ANALYTICS_POLICY=str(set_up / "dev-analytics/policy.json"),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
