"""A source file is of a public package only where that package is really installed."""

from __future__ import annotations

import importlib
import json
import os
import site
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics.observers import hooks
from dev_analytics.observers import installed as installed_packages
from dev_analytics.observers.installed import is_installed, package_of

SITE = sysconfig.get_path("purelib")


@pytest.mark.parametrize(
    ("file", "package"),
    [
        (f"{SITE}/pandas/__init__.py", "pandas"),
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
def test_any_other_file_belongs_to_no_package(file: object) -> None:
    assert package_of(file) is None


@given(st.text(st.characters(exclude_characters="\0"), max_size=20))
def test_no_user_folder_counts_as_installed_whatever_its_name(name: str) -> None:
    assert package_of(f"/home/jane/{name}/site-packages/pandas.py") is None
    assert package_of(f"/home/jane/site-packages{name}/pandas.py") is None


@pytest.mark.parametrize(
    ("module", "file", "beside", "installed"),
    [
        ("an_sdk", "an_sdk/__init__.py", "an_sdk-1.0.dist-info", True),
        ("an_sdk.part", "an_sdk/part.py", "An_SDK-1.0.dist-info", True),
        ("an_sdk.part", "an_sdk/part.py", "an_sdk_ai-1.0.dist-info", False),
        ("an_sdk.part", "an_sdk/part/__init__.pyc", "an.sdk-1.0-py3.11.egg-info", True),
        ("an_sdk.part", "an_sdk/part/__init__.pyc", "an-sdk-1.0.egg-info", True),
        ("an_sdk", "an_sdk/__init__.py", "another-1.0.dist-info", False),
        # A project of the user's own that was installed from the folder it is in.
        ("an_sdk", "an_sdk/__init__.py", "an_sdk_playground.egg-info", False),
        ("an_sdk", "an_sdk/__init__.py", "an_sdk_2-1.0.dist-info", False),
        ("an_sdk", "an_sdk/__init__.py", "an_sdk.egg-info", True),
        ("fireworks", "fireworks/__init__.py", "fireworks_ai-1.2.dist-info", True),
        ("fireworks", "fireworks/__init__.py", "FireWorks-2.1.dist-info", False),
        ("google.genai.models", "google/genai/models.py", "google_genai-3.4.dist-info", True),
        ("an_sdk", "an_sdk/__init__.py", "an_sdk", False),
        ("an_sdk.part", "an_sdk/part.py", "an_sdk/an_sdk-1.0.dist-info", False),
    ],
)
def test_a_folder_holds_a_distribution_if_its_metadata_is_there(
    tmp_path: Path, module: str, file: str, beside: str, installed: bool
) -> None:
    (tmp_path / beside).mkdir(parents=True)
    assert is_installed(module, str(tmp_path / file)) is installed


@pytest.mark.parametrize(
    ("beside", "installed"),
    [
        (["fireworks_ai-1.2.dist-info"], True),
        (["FireWorks-2.1.dist-info"], False),
        (["FireWorks-2.1-py3.11.egg-info", "fireworks_ai-1.2.dist-info"], True),
        ([], True),
    ],
)
def test_another_distribution_with_such_a_module_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: list[str], installed: bool
) -> None:
    for name in beside:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(installed_packages, "directories", lambda: (f"{tmp_path}{os.sep}",))
    assert is_installed("fireworks", str(tmp_path / "fireworks/__init__.py")) is installed


def test_the_distribution_of_an_sdk_is_the_one_that_its_hooks_cover(tmp_path: Path) -> None:
    found = {}
    for name, hook in hooks.HOOKS.items():
        covers = importlib.import_module(hook).COVERS
        # botocore is a part of boto3, and others are parts of what is covered elsewhere.
        if covers is not None and ", " not in covers[0]:
            folder = tmp_path / name
            (folder / f"{covers[0].replace('-', '_')}-1.0.dist-info").mkdir(parents=True)
            file = folder.joinpath(*name.split("."), "__init__.py")
            found[name] = is_installed(name, str(file))
    assert len(found) > 10
    assert set(found.values()) == {True}, found


@pytest.mark.parametrize("file", [None, 1, "", "an_sdk", f"{SITE}/another.py", "/no/a/b.py"])
def test_no_other_file_belongs_to_a_distribution(file: object) -> None:
    assert not is_installed("an_sdk", file)


def test_a_folder_named_site_packages_counts_if_pythonpath_has_it(tmp_path: Path) -> None:
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
