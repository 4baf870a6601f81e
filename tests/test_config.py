"""Which setting goes before which, in every place where one can stand; in real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from traitlets import TraitError
from traitlets.config import Config

from dev_analytics import NOTICE
from dev_analytics.config import DevAnalytics, _refused
from dev_analytics.consent.store import ConsentStore
from dev_analytics.destinations.posthog import ADDRESS_ALLOWED

DEV = str(Path(sys.executable).with_name("dev"))
LOOK = (
    "from dev_analytics import get_analytics as a; g = a().gate; "
    "print('is', g.now()[0].collecting, g.switch and g.switch.source, g.sample_percent, "
    "a().log and a().log.path.name)"
)
ON, OFF = "c.DevAnalytics.enabled = True\n", "c.DevAnalytics.enabled = False\n"


@pytest.fixture
def profile(data: Path) -> Path:
    """The profile of a user who agreed."""
    ConsentStore(data).agree(NOTICE, date.today())
    folder = Path(os.environ["IPYTHONDIR"]) / "profile_default"
    folder.mkdir(parents=True)
    return folder


def look(*arguments: str, **env: str) -> str:
    """Run ``dev`` and give what then holds."""
    ran = subprocess.run(
        [DEV, *arguments, "-c", LOOK],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **env},
    )
    assert ran.stderr == ""
    return ran.stdout.strip().removeprefix("is ")


def test_each_place_goes_before_those_below_it(profile: Path) -> None:
    (profile / "ipython_config.py").write_text("c = get_config()\n" + OFF)
    (profile / "ipython_config.json").write_text('{"DevAnalytics": {"sample_percent": 30}}')
    assert look().startswith("False c.DevAnalytics.enabled 30.0"), "the configuration"
    line = ("--DevAnalytics.enabled=True", "--DevAnalytics.sample_percent=40")
    assert look(*line).startswith("True c.DevAnalytics.enabled 40.0"), "the command line"
    assert look(*line, DEV_ANALYTICS="off").startswith("False DEV_ANALYTICS 40.0"), "a variable"
    assert look("--analytics", *line, DEV_ANALYTICS="off").startswith("True --analytics 40.0")
    assert look("--no-analytics", *line, DEV_ANALYTICS="on").startswith("False --no-analytics")


def test_the_log_s_variable_goes_before_its_setting_and_a_flag_before_both(
    profile: Path, tmp_path: Path
) -> None:
    (profile / "ipython_config.py").write_text(
        f"c = get_config()\nc.DevAnalytics.log_file = {str(tmp_path / 'setting')!r}\n"
    )
    variable = {"DEV_ANALYTICS_LOG": str(tmp_path / "variable")}
    assert look().endswith(" setting")
    assert look(**variable).endswith(" variable")
    assert look("--analytics-log", str(tmp_path / "flag"), **variable).endswith(" flag")


def test_in_a_session_the_newest_wins(kernel: Callable[..., Any], profile: Path) -> None:
    (profile / "ipython_config.py").write_text("c = get_config()\n" + ON)
    notebook = kernel({"DEV_ANALYTICS": "off"})
    notebook.run("%load_ext dev_analytics")
    for code, collecting in (
        ("", False),
        ("%dev_analytics on", True),
        ("%config DevAnalytics.enabled = False", False),
        ("%config DevAnalytics.enabled = True", True),
        ("%dev_analytics off", False),
        ("import os; os.environ['DEV_ANALYTICS'] = 'on'", True),
    ):
        notebook.run(code, answers=())
        assert notebook.run(LOOK).text.startswith(f"is {collecting}"), code


def test_config_shows_every_setting(kernel: Callable[..., Any]) -> None:
    notebook = kernel()
    notebook.run("%load_ext dev_analytics")
    shown = notebook.run("%config DevAnalytics").text
    for name in ("enabled", "log_file", "sample_percent", "posthog_project_key", "posthog_host"):
        assert f"DevAnalytics.{name}=" in shown


def test_the_address_that_a_question_names_is_the_one_that_takes_events() -> None:
    hosts = {
        "https://app.posthog.com": "https://us.i.posthog.com",
        "https://us.posthog.com/": "https://us.i.posthog.com",
        "https://eu.posthog.com": "https://eu.i.posthog.com",
        "https://eu.posthog.com.": "https://eu.posthog.com.",
        "https://analytics.example/": "https://analytics.example/",
    }
    for host, takes_events in hosts.items():
        settings = DevAnalytics(posthog_host=host, posthog_project_key="phc_key")
        assert settings.delivery.recipient == f"posthog {takes_events} phc_key"


def test_a_bad_value_beats_every_switch_that_came_before(profile: Path) -> None:
    (profile / "ipython_config.py").write_text(
        "c = get_config()\nc.DevAnalytics.posthog_host = 'example.org'\n"
    )
    ran = subprocess.run(
        [DEV, "--analytics", "-c", f"{LOOK}\n%dev_analytics"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "DEV_ANALYTICS": "on"},
    )
    bad = f"c.DevAnalytics.posthog_host must be {ADDRESS_ALLOWED}, got 'example.org'"
    assert ran.stderr == f"dev_analytics: {bad}; analytics stay off\n"
    assert ran.stdout.startswith("is False")
    assert f"off: switched off for this session by an invalid setting: {bad}\n" in ran.stdout


def test_without_a_session_a_bad_value_is_the_error_of_traitlets() -> None:
    with pytest.raises(TraitError, match="sample_percent"):
        DevAnalytics().update_config(Config({"DevAnalytics": {"sample_percent": 101}}))


def test_a_configuration_that_is_right_refuses_nothing() -> None:
    assert _refused(Config({"DevAnalytics": {"sample_percent": 100}})) is None
