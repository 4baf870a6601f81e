"""What may leave: every record that we write, and no other line, however close it comes."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics import NOTICE, RELEASES, __version__
from dev_analytics.catalogue.events import EVENTS, LLMRequest, acceptor, properties
from dev_analytics.catalogue.examples import GIVEN
from dev_analytics.catalogue.fields import fields
from dev_analytics.catalogue.record import Form, new_session_id, uuid4
from dev_analytics.catalogue.source import functions
from dev_analytics.catalogue.values import Count, Duration, Flag, Frames, Version, Word
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.consent.decision import Consent
from dev_analytics.consent.scope import VERSION
from dev_analytics.delivery.allowed import Allowed, Verdict

USER = "71b00c15-cdb5-4ee2-afb1-2f11ecfbebf4"
CONSENT = Consent(user_id=USER, notice=NOTICE, answered_on=date(2026, 11, 26))


def record(name: str, given_: Any = None, user: str | None = USER) -> bytes:
    event = EVENTS[name]
    accepted = acceptor(event, NOTICE).accept(GIVEN[name] if given_ is None else given_)
    form = Form(event, distinct_id=user, session_id=new_session_id(1_764_000_000))
    return form.fill(accepted, 3, 1_764_000_007)


def verdict(line: bytes, consent: Consent = CONSENT) -> Verdict:
    return Allowed(consent).check(line).verdict


def changed(line: bytes, **changes: Any) -> bytes:
    """Return the record with fields changed or, where their value is None, left out."""
    whole = {**json.loads(line), **changes}
    return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()


def with_properties(line: bytes, **changes: Any) -> bytes:
    own = {**json.loads(line)["properties"], **changes}
    return changed(line, properties={k: v for k, v in own.items() if v is not None})


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_of_the_catalogue_may_leave(name: str) -> None:
    found = Allowed(CONSENT).check(record(name))
    assert found.verdict is Verdict.ALLOWED
    assert found.timestamp == "2025-11-24T16:00:07+00:00"


PRICES = {"$ai_input_token_price": 0, "$ai_output_token_price": 0}
OWN = record("message_send", {"provider": "ollama", "model": "llama3"})


def test_a_price_may_leave_where_the_user_s_own_machine_serves_the_model() -> None:
    assert json.loads(OWN)["properties"].items() >= PRICES.items()
    assert verdict(OWN) is Verdict.ALLOWED
    for wire in PRICES:
        for other in (None, 7, "hunter2", True, 0.0):
            assert verdict(with_properties(OWN, **{wire: other})) is Verdict.UNDECLARED


def rewritten(line: bytes) -> bytes:
    """Write the record of a line anew, from the properties that it has."""
    whole = json.loads(line)
    own, event = whole["properties"], EVENT_OF[whole["event"]]
    wires = {each.name: each.wire for each in fields(event)}
    given_ = {name: own[wires[name]] for name in properties(event) if wires[name] in own}
    accepted = acceptor(event, NOTICE).accept(given_)
    for name, kind in properties(event).items():
        if isinstance(kind, Version) and VERSION.fullmatch(given_[name]):
            accepted[name] = given_[name]
        if isinstance(kind, Frames) and name in given_:
            places = [tuple(place.split(":")) for place in given_[name]]
            accepted[name] = kind.accept([(*place, int(line)) for *place, line in places])
    form = Form(event, distinct_id=USER, session_id=own["$session_id"])
    seconds = int(datetime.fromisoformat(whole["timestamp"]).timestamp())
    made = form.fill(accepted, own["seq"], seconds)
    return made.replace(json.loads(made)["uuid"].encode(), whole["uuid"].encode())


EVENT_OF = {event.wire: event for event in EVENTS.values()}
NEAR: list[Any] = [None, 0, 0.0, -0.0, 1, 1.0, 1.5, True, False, "", OTHER, "1.2.3", "1.2.3.4"]
NEAR += ["01.2.3", "1.2.30000", "0.9.1jane42", "1.0.0jane1", "0001.0.0", "ollama", "openai", []]
SESSION = new_session_id(1_764_000_000)
NEAR += [SESSION, f"{int(SESSION[:8], 16):08x}-{int(SESSION[9:13], 16) + 7:04x}{SESSION[13:]}"]


@pytest.mark.parametrize("name", EVENTS)
def test_what_may_leave_is_what_we_would_write(name: str) -> None:
    """Whatever comes near it: no value, no price, no version that our own records never have."""
    known = [each.wire for each in fields(EVENTS[name])]
    for line in (record(name), OWN) if name == "message_send" else (record(name),):
        before = json.loads(line)["properties"]
        for wire in known:
            for value in NEAR:
                own = {**before, wire: value}
                ordered = {w: own[w] for w in known if own.get(w) is not None}
                near = changed(line, properties=ordered)
                if verdict(near) is Verdict.ALLOWED:
                    assert rewritten(near) == near


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Draw what somebody may give for a property of this kind."""
    match kind:
        case Word():
            words = sorted({OTHER}.union(*(each.members for each in kind.vocabularies)))
            return st.sampled_from(words) | st.text(max_size=5)
        case Flag():
            return st.booleans()
        case Count():
            return st.integers(0, kind.most)
        case Duration():
            return st.floats(0, 10**9) | st.integers(0, 10**9)
        case Version():
            return st.from_regex(r"\d{1,5}(\.\d{1,5}){0,4}(\+acme)?", fullmatch=True)
        case Frames():
            places = functions("dev_analytics.analytics")
            claims = [("dev_analytics.analytics", name, found[1]) for name, found in places.items()]
            return st.lists(st.sampled_from(claims), max_size=10)
    raise TypeError(f"no values for {kind!r}")


@st.composite
def events(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    name = draw(st.sampled_from(sorted(EVENTS)))
    optional = set(draw(st.sets(st.sampled_from(sorted(properties(EVENTS[name]))))))
    required = {each for each in GIVEN[name] if name != "message_send"} - {"frames"}
    kinds = properties(EVENTS[name])
    return name, {each: draw(values(kinds[each])) for each in sorted(optional | required)}


@given(events())
def test_whatever_is_given_the_record_that_is_written_may_leave(
    given_: tuple[str, dict[str, Any]],
) -> None:
    assert verdict(record(*given_)) is Verdict.ALLOWED


@given(st.data())
def test_a_value_that_a_property_cannot_have_may_not_leave(data: st.DataObject) -> None:
    """Words of the user's, numbers beyond the bound or finer than the rounding, other types."""
    name = data.draw(st.sampled_from(sorted(EVENTS)))
    line = record(name)
    declared = properties(EVENTS[name])
    wires = {each.name: each.wire for each in fields(EVENTS[name]) if each.name in declared}
    field = data.draw(st.sampled_from(sorted(wires)))
    kind = properties(EVENTS[name])[field]
    value = data.draw(
        st.text(max_size=20)
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.booleans()
        | st.lists(st.text(max_size=8), max_size=2)
        | st.dictionaries(st.text(max_size=3), st.integers(), max_size=1)
    )
    own = {**json.loads(line)["properties"], wires[field]: value}
    spelled = changed(line, properties=own)
    if verdict(spelled) is Verdict.ALLOWED:
        if not isinstance(kind, Frames):
            assert kind.accept(value) == value
            assert type(kind.accept(value)) is type(value)
        assert spelled == changed(spelled), "there is one way to write it"


LINE = record("cell_executed")
LLM = record("message_send")
UNDECLARED = {
    "an unknown event": changed(LINE, event="my diary"),
    "a field more": changed(LINE, note="hunter2"),
    "a property more": with_properties(LINE, text="Dear diary"),
    "a property of another event": with_properties(LINE, frontend="jupyterlab"),
    "a property that is missing": with_properties(LINE, outcome=None),
    "somebody's profile": with_properties(LINE, **{"$process_person_profile": True}),
    "a profile's content": with_properties(LINE, **{"$set": {"email": "jane@acme.example"}}),
    "an address": with_properties(LINE, **{"$ip": "203.0.113.9"}),
    "another library": with_properties(LINE, **{"$lib": "hunter2"}),
    "a version that is none": with_properties(LINE, **{"$lib_version": "hunter2"}),
    "an older version with words": with_properties(LINE, **{"$lib_version": "0.1hunter2"}),
    "an older version that there never was": with_properties(LINE, **{"$lib_version": "0.8.4"}),
    "a version of words": with_properties(LINE, **{"$lib_version": f"{__version__}jane42"}),
    "a version of four numbers": with_properties(record("launched"), python="10.4.105.33"),
    "a session that begins at a finer time": with_properties(LINE, **{"$session_id": NEAR[-1]}),
    "a price of somebody else's machine": LLM.replace(
        b'"$ai_trace_id"',
        b'"$ai_input_token_price": 0, "$ai_output_token_price": 0, "$ai_trace_id"',
    ),
    "minus zero": with_properties(LLM, **{"$ai_latency": -0.0}),
    "an hour that there is not": changed(LINE, timestamp="2025-11-24T24:00:00+00:00"),
    "a word of the user's": with_properties(LINE, outcome="hunter2"),
    "a finer duration": with_properties(LINE, duration_ms=123),
    "a duration below zero": with_properties(LINE, duration_ms=-1),
    "a duration without end": with_properties(LINE, duration_ms=10**13),
    "a duration with decimals": with_properties(LINE, duration_ms=120.0),
    "a session that is text": with_properties(LINE, **{"$session_id": "zeus"}),
    "a session of another kind": with_properties(LINE, **{"$session_id": uuid4()}),
    "a number below one": with_properties(LINE, seq=0),
    "a uuid that is text": changed(LINE, uuid="hunter2"),
    "a uuid in capitals": changed(LINE, uuid=json.loads(LINE)["uuid"].upper().replace("4", "A")),
    "a time that is text": changed(LINE, timestamp="yesterday"),
    "a finer time": changed(LINE, timestamp="2025-11-24T16:00:07.123456+00:00"),
    "a time elsewhere": changed(LINE, timestamp="2025-11-24T16:00:07+01:00"),
    "a day that there is not": changed(LINE, timestamp="2025-02-31T16:00:07+00:00"),
    "another trace": with_properties(LLM, **{"$ai_trace_id": uuid4()}),
    "tokens that are exclusive": with_properties(LLM, **{"$ai_cache_reporting_exclusive": True}),
    "a private model": with_properties(LLM, **{"$ai_model": "ft:gpt-4o:zeus"}),
    "a place of the user's": with_properties(
        record("error_raised"), frames=["dev_analytics.secret:hunter2:7"]
    ),
    "a line that is not there": with_properties(
        record("error_raised"), frames=["dev_analytics.analytics:Analytics.event:99999"]
    ),
    "a place without a line": with_properties(
        record("error_raised"), frames=["dev_analytics.analytics:Analytics.event"]
    ),
    "a place with more than a line": with_properties(
        record("error_raised"), frames=["dev_analytics.analytics:Analytics.event:1:hunter2"]
    ),
    "a blank more": LINE.replace(b": ", b":  ", 1),
    "no blanks": json.dumps(json.loads(LINE), separators=(",", ":")).encode(),
    "an escape": LINE.replace(b'"ok"', b'"\\u006fk"'),
    "a doubled key": LINE.replace(b'"outcome": "ok"', b'"outcome": "hunter2", "outcome": "ok"'),
    "a doubled field": LINE.replace(b'{"event"', b'{"event": "hunter2", "event"', 1),
    "another order": json.dumps(dict(reversed(json.loads(LINE).items()))).encode(),
    "a blank at the end": LINE + b" ",
    "a number spelled otherwise": LINE.replace(b'"seq": 3', b'"seq": 3.0'),
}


@pytest.mark.parametrize("kind", UNDECLARED)
def test_a_record_that_says_anything_else_is_put_aside(kind: str) -> None:
    assert UNDECLARED[kind] not in (LINE, LLM)
    assert verdict(UNDECLARED[kind]) is Verdict.UNDECLARED


@given(st.data())
def test_no_byte_of_a_record_can_be_changed_into_one_of_the_user_s(data: st.DataObject) -> None:
    """What may leave after a change is the same record but for numbers that it may have."""
    line = bytearray(data.draw(st.sampled_from([LINE, LLM])))
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] = data.draw(st.integers(0, 255))
    if verdict(bytes(line)) is Verdict.ALLOWED:
        assert bytes(line) == json.dumps(json.loads(bytes(line))).encode()
        before, after = json.loads(LLM if b"$ai_" in line else LINE), json.loads(bytes(line))
        differing = {
            name
            for name in after["properties"]
            if after["properties"][name] != before["properties"][name]
        }
        assert not any(isinstance(after["properties"][each], bool) for each in differing)
        assert all(
            not isinstance(after["properties"][each], str) or each == "$session_id"
            for each in differing - {"$lib_version", "$ai_trace_id"}
        ), differing


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"null", b"7", b"\xff\xfe", b"[" * 100_000, LINE[:50], b"{}"]
)
def test_what_is_no_record_is_rubbish(line: bytes) -> None:
    assert verdict(line) is Verdict.RUBBISH


@pytest.mark.parametrize("user", ["4163b27f-0a2e-460a-a170-451d6443b2b5", None])
def test_what_is_somebody_else_s_is_foreign(user: str | None) -> None:
    assert verdict(record("cell_executed", user=user)) is Verdict.FOREIGN


@pytest.mark.parametrize("version", ["1.0.1", "1.1.0", "2.0.0rc1", "99.0"])
def test_what_a_newer_version_wrote_is_for_a_sender_that_knows_it(version: str) -> None:
    newer = with_properties(LINE, mood="good", **{"$lib_version": version})
    for line in (newer, changed(newer, event="cell dreamt", dream=[1])):
        found = Allowed(CONSENT).check(line)
        assert found.verdict is Verdict.UNKNOWN
        assert found.timestamp == "2025-11-24T16:00:07+00:00"


@pytest.mark.parametrize("version", ["0.9.0", "0.9.0rc2", __version__])
def test_what_this_or_an_older_version_wrote_leaves_if_it_is_declared_still(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dev_analytics.delivery.form.RELEASES", {*RELEASES, "0.9.0", "0.9.0rc2"})
    older = with_properties(LINE, **{"$lib_version": version})
    assert verdict(older) is Verdict.ALLOWED
    assert verdict(with_properties(older, mood="good")) is Verdict.UNDECLARED


def test_what_is_newer_than_the_notice_that_was_agreed_to_may_not_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert verdict(LINE, CONSENT.replace(notice=0)) is Verdict.UNDECLARED
    kinds: dict[str, Any] = dict(properties(LLMRequest))
    kinds["stream"] = Flag("The answer was streamed.", since=NOTICE + 1)
    monkeypatch.setattr("dev_analytics.delivery.form.properties", lambda event: kinds)
    monkeypatch.setattr("dev_analytics.delivery.form._forms", {})
    assert "stream" in GIVEN["message_send"]
    assert verdict(LLM) is Verdict.UNDECLARED
    assert verdict(LLM, CONSENT.replace(notice=NOTICE + 1)) is Verdict.ALLOWED
    assert verdict(with_properties(LLM, stream=None)) is Verdict.ALLOWED
