"""What a yes to a tool covers: what is less needs no question, what is more is never covered."""

from __future__ import annotations

import json
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics.consent.decision import Consent, Environment, decide
from dev_analytics.consent.files import DamagedError, consent_bytes, object_of
from dev_analytics.consent.scope import Scope, Term, is_term, rounded, uncovered
from dev_analytics.consent.store import ConsentStore
from dev_analytics.consent.tool_files import tools_bytes, with_tools

TODAY = date(2026, 11, 22)
KEY = "acme@acme-charts"
YES = Consent(user_id="x", notice=1, answered_on=TODAY, draw=0.5)

WORDS = st.frozensets(st.sampled_from(["bar", "line", "pie", "other"]))
PLACES = [
    "acme: made",
    "acme: made/kind",
    "acme: made/kind/word",
    "acme: made/rows/count/rows",
    "acme: made/time/duration/s",
    "acme: made/kind/absent",
]


@st.composite
def scopes(draw: st.DrawFn) -> Scope:
    places = draw(st.sets(st.sampled_from(PLACES)))
    terms: dict[str, Term] = {
        place: draw(WORDS) if is_term(place, frozenset()) else draw(st.integers(0, 5))
        for place in places
    }
    return Scope(draw(st.integers(1, 3)), terms)


def said(scope: Scope) -> set[tuple[str, object]]:
    """All that a scope allows, one by one: what *more* and *less* mean, told in another way."""
    return {
        (place, each)
        for place, term in scope.terms.items()
        for each in ((*term, None) if isinstance(term, frozenset) else range(-1, term + 1))
    }


@given(scopes(), scopes())
def test_a_scope_covers_another_if_it_allows_all_that_the_other_does(a: Scope, b: Scope) -> None:
    assert a.covers(b) == (said(b) <= said(a))


@given(scopes(), scopes())
def test_two_scopes_together_cover_both_and_no_more(a: Scope, b: Scope) -> None:
    both = a.joined(b)
    assert both.covers(a)
    assert both.covers(b)
    assert said(both) == said(a) | said(b)


@given(scopes(), scopes())
def test_two_scopes_have_one_digest_if_they_say_the_same(a: Scope, b: Scope) -> None:
    assert (a.digest == b.digest) == (a.terms == b.terms)


@given(scopes(), scopes())
def test_the_file_keeps_a_scope_as_it_is(a: Scope, b: Scope) -> None:
    before = YES.replace(tools={KEY: a}, kept_tools={KEY: b})
    assert with_tools(YES, tools_bytes(before)) == before


@given(scopes(), st.data())
def test_a_file_whose_terms_are_not_those_of_its_digest_covers_nothing(
    scope: Scope, data: st.DataObject
) -> None:
    other = data.draw(scopes().filter(lambda each: each.terms != scope.terms))
    content = json.loads(tools_bytes(YES.replace(tools={KEY: scope})))
    content["tools"][KEY]["terms"] = json.loads(tools_bytes(YES.replace(tools={KEY: other})))[
        "tools"
    ][KEY]["terms"]
    with pytest.raises(DamagedError):
        with_tools(YES, json.dumps(content).encode())


@given(scopes(), scopes(), scopes())
def test_a_question_comes_for_what_is_neither_agreed_to_nor_refused(
    wanted: Scope, agreed: Scope, kept: Scope
) -> None:
    consent = YES.replace(tools={KEY: agreed}, kept_tools={KEY: kept})
    decision = decide(
        consent, Environment(), None, sample_percent=0, notice=1, can_answer=True, today=TODAY,
        tools={KEY: wanted},
    )  # fmt: skip
    assert decision.collecting
    assert decision.ask == (not said(wanted) <= said(agreed) | said(kept))


MADE = Scope(
    1,
    {
        "acme: made": frozenset({"A chart was made."}),
        "acme: made/kind": frozenset({"Kind."}),
        "acme: made/kind/word": frozenset({"bar", "other"}),
        "acme: made/rows": frozenset({"Rows."}),
        "acme: made/rows/count/rows": 5000,
        "acme: made/well": frozenset({"It went well."}),
        "acme: made/well/flag": 1,
        "acme: made/time": frozenset({"Time."}),
        "acme: made/time/duration/s": 1,
        "acme: made/version": frozenset({"Version."}),
        "acme: made/version/version/acme": 1,
    },
)
RIGHT = {"kind": "bar", "rows": 4990, "well": True, "time": 0.1, "version": "1.2.3"}


def test_a_record_says_what_was_agreed_to() -> None:
    assert MADE.allows("acme: made", RIGHT)
    assert MADE.allows("acme: made", {**RIGHT, "kind": "other", "time": 0.0, "rows": 0})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "pie"), ("kind", "Bar"), ("kind", True), ("kind", "other "), ("kind", None),
        ("rows", 5001), ("rows", 6000), ("rows", -1), ("rows", True), ("rows", 1.0), ("rows", 4999),
        ("well", 1), ("well", "true"),
        ("time", 0.15), ("time", float("nan")), ("time", float("inf")), ("time", 2e6), ("time", 1),
        ("time", -1.0), ("version", "1.2.3.4"), ("version", "01"), ("version", "1.2.3 "),
        ("version", "\u0661"), ("note", "free"), ("kind/word", "bar"), ("", "bar"),
    ],
)  # fmt: skip
def test_a_record_that_says_anything_else_is_not_covered(name: str, value: object) -> None:
    assert not MADE.allows("acme: made", {**RIGHT, name: value})


def test_a_record_of_another_event_is_not_covered() -> None:
    for event in ("acme: opened", "acme: made/kind", "acme", ""):
        assert not MADE.allows(event, {})


def test_a_kind_of_property_that_this_version_does_not_know_is_not_covered() -> None:
    terms = {**MADE.terms, "acme: made/rows/range/rows": 5000, "acme: made/time/range/s": 1}
    assert Scope(1, terms).allows("acme: made", RIGHT)
    assert not Scope(1, terms).allows("acme: made", {**RIGHT, "rows": 5001})
    assert not Scope(1, terms).allows("acme: made", {**RIGHT, "time": 1})


def test_words_and_a_limit_in_one_place_are_no_scope() -> None:
    with pytest.raises(TypeError, match="terms of two kinds"):
        MADE.joined(Scope(1, {"acme: made/rows/count/rows": frozenset({"many"})}))


@given(st.integers(0, 10**9), st.integers(1, 5))
def test_a_rounded_number_is_the_nearest_of_so_few_digits(value: int, digits: int) -> None:
    near = rounded(value, digits)
    assert len(str(near).rstrip("0")) <= digits
    assert abs(near - value) * 2 <= 10 ** max(0, len(str(value)) - digits)
    assert rounded(near, digits) == near


def test_a_file_of_notices_alone_covers_no_tool(data: Path) -> None:
    store = ConsentStore(data)
    store.agree(1, TODAY, {KEY: MADE})
    old = {"version": 1, "answered_on": TODAY.isoformat(), "tools": {KEY: 1}, "kept": {KEY: 1}}
    store.tools_file.write_text(json.dumps(old))
    assert store.read().user_id
    assert store.read().tools == {}
    assert store.read().kept_tools == {}


def test_a_yes_to_one_version_of_a_tool_leaves_that_to_another(data: Path) -> None:
    store = ConsentStore(data)
    pie = dict(MADE.terms) | {"acme: made/kind/word": frozenset({"pie", "other"})}
    store.agree(1, TODAY, {KEY: MADE})
    store.agree(1, TODAY, {KEY: Scope(2, pie)})
    agreed = store.read().tools
    assert uncovered({KEY: MADE}, agreed) == uncovered({KEY: Scope(2, pie)}, agreed) == {}
    assert agreed[KEY].notice == 2


def test_what_was_refused_and_is_agreed_to_later_is_refused_no_more(data: Path) -> None:
    store = ConsentStore(data)
    store.agree(1, TODAY)
    store.keep(1, {KEY: MADE})
    assert set(store.read().kept_tools) == {KEY}
    store.agree(1, TODAY, {KEY: MADE})
    assert store.read().kept_tools == {}


def test_what_the_user_makes_of_json_changes_no_answer_and_no_digest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scope, content = Scope(1, {"acme: made": 1}), consent_bytes(YES)
    digest = scope.digest
    monkeypatch.setattr(json, "loads", partial(json.loads, parse_int=str))
    monkeypatch.setattr(json, "dumps", partial(json.dumps, indent=4))
    assert consent_bytes(YES) == content
    assert object_of(content)["version"] == 1
    assert Scope(1, {"acme: made": 1}).digest == digest
