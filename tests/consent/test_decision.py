"""The rule table, row by row, and what holds for every combination."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dev_analytics.consent.decision import (
    Consent,
    Decision,
    Environment,
    Switch,
    comes_again_on,
    decide,
    in_sample,
    paused,
)

TODAY = date(2026, 11, 22)
USER = "0c7b1d9e-5f38-4d0a-9a54-3a6f1b9a2a11"
AGREED = Consent(user_id=USER, notice=1, answered_on=date(2026, 11, 1), draw=0.5)
SAMPLED = Consent(draw=0.05)
NOT_SAMPLED = Consent(draw=0.5)
NO_SAY = Environment()
ON = Switch(True, "c.DevAnalytics.enabled")
TYPED_ON = Switch(True, "%dev_analytics on", explicit=True)
OFF = Switch(False, "%dev_analytics off", explicit=True)


def decided(
    consent: Consent = NOT_SAMPLED,
    environment: Environment = NO_SAY,
    switch: Switch | None = None,
    **changed: Any,
) -> Decision:
    facts: dict[str, Any] = {
        "sample_percent": 10,
        "notice": 1,
        "can_answer": True,
        "today": TODAY,
        **changed,
    }
    return decide(consent, environment, switch, **facts)


def test_rule_1_an_opt_out_beats_everything() -> None:
    consent = Consent(opted_out=True, user_id=USER, notice=1, answered_on=TODAY, draw=0.0)
    decision = decided(consent, switch=TYPED_ON)
    assert decision == Decision(
        False,
        False,
        "1, opted out",
        "you opted out permanently",
        "%dev_analytics reset is the only way back",
        silent=True,
    )


def test_rule_1_a_store_that_cannot_be_read_is_off() -> None:
    decision = decided(Consent(unreadable="Permission denied"), switch=TYPED_ON)
    assert (decision.collecting, decision.ask) == (False, False)
    assert decision.reason == "the consent store cannot be used: Permission denied"


def test_rule_2_the_administrator_s_policy_beats_a_yes() -> None:
    decision = decided(AGREED, Environment(forbidden="the administrator forbids it"), TYPED_ON)
    assert (decision.collecting, decision.ask, decision.rule) == (
        False,
        False,
        "2, administrator's policy",
    )
    assert decision.reason == "the administrator forbids it"


def test_rule_3_do_not_track_beats_a_yes_and_the_switch() -> None:
    decision = decided(AGREED, Environment(do_not_track=True), TYPED_ON)
    assert (decision.collecting, decision.ask, decision.rule) == (False, False, "3, DO_NOT_TRACK")


def test_rule_4_a_switch_that_is_off_beats_a_yes() -> None:
    decision = decided(AGREED, switch=OFF)
    assert (decision.collecting, decision.ask, decision.rule) == (False, False, "4, switched off")
    assert decision.reason == "switched off for this session by %dev_analytics off"


@pytest.mark.parametrize("switch", [None, ON, TYPED_ON])
@pytest.mark.parametrize("ci", [False, True])
@pytest.mark.parametrize("can_answer", [False, True])
def test_rule_5_a_yes_collects_and_asks_no_more(
    switch: Switch | None, ci: bool, can_answer: bool
) -> None:
    decision = decided(AGREED, Environment(ci=ci), switch, can_answer=can_answer)
    assert (decision.collecting, decision.ask, decision.rule) == (True, False, "5, agreed")
    assert decision.reason == "you agreed on 2026-11-01 (notice 1)"


def test_rule_5_a_newer_notice_is_withheld_and_asked_about() -> None:
    decision = decided(AGREED, notice=2)
    assert (decision.collecting, decision.ask) == (True, True)
    assert decision.reason == (
        "you agreed on 2026-11-01 (notice 1); what notice 2 adds is withheld until you agree to it"
    )
    assert not decided(AGREED, notice=2, can_answer=False).ask


def test_rule_5_what_the_user_did_not_want_is_asked_about_no_more_unless_they_say_on() -> None:
    kept = AGREED.replace(kept_notice=2)
    assert not decided(kept, notice=2).ask
    assert not decided(kept, switch=ON, notice=2).ask
    assert decided(kept, switch=TYPED_ON, notice=2).ask
    assert decided(kept, notice=3).ask, "what is newer still is news"


def test_rule_6_a_switch_that_is_on_asks_whoever_can_answer() -> None:
    decision = decided(NOT_SAMPLED, switch=ON)
    assert (decision.collecting, decision.ask, decision.rule) == (False, True, "6, switched on")


def test_rule_6_a_switch_that_is_on_is_no_yes_where_nobody_is() -> None:
    decision = decided(SAMPLED, switch=TYPED_ON, can_answer=False)
    assert (decision.collecting, decision.ask) == (False, False)
    assert decision.reason.endswith("nobody here can answer the question")


def test_rule_6_holds_where_ci_is_set() -> None:
    assert decided(NOT_SAMPLED, Environment(ci=True), ON).ask


def test_rule_7_asks_the_sample() -> None:
    decision = decided(SAMPLED)
    assert (decision.collecting, decision.ask, decision.rule) == (False, True, "7, in the sample")


def test_rule_7_asks_nobody_who_cannot_answer() -> None:
    assert not decided(SAMPLED, can_answer=False).ask


def test_rule_8_ci_asks_nobody() -> None:
    decision = decided(SAMPLED, Environment(ci=True))
    assert (decision.collecting, decision.ask, decision.rule) == (False, False, "8, CI")


def test_rule_8_nobody_outside_the_sample_is_asked() -> None:
    decision = decided(NOT_SAMPLED)
    assert (decision.collecting, decision.ask, decision.rule) == (
        False,
        False,
        "8, not in the sample",
    )


def test_rule_8_nobody_is_asked_before_the_draw() -> None:
    decision = decided(Consent())
    assert (decision.collecting, decision.ask, decision.rule) == (False, False, "8, not drawn yet")


def test_a_question_left_unanswered_waits_seven_days() -> None:
    for days in range(7):
        asked = Consent(draw=0.0, asked_on=TODAY - timedelta(days))
        assert not decided(asked).ask
        assert not decided(asked, switch=ON).ask, "a setting is not somebody who types"
        assert decided(asked, switch=TYPED_ON).ask, "on asks at once"
    assert decided(Consent(draw=0.0, asked_on=TODAY - timedelta(7))).ask


def test_a_question_dated_by_a_wrong_clock_pauses_nothing() -> None:
    assert not paused(Consent(asked_on=TODAY + timedelta(365)), TODAY)
    assert paused(Consent(asked_on=TODAY + timedelta(3)), TODAY)


@pytest.mark.parametrize(("asked", "pause"), [(1, 7), (2, 30)])
def test_an_unanswered_question_comes_again_after_its_pause(asked: int, pause: int) -> None:
    consent = Consent(draw=0.0, asked_on=TODAY, asked=asked)
    for days in range(pause):
        decision = decided(consent, today=TODAY + timedelta(days))
        assert not decision.ask
        again = TODAY + timedelta(pause)
        assert decision.reason.endswith(f"was left unanswered and comes again on {again}")
        assert decided(consent, switch=TYPED_ON, today=TODAY + timedelta(days)).ask
    assert decided(consent, today=TODAY + timedelta(pause)).ask


@given(st.integers(3, 100), st.dates(), st.sampled_from([1, 2]))
def test_after_the_third_time_it_never_comes_again_by_itself(
    asked: int, today: date, notice: int
) -> None:
    for consent in (SAMPLED, AGREED):
        left = consent.replace(asked_on=TODAY, asked=asked)
        decision = decided(left, today=today, notice=notice)
        assert not decision.ask
        if consent is SAMPLED:
            assert decision.reason.endswith("and does not come again by itself")
            assert decided(left, switch=TYPED_ON, today=today, notice=notice).ask


@given(st.integers(1, 4), st.dates(), st.dates(), st.booleans())
@example(1, date.max, date(2026, 11, 22), False)
def test_a_question_that_waits_says_the_day_on_which_it_does_not(
    asked: int, asked_on: date, today: date, switched_on: bool
) -> None:
    consent = Consent(draw=0.0, asked_on=asked_on, asked=asked)
    assert decided(consent, switch=ON if switched_on else None, today=today).ask == (
        not paused(consent, today)
    )
    day = comes_again_on(consent)
    assert (day is None) == (asked > 2 or asked_on > date.max - timedelta(7 if asked == 1 else 30))
    if day is not None:
        assert not paused(consent, day)
        assert paused(consent, day - timedelta(1))


@given(
    st.sampled_from([None, *(Switch(on, "outside") for on in (True, False))]),
    st.builds(Switch, st.booleans(), st.just("inside"), st.booleans(), st.booleans()),
    st.booleans(),
)
def test_what_code_sets_where_nobody_is_undoes_no_off_from_outside(
    outside: Switch | None, switch: Switch, can_answer: bool
) -> None:
    decision = decided(AGREED, switch=switch, outside=outside, can_answer=can_answer)
    stays_off = switch.unattended and outside is not None and not outside.on
    assert decision.collecting == (switch.on and not stays_off)
    if switch.on and stays_off:
        assert decision.reason == (
            "switched off for this session by outside, and nobody here can undo that"
        )


@given(draw=st.integers(0, 9_999), percent=st.floats(0, 100))
def test_the_sample_is_nested(draw: int, percent: float) -> None:
    if in_sample(draw / 10_000, percent):
        assert in_sample(draw / 10_000, min(100, percent + 1))


@pytest.mark.parametrize(("percent", "members"), [(0, 0), (1, 100), (10, 1000), (100, 10_000)])
def test_the_sample_is_exactly_its_percentage_of_all_draws(percent: int, members: int) -> None:
    assert sum(in_sample(draw / 10_000, percent) for draw in range(10_000)) == members


consents = st.builds(
    Consent,
    opted_out=st.booleans(),
    unreadable=st.sampled_from(["", "is damaged"]),
    user_id=st.sampled_from([None, USER]),
    notice=st.integers(0, 3),
    answered_on=st.just(TODAY),
    asked_on=st.none() | st.dates(),
    draw=st.none() | st.floats(0, 1, exclude_max=True),
)
environments = st.builds(
    Environment,
    forbidden=st.sampled_from(["", "forbidden"]),
    do_not_track=st.booleans(),
    ci=st.booleans(),
)
switches = st.none() | st.builds(Switch, st.booleans(), st.just("a switch"), st.booleans())


@given(
    consents,
    environments,
    switches,
    st.floats(0, 100),
    st.integers(1, 3),
    st.booleans(),
    st.dates(),
)
def test_nothing_collects_without_a_yes_and_nobody_is_asked_who_cannot_answer(
    consent: Consent,
    environment: Environment,
    switch: Switch | None,
    sample_percent: float,
    notice: int,
    can_answer: bool,
    today: date,
) -> None:
    decision = decide(
        consent,
        environment,
        switch,
        sample_percent=sample_percent,
        notice=notice,
        can_answer=can_answer,
        today=today,
    )
    forbidden = (
        consent.opted_out
        or bool(consent.unreadable or environment.forbidden)
        or environment.do_not_track
        or (switch is not None and not switch.on)
    )
    assert decision.collecting == (consent.user_id is not None and not forbidden)
    if decision.ask:
        assert can_answer
        assert not forbidden
    assert decision.silent == forbidden
    assert decision.reason
    assert "\n" not in decision.reason
