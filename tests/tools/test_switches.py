"""A tool is asked about, withheld, kept out and switched off by itself; no fault loses a no."""

from __future__ import annotations

import html
import json
import os
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import pexpect
import pytest
from IPython.core.error import UsageError
from scopes import scopes, some

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics, get_analytics
from dev_analytics.apps.extension import load, unload
from dev_analytics.apps.jupyter import main
from dev_analytics.apps.switches import switch_off, switch_on
from dev_analytics.consent.asking.question import FIRST, Answer, first, newer
from dev_analytics.consent.decision import Consent, Switch
from dev_analytics.consent.store import ConsentStore, ConsentStoreError
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.delivery.sender import Sender
from dev_analytics.destinations import ARCHIVE, would_receive
from dev_analytics.destinations.transport import Unreachable
from dev_analytics.process.native import Clock, system
from dev_analytics.tools import UNSET, Event, Flag, Tool, UnsetType, Why
from dev_analytics.tools.installed import declared, offers
from dev_analytics.tools.terms import scope_of
from dev_analytics.views.kinds import kinds_html, kinds_text
from dev_analytics.views.preview import preview
from dev_analytics.views.status import status_rows

KEY = "acme@acme-charts"
TODAY = date(2026, 11, 22)
MADE: dict[str, Any] = {"kind": "bar", "seconds": 0.4, "titled": True}


@pytest.fixture
def store(data: Path) -> ConsentStore:
    return ConsentStore(data)


def test_a_yes_holds_for_the_tools_that_it_names(store: ConsentStore) -> None:
    store.agree(1, TODAY, {KEY: some()})
    assert store.read().tools == {KEY: some()}
    store.agree(1, TODAY, {"other@package": some("pie", 2)})
    assert store.read().tools == {KEY: some(), "other@package": some("pie", 2)}


def test_each_other_tool_has_a_csv_file(store: ConsentStore) -> None:
    store.agree(1, TODAY, {KEY: some()})
    store.keep(1, {"other@package": some()})
    assert set(json.loads(store.file.read_bytes())) == {
        *("version", "answer", "user_id", "notice", "kept_notice", "recipients", "answered_on")
    }


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"version": 2, "tools": {"acme@acme-charts": 1}}', b"[" * 9999,
     b'{"version": 1, "tools": {"acme@acme-charts": "1"}}', b"\xff\x00",
     b'{"version": 1, "tools": {"acme@acme-charts": 0}}',
     b'{"version": 1, "answered_on": "2026-11-21", "tools": {"acme@acme-charts": 1}}'],
)  # fmt: skip
def test_an_unreadable_file_of_tools_covers_none_and_the_core_s_yes_stays(
    store: ConsentStore, content: bytes
) -> None:
    store.agree(1, TODAY, {KEY: some()})
    store.tools_file.write_bytes(content)
    assert store.read().user_id
    assert store.read().tools == {}


def test_a_yes_given_to_an_older_version_covers_no_tool(store: ConsentStore) -> None:
    """It neither deletes nor reads ``tools.json``, and its question named none."""
    store.claim_question(lambda consent: True, TODAY)
    store.agree(1, TODAY, {KEY: some()})
    kept = store.tools_file.read_bytes()
    store.opt_out()
    store.reset()
    store.claim_question(lambda consent: True, TODAY)
    store.agree(1, date(2026, 12, 1))
    store.tools_file.write_bytes(kept)
    assert store.read().tools == {}


def test_an_opt_out_and_a_reset_forget_the_tools(store: ConsentStore) -> None:
    store.agree(1, TODAY, {KEY: some()})
    store.switch_off("acme")
    store.opt_out()
    assert {path.name for path in store.folder.iterdir()} == {"opted-out", "off.acme"}
    store.reset()
    assert list(store.folder.iterdir()) == []


def test_a_tool_that_is_off_stays_off_whatever_else_holds(store: ConsentStore) -> None:
    store.switch_off("acme")
    store.agree(1, TODAY, {KEY: some()})
    assert not store.read().covers("acme")
    store.tools_file.write_bytes(b"{")
    store.file.write_bytes(store.file.read_bytes())
    assert store.read().tools_off == {"acme"}
    store.tools_file.unlink()
    (store.folder / "off.acme").unlink()
    (store.folder / "off.acme").symlink_to("/nowhere")
    assert store.read().tools_off == {"acme"}


def test_a_full_disk_can_lose_a_yes_but_not_a_no(
    store: ConsentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.agree(1, TODAY, {KEY: some(), "other@package": some()})
    monkeypatch.setattr(system, "open", full_disk(system.open))
    store.switch_off("acme")
    assert store.read().tools_off == {"acme"}
    assert store.read().tools == {}
    assert store.read().user_id
    with pytest.raises(ConsentStoreError, match="No space left"):
        store.switch_off("other")


def full_disk(opened: Callable[..., int]) -> Callable[..., int]:
    def refuse(path: Any, flags: int, mode: int = 0o777, **given: Any) -> int:
        if flags & os.O_CREAT and not Path(path).exists():
            raise OSError(28, "No space left on device")
        return opened(path, flags, mode, **given)

    return refuse


def test_the_first_question_names_the_tools_below_its_text(tools: Path) -> None:
    offered = offers(Consent())
    question = first(offered)
    words = f"{would_receive(ARCHIVE)}\n{FIRST.lines}"
    assert question.lines.startswith(words + "\n")
    assert question.prompt == FIRST.prompt
    below = question.lines.removeprefix(words)
    assert below.splitlines()[1:] == [
        "A yes also holds for other tools here, each until you switch it off by itself:",
        "  - Acme Charts, by the package acme-charts, would also like to record: "
        '"chart made", with 3 properties and 3 possible words. '
        "%dev_analytics schema acme shows all of it.",
    ]
    assert {offer.key: offer.scope for offer in question.offers} == scopes("acme")
    assert first([]).lines == words


def test_the_question_about_a_newer_notice_names_what_is_not_agreed_to(tools: Path) -> None:
    question = newer([], TODAY, offers(Consent(user_id="x", notice=1)))
    assert "Acme Charts, by the package acme-charts" in question.lines
    assert offers(Consent(tools=scopes("acme"))) == []
    assert offers(Consent(tools_off=frozenset({"acme"}))) == []


@pytest.fixture
def used(tools: Path, data: Path, kept: Any) -> Analytics:
    """Analytics whose user agreed before acme was installed."""
    analytics = Analytics(data, sink=kept)
    analytics.gate.store.claim_question(lambda consent: True, TODAY)
    analytics.gate.store.agree(NOTICE, TODAY)
    return analytics


def test_an_event_not_agreed_to_is_withheld_and_asked_about_where_it_is_used(
    used: Analytics, kept: Any
) -> None:
    gate = used.gate
    assert not gate.may_ask()
    used.event("acme.chart_made", **MADE)
    assert kept.records == []
    assert used.drops.counts == {"withheld by notice": 1}
    assert "# would have been sent" in preview(used)
    assert gate.may_ask()
    gate.answer(Answer.KEEP, offers(gate.store.read()))
    assert not gate.may_ask()
    used.event("acme.chart_made", **MADE)
    assert kept.records == []
    gate.answer(Answer.YES, offers(gate.store.read()))
    used.event("acme.chart_made", **MADE)
    assert len(kept.records) == 1
    assert not gate.may_ask()


def test_a_tool_records_nothing_before_its_yes_or_while_it_is_off(
    used: Analytics, kept: Any
) -> None:
    """Its yes is later than the core's, and neither a time span nor what it saw begin goes back."""
    gate, start = used.gate, Clock.monotonic()

    def recorded(began: Any) -> list[float]:
        kept.records.clear()
        used.event("acme.chart_made", None, **{**MADE, "seconds": 50_000.0})
        used.event("acme.chart_made", began, **MADE)
        return [json.loads(each)["properties"]["seconds"] for each in kept.records]

    long_before = gate.now()
    gate.answer(Answer.YES, offers(gate.store.read()))
    (since,) = recorded(long_before)
    before = gate.now()
    gate.store.switch_off("acme")
    assert recorded(before) == []
    gate.store.switch_on("acme")
    (since_on,) = recorded(before)
    assert max(since, since_on) <= 1.1 * (Clock.monotonic() - start) + 0.01


class Made(Event):
    """A chart was drawn."""

    wire = "acme: chart made"
    why = Why("To know it.", new="Shows it.")

    new: Annotated[bool | UnsetType, Flag("New.", since=2)] = UNSET


class Shared(Event):
    """A chart was shared."""

    wire = "acme: chart shared"
    since = 2
    why = Why("To know it.")


def test_nobody_is_asked_about_a_tool_that_is_off(used: Analytics) -> None:
    used.event("acme.chart_made", **MADE)
    assert used.gate.may_ask()
    used.gate.store.switch_off("acme")
    assert not used.gate.may_ask()
    used.gate.store.switch_on("acme")
    assert used.gate.may_ask()


def test_a_newer_notice_withholds_what_it_adds(used: Analytics, kept: Any) -> None:
    grown = Tool(name="acme", title="Acme Charts", about="It.", events=(Made, Shared), notice=2)
    with declared(grown) as acme:
        used.gate.store.agree(NOTICE, TODAY, {acme.key: scope_of(grown, 1)})
        used.event("acme.chart_made", new=True)
        used.event("acme.chart_shared")
        (record,) = kept.records
        assert "new" not in json.loads(record)["properties"]
        assert used.drops.counts == {"withheld by notice": 1}
        assert used.gate.wanted == {acme.key: scope_of(grown)}
        (line,) = [each.line for each in offers(used.gate.store.read()) if each.key == acme.key]
        assert line.endswith(
            'record: "chart made", new (yes or no); "chart shared". '
            "%dev_analytics schema acme shows all of it."
        )
        used.gate.store.agree(NOTICE, TODAY, {acme.key: scope_of(grown)})
        used.event("acme.chart_made", new=True)
        assert json.loads(kept.records[-1])["properties"]["new"] is True


def test_a_yes_to_a_tool_does_not_cover_its_namesake_in_another_package(
    used: Analytics, kept: Any
) -> None:
    used.gate.store.agree(NOTICE, TODAY, {"acme@another-package": scopes("acme")[KEY]})
    used.event("acme.chart_made", **MADE)
    assert kept.records == []


def test_a_tool_that_is_switched_off_elsewhere_is_off_at_its_next_event(
    used: Analytics, kept: Any, data: Path, log: Any
) -> None:
    used.gate.store.agree(NOTICE, TODAY, scopes("acme"))
    used.event("acme.chart_made", **MADE)
    other = ConsentStore(data)
    switch_off(other, "acme")
    used.event("acme.chart_made", **MADE)
    used.event("cell_executed", outcome="ok", duration_ms=1)
    assert len(kept.records) == 2
    assert len(used.pipeline.preview) == 2, "nothing of it is kept in memory"
    assert used.drops.counts == {}
    used.log_to(log.path)
    used.event("acme.chart_made", **MADE)
    assert log.events == ["acme: chart made"], "a log that is asked for has every event"
    assert log.records[0]["distinct_id"] is None
    assert len(used.pipeline.preview) == len(kept.records) == 2
    other.switch_on("acme")
    used.event("acme.chart_made", **MADE)
    assert len(kept.records) == 3


class Deaf:
    """A destination that keeps what it is given, and calls back before."""

    batch_size = 2
    confirm: Callable[[], None]

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        self.records: list[bytes] = []
        self._before = before

    def deliver(self, records: Any) -> None:
        self.records += records
        self._before()


@pytest.fixture
def spooled(tools: Path, data: Path) -> ConsentStore:
    """A spool with events of acme and of the core in turn."""
    analytics = Analytics(data, delivery=None)
    analytics.gate.store.agree(NOTICE, TODAY, scopes("acme"))
    for _ in range(4):
        analytics.event("acme.chart_made", **MADE)
        analytics.event("cell_executed", outcome="ok", duration_ms=1)
    analytics.pipeline.sink.close(at_exit=False)
    return analytics.gate.store


def events(records: list[bytes]) -> list[str]:
    return [json.loads(record)["event"] for record in records]


def test_waiting_records_of_a_tool_that_is_off_are_never_sent(
    spooled: ConsentStore, data: Path
) -> None:
    spooled.switch_off("acme")
    destination = Deaf()
    Sender(data, destination, max_days=30).run()
    assert events(destination.records) == ["cell executed"] * 4
    assert Backlog(data).count() == 0
    assert read_ledger(data).dropped == {"consent withdrawn": 4}
    assert read_ledger(data).delivered == 4


def test_a_tool_switched_off_between_two_requests_is_in_no_later_one(
    spooled: ConsentStore, data: Path
) -> None:
    destination = Deaf(lambda: spooled.switch_off("acme"))
    Sender(data, destination, max_days=30).run()
    assert events(destination.records) == ["acme: chart made", *["cell executed"] * 4]
    assert Backlog(data).count() == 0
    assert read_ledger(data).dropped == {"consent withdrawn": 3}


def test_a_tool_switched_off_between_two_attempts_is_in_no_further_one(
    spooled: ConsentStore, data: Path
) -> None:
    def fail_once() -> None:
        if len(destination.records) == 1:
            spooled.switch_off("acme")
            raise Unreachable("gone")

    destination = Deaf(fail_once)
    destination.batch_size = 1
    Sender(data, destination, max_days=30, first_pause=0.001).run()
    assert events(destination.records) == ["acme: chart made", *["cell executed"] * 4]
    assert read_ledger(data).delivered == 4
    assert read_ledger(data).dropped == {"consent withdrawn": 4}


def test_waiting_records_of_a_tool_without_a_yes_are_not_sent(
    spooled: ConsentStore, data: Path
) -> None:
    spooled.tools_file.write_bytes(b"{")
    destination = Deaf()
    Sender(data, destination, max_days=30).run()
    assert events(destination.records) == ["cell executed"] * 4


@pytest.fixture
def loaded(shell: Any, tools: Path) -> Any:
    load(shell)
    yield shell
    unload(shell)


def test_the_magic_switches_one_tool_off_and_on(loaded: Any, data: Path, capsys: Any) -> None:
    loaded.run_line_magic("dev_analytics", "disable acme")
    assert "Acme Charts is switched off for good" in capsys.readouterr().out
    assert (data / "consent" / "off.acme").exists()
    assert not (data / "consent" / "opted-out").exists()
    loaded.run_line_magic("dev_analytics", "status")
    assert "off: you switched it off; %dev_analytics on acme" in capsys.readouterr().out
    get_analytics().gate.attended = lambda: True
    loaded.run_line_magic("dev_analytics", "on acme")
    assert "Acme Charts is no longer switched off" in capsys.readouterr().out
    assert not (data / "consent" / "off.acme").exists()


def test_without_a_person_the_magic_does_not_undo_a_tool_s_off(
    loaded: Any, data: Path, capsys: Any
) -> None:
    ConsentStore(data).switch_off("acme")
    loaded.run_line_magic("dev_analytics", "on acme")
    assert capsys.readouterr().out == (
        "Acme Charts stays off: you switched it off for good, and nobody here can undo that.\n"
    )
    assert ConsentStore(data).read().tools_off == {"acme"}


@pytest.mark.parametrize("word", ["on", "disable"])
def test_an_unknown_tool_is_answered_with_the_known_ones(loaded: Any, word: str) -> None:
    with pytest.raises(UsageError) as refused:
        loaded.run_line_magic("dev_analytics", f"{word} acne")
    assert str(refused.value).startswith(f"%dev_analytics {word} knows no tool 'acne': known are ")
    assert "acme, broken" in str(refused.value)


def test_the_names_of_tools_are_completed(loaded: Any) -> None:
    for line in ("%dev_analytics disable ac", "%dev_analytics on ac", "%dev_analytics schema acm"):
        _, found = loaded.complete(None, line, len(line))
        assert "acme" in found
    _, found = loaded.complete(None, "%dev_analytics schema acme.", 27)
    assert "acme.chart_made" in found


def test_the_schema_of_a_tool_is_shown_and_given(loaded: Any, capsys: Any) -> None:
    loaded.run_line_magic("dev_analytics", "schema acme")
    shown = capsys.readouterr().out
    assert "acme: chart made: A chart was drawn." in shown
    assert "bar, line, pie or other" in shown
    assert '"event": "acme: chart made"' in shown
    loaded.run_line_magic("dev_analytics", "schema acme --json")
    schema = json.loads(capsys.readouterr().out)
    assert schema["title"] == "acme: chart made"
    assert schema["$defs"]["chart kinds"] == {"enum": ["bar", "line", "pie", "other"]}
    loaded.run_line_magic("dev_analytics", "schema")
    assert "acme.chart_made" in capsys.readouterr().out


def test_the_shell_s_command_does_the_same(tools: Path, data: Path, capsys: Any) -> None:
    assert main(["disable", "acme"]) == 0
    assert "Acme Charts is switched off for good" in capsys.readouterr().out
    assert ConsentStore(data).read().tools_off == {"acme"}
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tools"]["acme"] == {
        "package": "acme-charts",
        "agreed": 0,
        "off": True,
        "fault": None,
    }
    assert main(["on", "acme"]) == 1
    assert (
        "Acme Charts stays off: you switched it off for good, and nobody here"
        in capsys.readouterr().err
    )
    assert ConsentStore(data).read().tools_off == {"acme"}
    shown, _ = pexpect.run(f"{sys.executable} -m dev_analytics on acme", withexitstatus=True)
    assert b"Acme Charts is no longer switched off" in shown
    assert ConsentStore(data).read().tools_off == frozenset()
    assert main(["disable", "acne"]) == 1
    assert "knows no tool 'acne': known are acme" in capsys.readouterr().err
    assert not (data / "consent" / "opted-out").exists()


def test_what_would_be_sent_names_each_tool_its_package_and_its_makers_reason(
    used: Analytics, tools: Path
) -> None:
    for shown in (kinds_text(used), html.unescape(kinds_html(used))):
        assert "Acme Charts, by the package acme-charts" in shown
        assert "It would show its makers which charts deserve work." in shown
        assert "acme: chart made" in shown


def test_the_status_says_in_every_state_whether_a_tool_is_on(used: Analytics, tools: Path) -> None:
    store = used.gate.store

    def told() -> str:
        return status_rows(used, used.gate.decision(can_answer=True))["tool acme"]

    assert told().startswith("off: withheld until you agree to it, %dev_analytics on asks")
    store.agree(NOTICE, TODAY, scopes("acme"))
    assert told().startswith("on: you agreed to its notice 1; %dev_analytics disable acme")
    grown = Tool(name="acme", title="Acme Charts", about="It.", events=(Made, Shared), notice=2)
    store.switch_off("acme")
    assert told().startswith("off: you switched it off; %dev_analytics on acme undoes that")
    store.switch_on("acme")
    with declared(grown) as acme:
        store.agree(NOTICE, TODAY, {acme.key: scope_of(grown, 1)})
        assert told().startswith("on: you agreed to its notice 1, what is newer is withheld")
    used.gate.switch = Switch(False, "a test")
    assert told().startswith("off, like all analytics")


def test_a_switch_that_cannot_be_undone_stays_and_says_so(
    store: ConsentStore, data: Path, tools: Path
) -> None:
    store.agree(NOTICE, TODAY, scopes("acme"))
    (data / "consent" / "off.acme").mkdir()
    (data / "consent" / "off.acme" / "kept").touch()
    with pytest.raises(ConsentStoreError):
        store.switch_on("acme")
    assert store.read().tools_off == {"acme"}
    with pytest.raises(ConsentStoreError, match="acme: it could not be undone: "):
        switch_on(store, "acme", attended=True)


def test_a_switch_that_cannot_be_stored_says_what_else_ends_it(
    store: ConsentStore, data: Path, tools: Path
) -> None:
    data.write_text("a file in the place of the folder")
    with pytest.raises(ConsentStoreError, match=r"acme: it could not be stored: .* off ends all"):
        switch_off(store, "acme")


def test_what_was_not_off_is_not_called_switched_on(store: ConsentStore, tools: Path) -> None:
    assert switch_on(store, "acme", attended=True) == "Acme Charts was not switched off."
