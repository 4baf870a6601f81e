"""Variables, the administrator's policy and the data directory."""

from __future__ import annotations

import os
from collections import UserDict
from datetime import date
from pathlib import Path
from typing import NoReturn

import platformdirs
import pytest

from dev_analytics.consent import environment
from dev_analytics.consent.decision import Environment, Switch
from dev_analytics.consent.environment import (
    NAME,
    SettingError,
    data_directory,
    environment_switch,
    policy_files,
    read_environment,
)
from dev_analytics.consent.store import ConsentStore, ConsentStoreError


@pytest.mark.parametrize("value", ["1", "true", "yes", "on", "2", "anything", " 1 ", "None"])
def test_do_not_track_and_ci_hold_for_anything_that_is_no_no(value: str) -> None:
    assert read_environment({"DO_NOT_TRACK": value}).do_not_track
    assert read_environment({"CI": value}).ci


@pytest.mark.parametrize("value", [None, "", "0", "false", "FALSE", "no", "No", "off", " off "])
def test_do_not_track_and_ci_do_not_hold_for_a_no(value: str | None) -> None:
    environ = {} if value is None else {"DO_NOT_TRACK": value, "CI": value}
    assert read_environment(environ) == Environment()


def test_the_switch_is_on_or_off() -> None:
    assert environment_switch({}) is None
    assert environment_switch({"DEV_ANALYTICS": ""}) is None
    assert environment_switch({"DEV_ANALYTICS": "ON"}) == Switch(True, "DEV_ANALYTICS")
    assert environment_switch({"DEV_ANALYTICS": " off"}) == Switch(False, "DEV_ANALYTICS")


def test_another_position_is_one_clear_line() -> None:
    with pytest.raises(SettingError) as refused:
        environment_switch({"DEV_ANALYTICS": "maybe"})
    assert str(refused.value) == (
        "DEV_ANALYTICS must be on or off, got 'maybe'; analytics stay off"
    )


@pytest.mark.parametrize(
    ("content", "forbids"),
    [
        (b'{"analytics": "forbidden"}', True),
        (b'{"analytics": "allowed"}', False),
        (b"{}", False),
        (b'{"of a later version": 1}', True),
        (b'{"analytics": "agreed"}', True),
        (b'{"analytics": true}', True),
        (b"", True),
        (b"{", True),
        (b"[]", True),
        (b"\xff", True),
    ],
)
def test_a_policy_forbids_or_allows_and_one_nobody_understands_forbids(
    tmp_path: Path, content: bytes, forbids: bool
) -> None:
    file = tmp_path / "policy.json"
    file.write_bytes(content)
    environment = read_environment({"DEV_ANALYTICS_POLICY": str(file)})
    assert bool(environment.forbidden) == forbids
    if forbids:
        assert str(file) in environment.forbidden


def test_a_policy_that_cannot_be_read_forbids(tmp_path: Path) -> None:
    assert read_environment({"DEV_ANALYTICS_POLICY": str(tmp_path)}).forbidden


def test_no_policy_forbids_nothing_unless_it_is_named(tmp_path: Path) -> None:
    assert not read_environment({}).forbidden
    assert not read_environment({"DEV_ANALYTICS_POLICY": ""}).forbidden
    assert read_environment({"DEV_ANALYTICS_POLICY": str(tmp_path / "none")}).forbidden


def test_what_stands_below_a_home_that_nobody_has_is_unusable_and_raises_nothing() -> None:
    nobody_s = "~nobody of this name/here"
    environ = {"DEV_ANALYTICS_POLICY": nobody_s}
    assert read_environment(environ).forbidden.endswith(nobody_s)
    store = ConsentStore(data_directory({"DEV_ANALYTICS_DIR": nobody_s}))
    assert store.read().unreadable
    with pytest.raises(ConsentStoreError):
        store.agree(1, date.today())
    assert not store.data.exists()


def test_a_user_without_a_home_agrees_to_nothing_but_in_a_place_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Containers run as a user whom the machine does not know."""

    def unknown(_: int) -> NoReturn:
        raise KeyError

    for name in ("HOME", "DEV_ANALYTICS_DIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    store = ConsentStore(data_directory())
    assert store.read().unreadable
    with pytest.raises(ConsentStoreError):
        store.agree(1, date.today())
    assert list(here.iterdir()) == []
    monkeypatch.setenv("XDG_DATA_HOME", str(here))
    assert ConsentStore(data_directory()).agree(1, date.today()).user_id


def test_the_policy_stands_in_the_site_s_configuration() -> None:
    (site,) = policy_files({})
    assert site.parts[-2:] == ("dev-analytics", "policy.json")
    assert not site.is_relative_to(Path.home())
    assert policy_files({"DEV_ANALYTICS_POLICY": "/named"}) == [Path("/named"), site]


@pytest.mark.parametrize("value", [None, "", " ", "/set", "/set:/other", "relative", "~/below"])
@pytest.mark.parametrize("home", ["/home/somebody", ""])
def test_the_places_are_those_of_platformdirs(
    monkeypatch: pytest.MonkeyPatch, value: str | None, home: str
) -> None:
    monkeypatch.setenv("HOME", home)
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_DIRS"):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert data_directory({}) == platformdirs.user_data_path(NAME, appauthor=False)
    site = platformdirs.site_config_path(NAME, appauthor=False)
    assert policy_files({}) == [site / "policy.json"]
    assert policy_files({"XDG_CONFIG_DIRS": value or ""}) == [site / "policy.json"]


def test_the_data_directory_is_the_user_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert data_directory({}).name == "dev-analytics"
    assert data_directory({}).is_relative_to(Path.home())
    monkeypatch.chdir(tmp_path)
    assert data_directory({"DEV_ANALYTICS_DIR": "here"}) == tmp_path / "here"
    assert data_directory({"DEV_ANALYTICS_DIR": "~/here"}) == Path.home() / "here"


def test_the_sites_folder_is_the_last_known_one_where_the_environment_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Unreadable(UserDict[str, str]):
        def __contains__(self, name: object) -> bool:
            raise AssertionError("the user's code")

        def get(self, *name: object) -> NoReturn:
            raise AssertionError("the user's code")

    known = environment._site({})
    monkeypatch.setattr(os, "environ", Unreadable())
    assert environment._site({}) == known
