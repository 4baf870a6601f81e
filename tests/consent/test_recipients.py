"""Whom a yes names: the addresses that are taken, the rules, and what is stored."""

from __future__ import annotations

import ipaddress
import json
import re
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fake_posthog import to_posthog
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from dev_analytics.config import DevAnalytics
from dev_analytics.consent.asking.question import Answer
from dev_analytics.consent.decision import Consent, Environment, Switch, decide
from dev_analytics.consent.files import DamagedError, consent_bytes, consent_of
from dev_analytics.consent.gate import Gate
from dev_analytics.consent.store import ConsentStore
from dev_analytics.destinations import (
    ARCHIVE,
    all_in_words,
    in_words,
    is_recipient,
    would_receive,
)
from dev_analytics.destinations.posthog import is_address, is_project_key

TODAY = date(2026, 11, 22)
USER = "0c7b1d9e-5f38-4d0a-9a54-3a6f1b9a2a11"
EU, ELSEWHERE = (
    to_posthog(f"https://{host}", "phc_k") for host in ("eu.i.posthog.com", "evil.test")
)

_LOOPBACK = r"localhost|127(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}|\[::1\]"
ADDRESS = (
    rf"(?:https://(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])|http://(?:{_LOOPBACK}))"
    r"(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~%+-]*)*"
)
"""What `is_address` takes, as a regular expression."""
PROJECT_KEY = r"[!-~]{1,200}"
"""What `is_project_key` takes."""

TAKEN = [
    *("https://us.i.posthog.com", "https://posthog.example.org/", "https://a.test:8000/ingest/v1"),
    *("https://10.0.0.1", "https://[2001:db8::1]:8443", "https://xn--bcher-kva.example"),
    *("http://localhost", "http://localhost:8000/", "http://127.0.0.1:9", "http://127.255.255.254"),
    *("http://[::1]", "http://[::1]:8000/posthog"),
]
REFUSED = [
    *("", "example.org", "ftp://example.org", "http://", "https://", "https:///path", "//a.test"),
    *("http://example.org", "http://10.0.0.1", "http://[2001:db8::1]", "http://0.0.0.0"),
    *("http://localhost.evil.test", "http://127.0.0.1.evil.test", "http://127.evil.test"),
    *("http://evil.test/localhost", "http://[::1].evil.test", "http://[::ffff:127.0.0.1]"),
    *("http://127.0.0.256", "http://127.1", "http://0177.0.0.1", "http://2130706433"),
    *("http://127.0.0.1@evil.test", "http://localhost:80@evil.test", "https://u:p@a.test"),
    *("https://u@a.test", "https://@a.test", "https://a.test?k=v", "https://a.test/?k", "https://#f"),
    *("https://a.test#f", "https://a.test/#", "http://127.0.0.1\\@evil.test", "https://a.test\\b"),
    *("https://a b.test", "https://a.test\n", " https://a.test", "https://a.test\x1b[2J"),
    *("https://bücher.example", "https://a.test:port", "https://a.test:", "http://localhost\t"),
    *("https://a.test:800000", "https://a.test:٨", "https://[]", "https://[::1", "https://[g::]"),
    *("https://-a.test", "https://.a", "https://a.test/ü", "http://127.0.0.01", "http://127.0.0.1.1"),
    *("http://127.0.0.١", "https://a.test;b", "https://a.test/..;/b", "HTTP://example.org"),
]  # fmt: skip


@pytest.mark.parametrize("address", TAKEN)
def test_https_and_plain_http_to_this_machine_are_addresses(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize("address", REFUSED)
def test_nothing_else_is_one(address: str) -> None:
    assert not is_address(address)
    assert not is_recipient(f"posthog {address} phc_k")
    if address:
        with pytest.raises(ValueError, match="must be an https address"):
            to_posthog(address, "phc_k")


addresses = st.one_of(
    st.from_regex(ADDRESS, fullmatch=True),
    st.lists(
        st.sampled_from([
            *("http://", "https://", "localhost", "127.0.0.1", "[::1]", "evil.test", ".", ":", "/"),
            *("@", "?", "#", "\\", "80", "%40", ";", "0", "127"),
        ]),
        max_size=6,
    ).map("".join),
)  # fmt: skip


@given(addresses | st.builds(str.replace, addresses, st.characters(), st.characters()))
def test_an_address_is_what_the_expression_says(address: str) -> None:
    assert is_address(address) == bool(re.fullmatch(ADDRESS, address))


@given(st.from_regex(PROJECT_KEY, fullmatch=True) | st.text(max_size=201))
def test_a_key_is_what_the_expression_says(key: str) -> None:
    assert is_project_key(key) == bool(re.fullmatch(PROJECT_KEY, key))


@given(addresses)
def test_what_is_taken_is_what_every_parser_finds(address: str) -> None:
    if not is_address(address):
        return
    try:
        split, other = urlsplit(address), parse_url(address)
    except ValueError:
        return  # a port or an address in brackets that there cannot be: nothing is sent
    assert (split.username, split.password, split.query, split.fragment) == (None, None, "", "")
    assert split.hostname
    if split.scheme == "http":
        host = split.hostname
        assert host == "localhost" or ipaddress.ip_address(host).is_loopback
    assert (other.scheme, other.auth, other.query, other.fragment) == (split.scheme, *3 * [None])
    assert other.host
    assert other.host.strip("[]").lower() == split.hostname.lower()


keys = st.from_regex(PROJECT_KEY, fullmatch=True)
recipients = st.just(ARCHIVE) | st.builds(
    to_posthog, st.sampled_from([each for each in TAKEN if each]), keys
)


@given(recipients)
def test_a_recipient_is_named_on_one_line_that_no_terminal_obeys(recipient: str) -> None:
    assert is_recipient(recipient)
    for line in (in_words(recipient), would_receive(recipient)):
        assert line.isprintable()
        assert line.isascii()


@given(st.sampled_from(TAKEN), keys)
def test_host_and_project_are_in_the_words_and_settings_are_their_own_recipient(
    host: str, key: str
) -> None:
    delivery = DevAnalytics(posthog_project_key=key, posthog_host=host).delivery
    assert delivery.recipient == to_posthog(host, key)
    for words in (in_words(delivery.recipient), would_receive(delivery.recipient)):
        assert f"PostHog at {host} (project {key})" in words
    assert DevAnalytics(posthog_host=host).delivery.recipient == ARCHIVE


def test_a_host_that_no_setting_takes_is_no_recipient() -> None:
    with pytest.raises(ValueError, match="must be"):
        to_posthog("http://evil.test", "phc_k")


def test_all_are_named_the_archive_first() -> None:
    assert all_in_words([]) == "the archive on this machine"
    assert all_in_words({EU, ARCHIVE}) == f"the archive on this machine, {in_words(EU)}"


AGREED = Consent(user_id=USER, notice=1, recipients=frozenset({ARCHIVE}), answered_on=TODAY)


def decided(consent: Consent, recipient: str, **changed: object) -> tuple[bool, bool]:
    facts = {"sample_percent": 10, "notice": 1, "can_answer": True, "today": TODAY, **changed}
    switch = facts.pop("switch", None)
    decision = decide(consent, Environment(), switch, recipient=recipient, **facts)  # type: ignore[arg-type]
    assert decision.rule == "5, agreed"
    assert (in_words(recipient) in decision.reason) == (not consent.names(recipient))
    return decision.collecting, decision.ask


def test_a_new_recipient_is_asked_about_and_the_archive_never() -> None:
    typed_on = Switch(True, "%dev_analytics on", explicit=True)
    for consent in (AGREED, AGREED.replace(recipients=frozenset())):
        assert decided(consent, ARCHIVE) == (True, False)
        assert decided(consent, EU) == (True, True)
        assert decided(consent, EU, can_answer=False) == (True, False)
        assert decided(consent.replace(asked_on=TODAY), EU) == (True, False), "it waits"
        kept = consent.replace(kept_recipients=frozenset({EU}))
        assert decided(kept, EU) == (True, False), "it is asked about once"
        assert decided(kept, EU, switch=typed_on) == (True, True), "unless somebody wants it"
        assert decided(kept, ELSEWHERE) == (True, True), "another one still is new"
        assert decided(consent.replace(recipients=frozenset({EU})), EU) == (True, False)


some = st.frozensets(st.sampled_from([ARCHIVE, EU, ELSEWHERE]))


@given(agreed=some, kept=some, recipient=st.sampled_from([ARCHIVE, EU, ELSEWHERE]))
def test_only_what_the_yes_names_and_the_archive_receive(
    agreed: frozenset[str], kept: frozenset[str], recipient: str
) -> None:
    consent = AGREED.replace(recipients=agreed, kept_recipients=kept)
    assert consent.names(recipient) == (recipient in agreed or recipient == ARCHIVE)
    assert decided(consent, recipient)[1] == (
        not consent.names(recipient) and recipient not in kept
    )


@given(agreed=st.frozensets(recipients, max_size=4), kept=st.frozensets(recipients, max_size=4))
def test_the_file_keeps_them(agreed: frozenset[str], kept: frozenset[str]) -> None:
    consent = AGREED.replace(recipients=agreed, kept_recipients=kept)
    assert consent_of(consent_bytes(consent)) == consent


YES = {
    "version": 1,
    "answer": "yes",
    "user_id": USER,
    "notice": 1,
    "answered_on": "2026-11-22",
}


def test_an_older_yes_names_the_archive_alone() -> None:
    consent = consent_of(json.dumps(YES).encode())
    assert [consent.names(each) for each in (ARCHIVE, EU)] == [True, False]


@pytest.mark.parametrize(
    "content",
    [
        {**YES, "recipients": "archive"},
        {**YES, "recipients": [7]},
        {**YES, "recipients": [""]},
        {**YES, "recipients": ["archive", "everybody"]},
        {**YES, "recipients": ["posthog http://evil.test phc_k"]},
        {**YES, "recipients": ["posthog https://a.test phc_k\n"]},
        {**YES, "kept_recipients": ["posthog  "]},
        {"version": 1, "recipients": [EU]},
        {"version": 1, "kept_recipients": [EU]},
    ],
    ids=str,
)
def test_recipients_that_no_yes_can_name_are_a_damaged_file(content: dict[str, object]) -> None:
    with pytest.raises(DamagedError):
        consent_of(json.dumps(content).encode())


def test_each_yes_adds_to_the_recipients_and_a_new_identifier_has_none(data: Path) -> None:
    store = ConsentStore(data)
    assert store.agree(1, TODAY).recipients == {ARCHIVE}
    assert store.agree(1, TODAY, recipients=[EU]).recipients == {ARCHIVE, EU}
    assert store.agree(2, TODAY).recipients == {ARCHIVE, EU}, "a newer notice takes nothing back"
    store.reset()
    assert store.agree(1, TODAY).recipients == {ARCHIVE}
    assert not ConsentStore(data).read().names(EU)


def test_a_recipient_that_was_not_wanted_is_remembered_until_it_is(data: Path) -> None:
    store = ConsentStore(data)
    assert store.keep(1, recipients=[EU]).kept_recipients == frozenset(), "there was no yes"
    store.agree(1, TODAY)
    store.keep(1, recipients=[EU])
    assert (store.read().recipients, store.read().kept_recipients) == (
        frozenset({ARCHIVE}),
        frozenset({EU}),
    )
    store.keep(1, recipients=[ARCHIVE])
    assert store.read().kept_recipients == {EU}, "what was agreed to stays agreed to"
    store.agree(1, TODAY, recipients=[EU])
    assert (store.read().recipients, store.read().kept_recipients) == (
        frozenset({ARCHIVE, EU}),
        frozenset(),
    )


def test_an_answer_is_to_whom_the_question_named_and_not_to_who_came_since(data: Path) -> None:
    gate = Gate(data, sample_percent=100, notice=1)
    gate.recipient = EU
    named = (gate.recipient,)
    gate.recipient = ELSEWHERE
    gate.answer(Answer.YES, (), named)
    assert gate.store.read().recipients == {ARCHIVE, EU}
    assert [gate.names(each) for each in (ARCHIVE, EU, ELSEWHERE)] == [True, True, False]
    assert gate.may_ask()
    gate.answer(Answer.KEEP, (), (ELSEWHERE,))
    assert not gate.may_ask()


def test_another_recipient_in_a_session_is_wanted_once_and_only_after_a_yes(data: Path) -> None:
    gate, wanted = Gate(data, sample_percent=100, notice=1), list[str]()
    gate.on_wanted = lambda: wanted.append(gate.recipient)
    gate.recipient = EU
    assert wanted == [], "the first question names it"
    gate.answer(Answer.YES, (), (EU,))
    for recipient in (ARCHIVE, EU, ELSEWHERE, ELSEWHERE):
        gate.recipient = recipient
    assert wanted == [ELSEWHERE]
