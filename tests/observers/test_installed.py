"""A source file is of a public package only where that package is really installed."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import sysconfig
from pathlib import Path

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics.observers.installed import is_installed, package_of

SITE = sysconfig.get_path("purelib")


@pytest.mark.parametrize(
    ("file", "package"),
    [
        (pandas.__file__, "pandas"),
        (json.__file__, "json"),
        (json.decoder.__file__, "json"),
        (os.__file__, "os"),
        ("<frozen importlib._bootstrap>", "importlib"),
        (f"{SITE}/six.py", "six"),
        (f"{SITE}/numpy/linalg/_linalg.py", "numpy"),
        (f"{site.USER_SITE}/numpy/linalg/_linalg.py", "numpy"),
        (os.path.realpath(f"{SITE}/numpy/linalg/_linalg.py"), "numpy"),
    ],
)
def test_an_installed_file_is_of_its_package(file: str, package: str) -> None:
    assert package_of(file) == package


@pytest.mark.parametrize(
    "file",
    [
        "/home/jane/notes on site-packages/pandas.py",
        "/home/jane/site-packages/pandas.py",
        "/home/jane/my-site-packages/pandas/x.py",
        "/home/jane/dist-packages.old/pandas/x.py",
        f"{SITE}-old/pandas/x.py",
        f"/home/jane{SITE}/pandas/x.py",
        "site-packages/pandas/x.py",
        "<stdin>",
        "",
        None,
        b"site-packages/pandas.py",
    ],
)
def test_any_other_file_is_of_none(file: object) -> None:
    assert package_of(file) is None


@given(st.text(st.characters(exclude_characters="\0"), max_size=20))
def test_no_folder_of_the_user_is_installed_whatever_it_is_called(name: str) -> None:
    assert package_of(f"/home/jane/{name}/site-packages/pandas.py") is None
    assert package_of(f"/home/jane/site-packages{name}/pandas.py") is None


@pytest.mark.parametrize(
    ("module", "file", "beside", "installed"),
    [
        ("an_sdk", "an_sdk/__init__.py", "an_sdk-1.0.dist-info", True),
        ("an_sdk.part", "an_sdk/part.py", "An_SDK_AI-1.0.dist-info", True),
        ("an_sdk.part", "an_sdk/part/__init__.pyc", "an.sdk-1.0.egg-info", False),
        ("an_sdk.part", "an_sdk/part/__init__.pyc", "an-sdk-1.0.egg-info", True),
        ("an_sdk", "an_sdk/__init__.py", "another-1.0.dist-info", False),
        ("an_sdk", "an_sdk/__init__.py", "an_sdk", False),
        ("an_sdk.part", "an_sdk/part.py", "an_sdk/an_sdk-1.0.dist-info", False),
    ],
)
def test_a_folder_holds_a_distribution_if_what_describes_it_is_there(
    tmp_path: Path, module: str, file: str, beside: str, installed: bool
) -> None:
    (tmp_path / beside).mkdir(parents=True)
    assert is_installed(module, str(tmp_path / file)) is installed


@pytest.mark.parametrize("file", [None, 1, "", "an_sdk", f"{SITE}/another.py", "/no/a/b.py"])
def test_no_other_file_is_a_distributions(file: object) -> None:
    assert not is_installed("an_sdk", file)


def test_a_folder_called_so_counts_if_pythonpath_names_it(tmp_path: Path) -> None:
    folders = [tmp_path / "apart" / "site-packages", tmp_path / "notes on site-packages"]
    for folder in folders:
        folder.mkdir(parents=True)
    later = tmp_path / "later" / "site-packages"
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[3])\n"
        "from dev_analytics.observers.installed import package_of\n"
        "print([package_of(os.path.join(each, 'pandas.py')) for each in sys.argv[1:]])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, *map(str, folders), str(later)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
    )
    assert (ran.stdout, ran.stderr) == ("['pandas', None, None]\n", "")
