"""What Acme Charts records, and the proof that it cannot record more."""

from __future__ import annotations

import pytest
from acme import chart
from acme.analytics import TOOL

from dev_analytics import get_analytics


def test_a_chart_is_recorded_without_its_title(analytics_events):
    assert chart("bar", title="Salaries of Jane") == "<bar chart>"
    (made,) = analytics_events.of("acme: chart made")
    assert made == {"kind": "bar", "seconds": pytest.approx(0, abs=1), "titled": True}
    assert "Jane" not in str(analytics_events.records)


def test_a_kind_that_the_user_defined_is_other(analytics_events):
    chart("Jane's spiral")
    assert analytics_events.of("acme: chart made")[0]["kind"] == "other"


def test_an_undeclared_event_raises_in_the_tests(analytics_events):
    with pytest.raises(ValueError, match="has no property 'title'"):
        get_analytics().event("acme.chart_made", title="Salaries of Jane")


def test_nothing_private_can_leave(prove_private):
    proof = prove_private(TOOL)
    assert proof.independent
    assert proof.bits["acme: chart made"] < 20
