"""The administrator's policy: it forbids, or names where records go, for every user and door."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from fake_posthog import to_posthog
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics.apps.jupyter import main
from dev_analytics.config import DevAnalytics
from dev_analytics.consent.environment import PolicyError, read_environment, read_policies
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import Delivery
from dev_analytics.destinations import ARCHIVE
from dev_analytics.destinations.posthog import HOST

EXAMPLE = Path(__file__).parent.parent.parent / "jupyter-config" / "policy.json"
TODAY = date.today()


NAMED: Final = "DEV_ANALYTICS_POLICY"
IS_ROOT: Final = getattr(os, "geteuid", lambda: -1)() == 0
only_root = pytest.mark.skipif(not IS_ROOT, reason="only an administrator's destination counts")


@pytest.fixture(params=["site", "named"])
def policy(
    request: pytest.FixtureRequest, site_policy: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The file of the site's configuration, or the one that the environment names."""
    if request.param == "site":
        return site_policy
    file = site_policy.with_name("named.json")
    file.write_text("{}")
    monkeypatch.setenv(NAMED, str(file))
    return file


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


@only_root
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
        "print(a().gate.now()[0].collecting, d.recipient)"
    )
    shown = {}
    for name, home in homes.items():
        notebook = kernel(
            {"DEV_ANALYTICS_DIR": home, "DEV_ANALYTICS": "on"},
            "--DevAnalytics.posthog_project_key=phc_of_a_user",
        )
        notebook.run("%load_ext dev_analytics")
        shown[name] = notebook.run(look).text.strip()
    assert shown["ada"] == "True posthog https://hub.test phc_of_the_hub"
    assert shown["bob"] == "False posthog https://hub.test phc_of_the_hub", "no policy undoes a no"
    policy.write_text('{"analytics": "forbidden"}')
    for home in homes.values():
        found = status(DEV_ANALYTICS_DIR=home)
        assert not found["collecting"]
        assert str(policy) in found["policy"]
    assert status(DEV_ANALYTICS_DIR=homes["ada"])["rule"] == 2
    policy.write_text("{}")
    assert status(DEV_ANALYTICS_DIR=homes["ada"])["collecting"]


@pytest.mark.parametrize("kind", ["broken", "unreadable", "a link to nowhere", "a link to itself"])
def test_a_policy_that_nobody_understands_is_off_and_one_clear_line(
    data: Path, policy: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    ConsentStore(data).agree(1, TODAY)
    policy.unlink(missing_ok=True)
    if kind == "broken":
        policy.write_text('{"analytics": "allowed"')
    elif kind == "unreadable":
        policy.mkdir()  # permissions would not stop every user
    else:
        policy.symlink_to(policy if kind == "a link to itself" else policy.with_name("nowhere"))
    found = status()
    assert (found["collecting"], found["rule"]) == (False, 2)
    why = "is not understood" if kind == "broken" else "cannot be read"
    reason = f"the administrator's policy {why}: {policy}"
    assert found["reason"] == reason
    assert main([]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    lines = [line for line in shown.out.splitlines() if line.startswith("analytics")]
    assert lines == [f"analytics   off: {reason}"]
    with pytest.raises(PolicyError):
        read_policies()


@pytest.mark.parametrize("named", ["policy.json", "not-mounted/policy.json", "policy.json/deep"])
def test_a_policy_that_is_named_and_missing_forbids(
    data: Path, site_policy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str
) -> None:
    ConsentStore(data).agree(1, TODAY)
    site_policy.write_text("{}")
    if named.endswith("deep"):
        (tmp_path / "policy.json").write_text("{}")
    monkeypatch.setenv(NAMED, str(tmp_path / named))
    found = status()
    assert (found["collecting"], found["rule"]) == (False, 2)
    assert found["reason"] == f"the administrator's policy is missing: {tmp_path / named}"


def test_the_site_s_own_file_may_be_missing_unless_it_is_named(
    data: Path, site_policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ConsentStore(data).agree(1, TODAY)
    assert read_policies() == {}
    assert status()["collecting"]
    monkeypatch.setenv(NAMED, str(site_policy))
    assert not status()["collecting"]


ALLOWED, FORBIDDEN, BROKEN = '{"analytics": "allowed"}', '{"analytics": "forbidden"}', "{"


@pytest.mark.parametrize("site", [None, ALLOWED, FORBIDDEN, BROKEN])
@pytest.mark.parametrize("named", [None, ALLOWED, FORBIDDEN, BROKEN])
def test_forbidden_in_either_forbids(
    site_policy: Path, monkeypatch: pytest.MonkeyPatch, site: str | None, named: str | None
) -> None:
    if site is not None:
        site_policy.write_text(site)
    if named is not None:
        file = site_policy.with_name("named.json")
        file.write_text(named)
        monkeypatch.setenv(NAMED, str(file))
    forbids = bool({site, named} & {FORBIDDEN, BROKEN})
    environment = read_environment()
    assert bool(environment.forbidden) == forbids
    assert environment.unread == (BROKEN in (site, named))


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
        {"analytic": "forbidden"},
        {"Analytics": "forbidden"},
        {"analytics": "allowed", "answer": "yes"},
    ],
)
def test_a_value_that_is_not_allowed_forbids(policy: Path, content: dict[str, object]) -> None:
    policy.write_text(json.dumps(content))
    assert read_environment().forbidden


def test_a_field_that_stands_there_twice_forbids(policy: Path) -> None:
    policy.write_text('{"analytics": "forbidden", "analytics": "allowed"}')
    assert read_environment().forbidden


FIELDS = ("analytics", "posthog_host", "posthog_project_key")


@given(st.text() | st.dictionaries(st.text() | st.sampled_from(FIELDS), st.text()).map(json.dumps))
def test_only_what_is_understood_allows(tmp_path: Path, content: str) -> None:
    file = tmp_path / "any.json"
    file.write_text(content, "utf-8", "surrogatepass")
    if not read_environment({NAMED: str(file)}).forbidden:
        fields = json.loads(content)
        assert set(fields) <= set(FIELDS)
        assert fields.get("analytics", "allowed") == "allowed"


def test_a_policy_is_never_a_yes(data: Path, policy: Path) -> None:
    for content in ({"analytics": "allowed"}, {"answer": "yes"}, {"enabled": True}, {}):
        policy.write_text(json.dumps(content))
        assert not status(DEV_ANALYTICS="on")["collecting"]
    assert not data.exists()


@only_root
@pytest.mark.parametrize(
    ("policy_says", "user_says", "key", "host"),
    [
        ({}, {}, "", HOST),
        ({}, {"key": "u", "host": "https://u.test"}, "u", "https://u.test"),
        ({"key": "p", "host": "https://p.test"}, {}, "p", "https://p.test"),
        (
            {"key": "p", "host": "https://p.test"},
            {"key": "u", "host": "https://u.test"},
            "p",
            "https://p.test",
        ),
        ({"key": "p"}, {"key": "u", "host": "https://u.test"}, "p", HOST),
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
    assert settings.delivery.recipient == (to_posthog(host, key) if key else ARCHIVE)


@only_root
@pytest.mark.parametrize(
    ("named", "site", "key", "host"),
    [
        ({"key": "n", "host": "https://n.test"}, {}, "n", "https://n.test"),
        ({"key": "n", "host": "https://n.test"}, {"key": "s"}, "s", HOST),
        (
            {"key": "n", "host": "https://n.test"},
            {"key": "s", "host": "https://s.test"},
            "s",
            "https://s.test",
        ),
        (
            {"key": "n", "host": "https://n.test"},
            {"host": "https://s.test"},
            "n",
            "https://s.test",
        ),
        ({"host": "https://n.test"}, {"key": "s"}, "s", HOST),
    ],
)
def test_the_site_s_policy_goes_before_the_named_one(
    site_policy: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: dict[str, str],
    site: dict[str, str],
    key: str,
    host: str,
) -> None:
    names = {"key": "posthog_project_key", "host": "posthog_host"}
    other = site_policy.with_name("named.json")
    for file, says in ((site_policy, site), (other, named)):
        file.write_text(json.dumps({names[name]: value for name, value in says.items()}))
    monkeypatch.setenv(NAMED, str(other))
    user = DevAnalytics(posthog_project_key="u", posthog_host="https://u.test")
    assert user.delivery.recipient == to_posthog(host, key)


@pytest.mark.parametrize("whose", ["another user's", "everybody's"])
def test_a_policy_that_is_no_administrator_s_can_forbid_and_sends_nobody_s_records(
    policy: Path, whose: str
) -> None:
    """Who may write where it is looked for would lead the records of all others to their host."""
    policy.write_text('{"posthog_project_key": "p", "posthog_host": "https://p.test"}')
    if whose == "everybody's":
        policy.chmod(0o666)
    elif IS_ROOT:
        os.chown(policy, 4321, -1)
    user = DevAnalytics(posthog_project_key="u", posthog_host="https://u.test")
    assert user.delivery.recipient == to_posthog("https://u.test", "u")
    assert DevAnalytics().delivery.recipient == ARCHIVE
    assert "its destination is ignored" in status()["policy"]
    policy.write_text(FORBIDDEN)
    assert status()["rule"] == 2


def test_where_the_policy_is_not_known_records_stay_on_this_machine(policy: Path) -> None:
    policy.write_text("{")
    user = DevAnalytics(posthog_project_key="u", posthog_host="https://u.test")
    assert user.delivery.destination == Delivery().destination


@only_root
def test_status_names_every_policy_that_was_read(
    site_policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert status()["policy"] == "none"
    site_policy.write_text('{"posthog_host": "https://s.test"}')
    other = site_policy.with_name("named.json")
    other.write_text(ALLOWED)
    monkeypatch.setenv(NAMED, str(other))
    assert status()["policy"] == (
        f"{other}: analytics allowed; "
        f"{site_policy}: analytics allowed, records go to https://s.test"
    )


@only_root
def test_the_example_is_a_policy(site_policy: Path) -> None:
    site_policy.write_bytes(EXAMPLE.read_bytes())
    (read,) = read_policies().values()
    assert (read.analytics, "posthog_project_key" in read.settings) == ("allowed", True)
    assert set(json.loads(EXAMPLE.read_bytes())) == set(FIELDS)
