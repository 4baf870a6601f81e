"""The gate: what changes during a session counts at the next event."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dev_analytics.consent.asking.question import Answer
from dev_analytics.consent.decision import Switch
from dev_analytics.consent.environment import SITE_VARIABLE, data_directory, read_environment
from dev_analytics.consent.gate import Gate
from dev_analytics.consent.store import ConsentStore

if TYPE_CHECKING:
    from dev_analytics.consent.decision import Rule

TODAY = date(2026, 11, 22)


@pytest.fixture
def gate(data: Path) -> Gate:
    return Gate(data, sample_percent=100, notice=1)


def rule(gate: Gate) -> Rule:
    return gate.now()[0].rule


def test_the_newest_switch_holds(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    gate.attended = lambda: True
    gate.answer(Answer.YES)
    gate.switch = Switch(False, "c.DevAnalytics.enabled")
    assert rule(gate) == "4, switched off"
    monkeypatch.setenv("DEV_ANALYTICS", "on")
    assert rule(gate) == "5, agreed", "the variable came later"
    gate.switch = Switch(False, "%dev_analytics off", explicit=True)
    assert rule(gate) == "4, switched off", "the magic came later"
    monkeypatch.delenv("DEV_ANALYTICS")
    assert rule(gate) == "4, switched off", "a variable taken away is no switch"


def test_a_variable_set_in_a_running_session_counts_at_once(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.answer(Answer.YES)
    assert rule(gate) == "5, agreed"
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    assert rule(gate) == "3, DO_NOT_TRACK"
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    monkeypatch.setenv("DEV_ANALYTICS", "perhaps")
    assert rule(gate) == "4, switched off", "a bad value keeps it off"
    assert gate.now()[0].reason.endswith("DEV_ANALYTICS must be on or off, got 'perhaps'")


def test_a_policy_counts_from_the_next_question_on(gate: Gate, site_policy: Path) -> None:
    assert gate.decision(can_answer=True).rule == "8, not drawn yet"
    site_policy.write_text('{"analytics": "forbidden"}')
    assert gate.decision(can_answer=True).rule == "2, administrator's policy"
    assert rule(gate) == "2, administrator's policy"
    assert not gate.claim_question()
    assert not gate.store.data.exists()


def test_nothing_is_written_where_nobody_would_be_asked(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DO_NOT_TRACK", "CI"):
        monkeypatch.setenv(name, "1")
        assert not gate.claim_question()
        monkeypatch.delenv(name)
    gate.switch = Switch(False, "a switch")
    assert not gate.claim_question()
    assert not gate.store.data.exists()


def test_a_policy_that_could_not_be_read_once_is_read_again(gate: Gate, site_policy: Path) -> None:
    gate.answer(Answer.YES)
    site_policy.mkdir()
    gate.decision(can_answer=False)
    assert rule(gate) == "2, administrator's policy"
    site_policy.rmdir()
    assert rule(gate) == "5, agreed"


OUTSIDE = [
    Switch(False, "DEV_ANALYTICS"),
    Switch(False, "c.DevAnalytics.enabled"),
    Switch(False, "--no-analytics", explicit=True),
]
ON = Switch(True, "%dev_analytics on", explicit=True)


@pytest.mark.parametrize("off", OUTSIDE)
@pytest.mark.parametrize(
    "code", [[ON], [None, ON], [Switch(False, "a magic"), ON], [None], [ON] * 2]
)
def test_where_nobody_is_no_code_undoes_an_off_from_outside(
    gate: Gate, off: Switch, code: list[Switch | None]
) -> None:
    gate.answer(Answer.YES)
    gate.switch = off
    for switch in code:
        gate.switch_in_session(switch)
    assert rule(gate) == "4, switched off"
    assert off.source in gate.now()[0].reason
    gate.attended = lambda: True
    gate.switch_in_session(ON)
    assert rule(gate) == "5, agreed", "a user who is there may"


def test_where_nobody_is_code_undoes_its_own_off(gate: Gate) -> None:
    gate.answer(Answer.YES)
    gate.switch_in_session(Switch(False, "%dev_analytics off", explicit=True))
    assert rule(gate) == "4, switched off"
    gate.switch_in_session(ON)
    assert rule(gate) == "5, agreed"


def test_a_variable_that_code_changes_undoes_nothing_where_nobody_is(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.answer(Answer.YES)
    monkeypatch.setenv("DEV_ANALYTICS", "off")
    gate.follow_environment()
    monkeypatch.setenv("DEV_ANALYTICS", "on")
    assert rule(gate) == "4, switched off"
    gate.attended = lambda: True
    monkeypatch.setenv("DEV_ANALYTICS", "ON")
    assert rule(gate) == "5, agreed"


def test_a_question_is_claimed_once(gate: Gate) -> None:
    assert gate.claim_question()
    assert not gate.claim_question()
    gate.switch = Switch(True, "%dev_analytics on", explicit=True)
    assert gate.claim_question(), "on asks at once"


def test_an_answer_is_stored_and_no_answer_is_not(gate: Gate) -> None:
    gate.answer(Answer.NONE)
    assert not gate.store.data.exists()
    before = date.today()
    gate.answer(Answer.YES)
    assert gate.store.read().answered_on in (before, date.today())
    gate.answer(Answer.NONE)
    assert rule(gate) == "5, agreed"
    gate.answer(Answer.NO)
    assert rule(gate) == "1, opted out"


def test_keeping_what_was_agreed_to_is_an_answer(gate: Gate) -> None:
    agreed = gate.store.agree(1, date.today())
    gate.notice = 2
    assert gate.claim_question()
    gate.answer(Answer.KEEP)
    kept = gate.store.read()
    assert (kept.user_id, kept.notice, kept.kept_notice) == (agreed.user_id, 1, 2)
    assert not gate.may_ask()
    gate.answer(Answer.YES)
    assert (gate.store.read().notice, gate.store.read().kept_notice) == (2, 0)


def test_a_question_about_a_newer_notice_waits_like_any_other(gate: Gate) -> None:
    gate.store.agree(1, date.today())
    gate.notice = 2
    assert [gate.claim_question(), gate.claim_question()] == [True, False]


def test_nobody_keeps_what_they_never_agreed_to(gate: Gate) -> None:
    gate.answer(Answer.KEEP)
    assert gate.store.read().kept_notice == 0


def test_what_stood_outside_is_not_lifted_by_code_that_takes_the_variable_away(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ConsentStore(data).agree(1, TODAY)
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    outside = Gate(data, sample_percent=10, notice=1)
    monkeypatch.delenv("DO_NOT_TRACK")
    assert outside.now()[0].rule == "3, DO_NOT_TRACK"
    inside = Gate(data, sample_percent=10, notice=1)
    assert inside.now()[0].collecting
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    assert not inside.now()[0].collecting
    monkeypatch.delenv("DO_NOT_TRACK")
    assert inside.now()[0].collecting, "the session's own is lifted by it"


BEFORE_THE_LOAD = """
import os, sys
from datetime import date
os.environ.update(dict(each.split("=") for each in sys.argv[2:]))
for name in ("DO_NOT_TRACK", "DEV_ANALYTICS_POLICY", "DEV_ANALYTICS"):
    if not any(each.startswith(f"{name}=") for each in sys.argv[2:]):
        os.environ.pop(name, None)
from pathlib import Path
from dev_analytics.consent.gate import Gate
from dev_analytics.consent.store import ConsentStore
gate = Gate(Path(sys.argv[1]), sample_percent=10, notice=1)
gate.follow_environment()
print(gate.now()[0].rule)
gate.attended = lambda: True
os.environ["DEV_ANALYTICS"] = "on"
gate.follow_environment()
os.environ["DEV_ANALYTICS"] = "off"
os.environ["DEV_ANALYTICS"] = "on "
print(gate.now()[0].rule)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process began with")
@pytest.mark.parametrize(
    ("stood", "put", "rules"),
    [
        ({}, {}, ["5, agreed", "5, agreed"]),
        ({"DEV_ANALYTICS": "on"}, {}, ["5, agreed", "5, agreed"]),
        ({"DEV_ANALYTICS": "off"}, {}, ["4, switched off", "5, agreed"]),
        ({"DEV_ANALYTICS": "off"}, {"DEV_ANALYTICS": "on"}, ["4, switched off", "5, agreed"]),
        ({"DEV_ANALYTICS": "?"}, {"DEV_ANALYTICS": "on"}, ["4, switched off", "5, agreed"]),
        ({"DO_NOT_TRACK": "1"}, {}, ["3, DO_NOT_TRACK", "3, DO_NOT_TRACK"]),
        ({"DO_NOT_TRACK": "1"}, {"DO_NOT_TRACK": "0"}, ["3, DO_NOT_TRACK", "3, DO_NOT_TRACK"]),
        (
            {"DEV_ANALYTICS_POLICY": "/not there"},
            {},
            ["2, administrator's policy", "2, administrator's policy"],
        ),
    ],
)
def test_a_cell_before_the_load_undoes_no_off_that_the_process_began_with(
    data: Path, stood: dict[str, str], put: dict[str, str], rules: list[str]
) -> None:
    """A person who is there moves the switch, and nothing else."""
    ConsentStore(data).agree(1, TODAY)
    done = subprocess.run(
        [sys.executable, "-c", BEFORE_THE_LOAD, str(data), *("=".join(e) for e in put.items())],
        env={**os.environ, **stood},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == rules


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the variable")
def test_a_cell_moves_no_policy_of_the_site(
    data: Path, site_policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the load and after it."""
    ConsentStore(data).agree(1, TODAY)
    site_policy.write_text('{"analytics": "forbidden"}')
    for put in ("", "/not there"):
        command = [sys.executable, "-c", BEFORE_THE_LOAD, str(data), f"XDG_CONFIG_DIRS={put}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == ["2, administrator's policy"] * 2
    gate = Gate(data, sample_percent=10, notice=1)
    for put in ("", "/not there"):
        monkeypatch.setenv("XDG_CONFIG_DIRS", put)
        assert gate.decision(can_answer=True).rule == "2, administrator's policy"
    site_policy.unlink()
    assert gate.decision(can_answer=True).rule == "5, agreed"


def test_a_session_in_ci_stays_in_ci_when_code_takes_the_variable_away(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    in_ci = Gate(data, sample_percent=100, notice=1)
    monkeypatch.delenv("CI")
    assert in_ci.decision(can_answer=True).rule == "8, CI"
    elsewhere = Gate(data, sample_percent=100, notice=1)
    assert elsewhere.decision(can_answer=True).rule == "8, not drawn yet"


class Asked(dict[str, str]):
    """Remembers the names for which it was asked."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def get(self, name: str, *default: Any) -> Any:
        self.names.add(name)
        return super().get(name, *default)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)


def variables_of_rules() -> list[str]:
    """Return the variables that the rules look at; where the site's policy lies is none."""
    asked = Asked()
    read_environment(asked)
    return sorted(asked.names - {SITE_VARIABLE})


def test_the_variables_of_rules_are_found() -> None:
    assert {"CI", "DO_NOT_TRACK", "DEV_ANALYTICS_POLICY"} <= set(variables_of_rules())


@pytest.mark.parametrize("name", variables_of_rules())
def test_no_variable_of_a_rule_is_taken_back_by_code(
    name: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Gate(data, sample_percent=100, notice=1).decision(can_answer=True)
    monkeypatch.setenv(name, "1")
    gate = Gate(data, sample_percent=100, notice=1)
    stood = gate.decision(can_answer=True)
    monkeypatch.delenv(name)
    assert gate.decision(can_answer=True) == stood != elsewhere


@pytest.mark.parametrize("name", sorted({*variables_of_rules()} - {"DEV_ANALYTICS_POLICY"}))
def test_a_variable_of_a_rule_holds_at_the_next_event(
    name: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy is looked at every few seconds instead, with its variable."""
    ConsentStore(data).agree(1, TODAY)
    gate = Gate(data, sample_percent=100, notice=1)
    assert rule(gate) == "5, agreed"
    monkeypatch.setenv(name, "1")
    assert rule(gate) == rule(Gate(data, sample_percent=100, notice=1))


def test_a_no_by_a_variable_ends_the_period_at_the_next_call(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ConsentStore(data).agree(1, TODAY)
    gate = Gate(data, sample_percent=10, notice=1)
    cell = gate.at_beginning()
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    call = gate.at_beginning()
    monkeypatch.delenv("DO_NOT_TRACK")
    now = gate.now()
    assert call[2] is None
    assert now[2] is not None
    assert now[2] is not cell[2]


def test_a_policy_that_changes_is_seen_within_seconds(
    data: Path, site_policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ConsentStore(data).agree(1, TODAY)
    gate = Gate(data, sample_percent=10, notice=1)
    assert gate.now()[0].collecting
    site_policy.write_text('{"analytics": "forbidden"}')
    monkeypatch.setattr(gate, "_policy_look", 0.0)
    assert gate.now()[0].rule == "2, administrator's policy"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the variable")
def test_where_consent_is_kept_is_settled_when_the_gate_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a cell puts into the environment before the first event does not move it."""
    monkeypatch.delenv("DEV_ANALYTICS_DIR", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "moved"))
    gate = Gate(data_directory(), sample_percent=10, notice=1)
    monkeypatch.delenv("XDG_DATA_HOME")
    usual = data_directory()
    for store in (gate.stored(), gate.store):
        assert store.other is not None
        assert (store.data, store.other.data) == (tmp_path / "moved" / usual.name, usual)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no time of the last change")
def test_an_opt_out_counts_where_the_folder_s_time_is_put_back(gate: Gate) -> None:
    gate.answer(Answer.YES)
    folder = gate.store.folder
    os.utime(folder, (0, 0))
    assert gate.now()[0].collecting
    (folder / "opted-out").touch()
    os.utime(folder, (0, 0))
    assert rule(gate) == "1, opted out"
