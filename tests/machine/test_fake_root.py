"""The configuration that a machine has for everybody is looked for below a test's own folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LOOK = """
import json, platformdirs
from IPython.core import application, shellapp
from jupyter_core import paths
print(json.dumps([
    *application.SYSTEM_CONFIG_DIRS, *shellapp.SYSTEM_CONFIG_DIRS,
    *paths.SYSTEM_CONFIG_PATH, *paths.SYSTEM_JUPYTER_PATH,
    platformdirs.site_config_dir("dev-analytics"),
]))
"""


def look(*command: str | Path, **environ: str) -> list[str]:
    """Return where a Python looks for everybody's configuration."""
    shown = subprocess.check_output(
        [*command, "-c", LOOK], env={**os.environ, **environ}, text=True
    )
    return list(json.loads(shown))


@pytest.mark.parametrize("flags", [(), ("-I",), ("-E",), ("-P",)], ids=str)
def test_every_python_of_the_environment_looks_below_the_test_s_folder(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    places = look(sys.executable, *flags)
    assert len(places) >= 9
    assert [place for place in places if not place.startswith(f"{tmp_path}/root/")] == []


def test_so_does_one_that_sees_the_environment_s_packages(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", symlinks=True)
    (packages,) = (tmp_path / "venv" / "lib").glob("*/site-packages")
    ours = sysconfig.get_path("purelib")
    (packages / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    places = look(tmp_path / "venv" / "bin" / "python")
    assert [place for place in places if not place.startswith(f"{tmp_path}/root/")] == []


def test_so_does_a_kernel_and_so_does_this_process(
    tmp_path: Path, kernel: Callable[..., Any]
) -> None:
    from IPython.core.application import SYSTEM_CONFIG_DIRS

    places = json.loads(kernel().run(LOOK).text)
    assert [place for place in places if not place.startswith(f"{tmp_path}/root/")] == []
    assert places[:2] == SYSTEM_CONFIG_DIRS


def test_without_the_variable_nothing_is_moved() -> None:
    places = look(sys.executable, FAKE_ROOT="", XDG_CONFIG_DIRS="")
    assert places[:2] == ["/usr/local/etc/ipython", "/etc/ipython"]
    assert not [place for place in places if "/root/" in place]


def test_an_environment_that_cannot_move_them_runs_no_test(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "import sys, pytest; del sys.modules['fake_root']; pytest.main()"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "run make .venv/test.stamp" in ran.stderr
    assert "passed" not in ran.stdout
