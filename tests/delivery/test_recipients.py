"""Whatever names a server after the yes, nothing reaches it before the user agreed to it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_posthog import KEY, FakePostHog
from processes import archived

from dev_analytics.consent.asking.question import KEPT, ON
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.destinations import ARCHIVE, in_words, would_receive

Until = Callable[[Callable[[], bool]], None]

pytestmark = pytest.mark.usefixtures("agreed")

LOAD = "%load_ext dev_analytics"
NOW = "--DevAnalytics.flush_interval=0"


def event(command: str) -> str:
    return f"__import__('dev_analytics').get_analytics().event('command_run', command={command!r})"


def settings(server: str) -> tuple[str, str]:
    return f"--DevAnalytics.posthog_project_key={KEY}", f"--DevAnalytics.posthog_host={server}"


def commands(posthog: FakePostHog) -> list[str]:
    """Return the commands that the server got."""
    stored = [event for events in posthog.stored.values() for event in events]
    return [one["properties"]["command"] for one in stored if one["event"] == "command run"]


def settled(data: Path, until: Until) -> None:
    """Wait until nothing is left to send."""
    until(lambda: not Backlog(data).files(empty=True))


only_root = pytest.mark.skipif(
    getattr(os, "geteuid", lambda: -1)() != 0, reason="only an administrator's destination counts"
)


@only_root
def test_a_policy_that_names_a_server_is_asked_about_and_kept_out_for_good(
    terminal: Any, data: Path, site_policy: Path, until: Until, posthog: FakePostHog
) -> None:
    site_policy.write_text(json.dumps({"posthog_project_key": KEY, "posthog_host": posthog.url}))
    recipient = f"posthog {posthog.url} {KEY}"
    first = terminal()
    first.prompt()
    first.type(LOAD)
    asked = first.until("[Keep]: ").replace("\r", "")
    assert would_receive(recipient) in asked.splitlines()
    assert "but not to this recipient" in asked
    first.type("k")
    assert KEPT in first.prompt()
    first.run(event("status"))
    shown = first.run("%dev_analytics")
    assert f"as you did not agree to {in_words(recipient)}" in shown
    assert f"; not {in_words(recipient)}, as you chose" in shown
    first.leave()
    again = terminal()
    again.prompt()
    assert "Allow" not in again.run(LOAD), "it is asked about once"
    again.run(event("log"))
    again.leave()
    settled(data, until)
    assert posthog.connections == 0
    assert {"status", "log"} <= {*archived(data)}
    assert ConsentStore(data).read().recipients == {ARCHIVE}


def test_a_yes_to_a_new_recipient_holds_for_what_comes_after_it(
    terminal: Any, data: Path, until: Until, posthog: FakePostHog
) -> None:
    running = terminal(*settings(posthog.url))
    running.prompt()
    running.type(LOAD)
    running.until("[Keep]: ")
    running.type("k")
    running.prompt()
    running.run(event("status"))
    running.type("%dev_analytics on")
    assert would_receive(f"posthog {posthog.url} {KEY}") in running.until("[Keep]: ")
    running.type("y")
    assert ON in running.prompt().replace("\r\n", "\n")
    running.run(event("log"))
    running.leave()
    settled(data, until)
    assert "log" in commands(posthog)
    assert "status" not in commands(posthog)
    assert "status" in archived(data)


def test_the_first_question_names_the_server_and_its_yes_is_to_it(
    terminal: Any, data: Path, until: Until, posthog: FakePostHog
) -> None:
    ConsentStore(data).reset()
    recipient = f"posthog {posthog.url} {KEY}"
    running = terminal(*settings(posthog.url), env={"DEV_ANALYTICS": "on"})
    running.prompt()
    running.type(LOAD)
    above = running.until("Dev respects your privacy").replace("\r", "").splitlines()
    assert would_receive(recipient) in above
    running.until("[Yes]: ")
    running.type("y")
    running.prompt()
    assert ConsentStore(data).read().recipients == {ARCHIVE, recipient}
    running.run(event("log"))
    running.leave()
    settled(data, until)
    assert commands(posthog) == ["log"]
    assert archived(data) == []


def test_two_kernels_with_two_destinations_share_a_yes_to_each(
    kernel: Any, data: Path, until: Until, posthog: FakePostHog, agree_to: Callable[[str], None]
) -> None:
    here, there = kernel(None), kernel(None, *settings(posthog.url))
    for running, command in ((here, "status"), (there, "log")):
        running.run(f"{LOAD}\n{event(command)}")
    assert {file.name.rpartition("-")[2] for file in Backlog(data).files()} == {
        "archive.live.jsonl"
    }
    agree_to(posthog.url)
    for running, command in ((here, "on"), (there, "off")):
        running.run(event(command))
        running.stop()
    settled(data, until)
    assert commands(posthog) == ["off"]
    assert {*archived(data)} >= {"status", "log", "on"}
    assert read_ledger(data).dropped == {}


def test_no_setting_and_no_variable_of_a_running_session_leads_records_elsewhere(
    kernel: Any, data: Path, tmp_path: Path, until: Until, posthog: FakePostHog
) -> None:
    (tmp_path / "elsewhere.json").write_text(
        json.dumps({"posthog_project_key": KEY, "posthog_host": posthog.url})
    )
    running = kernel(None, NOW)
    running.run(LOAD)
    for code in (
        f"%config DevAnalytics.posthog_host = {posthog.url!r}",
        f"%config DevAnalytics.posthog_project_key = {KEY!r}",
        f"import os; os.environ['DEV_ANALYTICS_POLICY'] = {str(tmp_path / 'elsewhere.json')!r}",
        "%reload_ext dev_analytics",
        "%unload_ext dev_analytics\n%load_ext dev_analytics\n%dev_analytics on",
        "import subprocess, sys\n"
        "_ = subprocess.run([sys.executable, '-m', 'dev_analytics', 'status'], check=True, "
        "capture_output=True)",
    ):
        assert running.run(code).status == "ok", code
        running.run(event("status"))
    shown = running.run("%dev_analytics").text
    assert f"as you did not agree to {in_words(f'posthog {posthog.url} {KEY}')}" in shown
    running.stop()
    settled(data, until)
    assert posthog.connections == 0
    assert archived(data).count("status") >= 6


def test_a_bad_host_in_mid_session_is_one_line_and_off(kernel: Any, data: Path) -> None:
    running = kernel(None)
    running.run(LOAD)
    said = running.run("%config DevAnalytics.posthog_host = 'http://evil.test'").text
    assert "c.DevAnalytics.posthog_host must be an https address" in said
    assert "analytics stay off" in said
    assert running.run("%dev_analytics").text.startswith("analytics     off:")
    running.stop()
