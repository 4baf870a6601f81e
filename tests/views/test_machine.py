"""The status of the machine: what an administrator's policy says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dev_analytics.analytics import Analytics
from dev_analytics.consent.environment import PolicyError
from dev_analytics.consent.policy import Policy
from dev_analytics.views import machine as view

FILE = Path("/etc/xdg/dev-analytics/policy.json")


def policy(data: Path) -> tuple[Any, Any]:
    """Return the policy as the status shows it, as text and as a field."""
    analytics = Analytics(data)
    decision = analytics.gate.decision(can_answer=False)
    (line,) = [
        line.removeprefix("policy").strip()
        for line in view.machine(analytics, decision, []).splitlines()
        if line.startswith("policy ")
    ]
    return line, view.machine_fields(analytics, decision, [])["policy"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (Policy("forbidden"), f"{FILE}: analytics forbidden"),
        (
            Policy(passed_over=True),
            f"{FILE}: analytics allowed, its destination is ignored, as not only an administrator "
            "can write to the file",
        ),
        (
            Policy(settings={"posthog_host": "https://posthog.acme.org"}),
            f"{FILE}: analytics allowed, records go to https://posthog.acme.org",
        ),
    ],
)
def test_each_policy_is_described(
    data: Path, monkeypatch: pytest.MonkeyPatch, said: Policy, shown: str
) -> None:
    monkeypatch.setattr(view, "read_policies", lambda: {FILE: said})
    assert policy(data) == (shown, shown)


def test_a_policy_that_is_not_understood_is_described_by_its_error(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise PolicyError(f"{FILE} is not understood")

    assert policy(data) == ("none", "none")
    monkeypatch.setattr(view, "read_policies", fail)
    assert policy(data) == (f"{FILE} is not understood",) * 2
