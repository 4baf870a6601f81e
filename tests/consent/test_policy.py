"""The administrator's policy: it forbids, or names where records go, for every user and door."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dev_analytics.config import DevAnalytics
from dev_analytics.consent.environment import PolicyError, read_policy
from dev_analytics.consent.files import Policy
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.settings import Delivery

EXAMPLE = Path(__file__).parent.parent.parent / "jupyter-config" / "policy.json"
TODAY = date.today()


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """The file that the tests' environment names."""
    return tmp_path / "policy.json"


def status(**env: str) -> dict[str, Any]:
    """Ask the command what holds, as a user whose environment has `env` beside."""
    ran = subprocess.run(
        [sys.executable, "-m", "dev_analytics", "status", "--json"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **env},
    )
    assert ran.stderr == ""
    return dict(json.loads(ran.stdout))


def test_two_users_of_one_hub_have_one_policy_and_each_an_answer_of_their_own(
    kernel: Callable[..., Any], policy: Path, tmp_path: Path
) -> None:
    homes = {name: str(tmp_path / name) for name in ("ada", "bob")}
    ConsentStore(Path(homes["ada"])).agree(1, TODAY)
    ConsentStore(Path(homes["bob"])).opt_out()
    policy.write_text(
        '{"posthog_project_key": "phc_of_the_hub", "posthog_host": "https://hub.test"}'
    )
    look = (
        "from dev_analytics import get_analytics as a; d = a().delivery; "
        "print(a().gate.now()[0].collecting, d.project_key, d.host)"
    )
    shown = {}
    for name, home in homes.items():
        notebook = kernel(
            {"DEV_ANALYTICS_DIR": home, "DEV_ANALYTICS": "on"},
            "--DevAnalytics.posthog_project_key=phc_of_a_user",
        )
        notebook.run("%load_ext dev_analytics")
        shown[name] = notebook.run(look).text.strip()
    assert shown["ada"] == "True phc_of_the_hub https://hub.test"
    assert shown["bob"] == "False phc_of_the_hub https://hub.test", "no policy undoes a no"
    policy.write_text('{"analytics": "forbidden"}')
    for home in homes.values():
        found = status(DEV_ANALYTICS_DIR=home)
        assert not found["collecting"]
        assert str(policy) in found["policy"]
    assert status(DEV_ANALYTICS_DIR=homes["ada"])["rule"] == 2
    policy.unlink()
    assert status(DEV_ANALYTICS_DIR=homes["ada"])["collecting"]


@pytest.mark.parametrize("kind", ["broken", "unreadable", "a link to nowhere", "a link to itself"])
def test_a_policy_that_nobody_understands_is_off_and_one_clear_line(
    data: Path, policy: Path, kind: str
) -> None:
    ConsentStore(data).agree(1, TODAY)
    if kind == "broken":
        policy.write_text('{"analytics": "allowed"')
    elif kind == "unreadable":
        policy.mkdir()  # permissions would not stop every user
    else:
        policy.symlink_to(policy if kind == "a link to itself" else policy.with_name("nowhere"))
    found = status()
    assert (found["collecting"], found["rule"]) == (False, 2)
    assert found["reason"] == f"the administrator's policy cannot be read: {policy}"
    ran = subprocess.run(
        [sys.executable, "-m", "dev_analytics"], capture_output=True, text=True, check=True
    )
    assert ran.stderr == ""
    lines = [line for line in ran.stdout.splitlines() if line.startswith("analytics")]
    assert lines == [f"analytics   off: the administrator's policy cannot be read: {policy}"]
    with pytest.raises(PolicyError):
        read_policy()


@pytest.mark.parametrize(
    "content",
    [
        {"posthog_project_key": 7},
        {"posthog_host": "example.org"},
        {"posthog_host": "ftp://example.org"},
        {"posthog_host": "http://"},
        {"posthog_host": "http://hub.test"},
        {"posthog_host": "http://127.0.0.1@hub.test"},
        {"posthog_host": "https://somebody@hub.test"},
        {"posthog_host": "https://hub.test?a=b"},
        {"posthog_project_key": "phc_a\nphc_b"},
        {"analytics": "agreed"},
        {"analytics": "on"},
        {"analytics": True},
    ],
)
def test_a_value_that_is_not_allowed_forbids(
    data: Path, policy: Path, content: dict[str, object]
) -> None:
    ConsentStore(data).agree(1, TODAY)
    policy.write_text(json.dumps(content))
    assert not status()["collecting"]


def test_a_policy_is_never_a_yes(data: Path, policy: Path) -> None:
    for content in ({"analytics": "allowed"}, {"answer": "yes"}, {"enabled": True}):
        policy.write_text(json.dumps(content))
        assert not status(DEV_ANALYTICS="on")["collecting"]
    assert not data.exists()


US = Delivery().host


@pytest.mark.parametrize(
    ("policy_says", "user_says", "key", "host"),
    [
        ({}, {}, "", US),
        ({}, {"key": "u", "host": "https://u.test"}, "u", "https://u.test"),
        ({"key": "p", "host": "https://p.test"}, {}, "p", "https://p.test"),
        (
            {"key": "p", "host": "https://p.test"},
            {"key": "u", "host": "https://u.test"},
            "p",
            "https://p.test",
        ),
        ({"key": "p"}, {"key": "u", "host": "https://u.test"}, "p", US),
        ({"host": "https://p.test"}, {"key": "u", "host": "https://u.test"}, "u", "https://p.test"),
        ({"host": "https://p.test"}, {}, "", "https://p.test"),
    ],
)
def test_the_policy_s_project_goes_before_a_user_s(
    policy: Path, policy_says: dict[str, str], user_says: dict[str, str], key: str, host: str
) -> None:
    names = {"key": "posthog_project_key", "host": "posthog_host"}
    policy.write_text(json.dumps({names[name]: value for name, value in policy_says.items()}))
    settings = DevAnalytics(**{names[name]: value for name, value in user_says.items()})
    assert (settings.delivery.project_key, settings.delivery.host) == (key, host)


def test_the_example_is_a_policy(policy: Path) -> None:
    policy.write_bytes(EXAMPLE.read_bytes())
    read = read_policy()
    assert (read.analytics, bool(read.posthog_project_key)) == ("allowed", True)
    assert set(json.loads(EXAMPLE.read_bytes())) == set(Policy.__struct_fields__)
