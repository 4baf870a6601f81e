"""What a process of our own is given of the environment of the user's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import dev_analytics
from dev_analytics.detached import environment

PROJECT = Path(dev_analytics.__file__).parent.parent


def test_it_is_given_the_variables_that_it_needs_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needed = {"PATH", "HOME", "LC_ALL", "PYTHONUSERBASE", "LD_LIBRARY_PATH", "HTTPS_PROXY"}
    needed |= {"no_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "XDG_CONFIG_DIRS"}
    needed |= {"DEV_ANALYTICS_POLICY", "DO_NOT_TRACK", "CI"}
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
