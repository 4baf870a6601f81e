"""A notice tells what it told when people agreed to it, and every addition is in a higher one."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, cast

import notices
import pytest
from documents import NOTICES, ROOT, main
from msgspec import json
from notices import ChangedNoticeError, kept, notices_now

from dev_analytics import NOTICE
from dev_analytics.catalogue import common, events
from dev_analytics.catalogue.events import EVENTS, properties
from dev_analytics.catalogue.fields import Event, Why
from dev_analytics.catalogue.meanings import declared
from dev_analytics.catalogue.values import Duration, Flag, Word
from dev_analytics.catalogue.vocabulary import Vocabulary

FILE = ROOT / NOTICES
TOLD = {1: "f2296de01708ff21"}
"""The digest of what each notice told. Add a line for a new one; never change one."""


@pytest.fixture
def before() -> dict[str, Any]:
    """What people agreed to."""
    return json.decode(FILE.read_bytes(), type=dict[str, Any])


def test_no_notice_tells_anything_else_than_it_told(before: dict[str, Any]) -> None:
    digests = {int(n): sha256(json.encode(told)).hexdigest()[:16] for n, told in before.items()}
    assert digests == TOLD


def test_every_event_and_property_is_in_the_notice_that_it_names(before: dict[str, Any]) -> None:
    assert set(before) == {str(n) for n in range(1, NOTICE + 1)}
    for event in EVENTS.values():
        assert event.wire in before[str(event.since)]
        for name, kind in declared(event).items():
            assert name in before[str(kind.since)][event.wire]


def test_the_catalogue_is_what_the_notices_told(before: dict[str, Any]) -> None:
    assert kept(before) == before


def test_every_event_and_property_has_a_reason() -> None:
    for event in EVENTS.values():
        assert "why" in vars(event), event
        assert set(event.why.properties) == set(properties(event)), event
        for reason in (event.why.event, *event.why.properties.values()):
            assert reason.endswith("."), event
            assert len(reason.split()) > 3, "too short for a reason"


class Dreamt(Event):
    """A dream was dreamt."""

    wire = "dreamt"
    why = Why("To know what people dream of.", vivid="Shows whether they slept well.")
    vivid: Annotated[bool, Flag("It was in colour.")]


class DreamtLater(Dreamt):
    """A dream was dreamt."""

    since = NOTICE + 1
    vivid: Annotated[bool, Flag("It was in colour.", since=NOTICE + 1)]


def add(monkeypatch: pytest.MonkeyPatch, event: type[Event]) -> None:
    monkeypatch.setitem(cast(dict[str, Any], EVENTS), "dreamt", event)


def test_an_event_without_a_higher_notice_is_refused(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, Any]
) -> None:
    add(monkeypatch, Dreamt)
    with pytest.raises(ChangedNoticeError, match=r"notice 1 .* would change: dreamt, dreamt vivid"):
        kept(before)


def test_an_event_with_a_higher_notice_is_added_and_nothing_changed(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, Any]
) -> None:
    add(monkeypatch, DreamtLater)
    monkeypatch.setattr(notices, "NOTICE", NOTICE + 1)
    assert kept(before) == {**before, str(NOTICE + 1): {"dreamt": {"vivid": "flag"}}}


def test_what_is_newer_than_the_newest_notice_is_in_none(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, Any]
) -> None:
    add(monkeypatch, DreamtLater)
    assert "dreamt" not in str(kept(before)), "and a test of events refuses such a since"


COLOURS = Vocabulary("colours", "red", "green")


@pytest.mark.parametrize(
    "changed",
    [
        {"new": Flag("It was new.")},
        {"outcome": Word("How it ended.", (events.OUTCOMES, COLOURS))},
        {"duration_ms": Duration("How long it ran.", "s")},
        {"duration_ms": Duration("How long it ran.", "ms", decimals=3)},
        {"duration_ms": Flag("How long it ran.")},
        {"outcome": Flag("How it ended.", since=NOTICE + 1)},
    ],
    ids=["property", "vocabulary", "unit", "digits", "kind", "since"],
)
def test_a_wider_property_without_a_higher_notice_is_refused(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, Any], changed: dict[str, Any]
) -> None:
    real = declared

    def wider(event: type[Event]) -> dict[str, Any]:
        return {**real(event), **(changed if event is events.CellExecuted else {})}

    monkeypatch.setattr(notices, "declared", wider)
    with pytest.raises(ChangedNoticeError, match=f"cell executed {next(iter(changed))}"):
        kept(before)


def test_a_new_field_of_every_record_is_refused(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, Any]
) -> None:
    field = common.Common("The weather.", "To talk about it.", {"type": "string"})
    monkeypatch.setitem(cast(dict[str, Any], common.PROPERTIES), "$weather", field)
    with pytest.raises(ChangedNoticeError, match=r"every record \$weather"):
        kept(before)


def test_words_may_be_added_to_a_vocabulary(before: dict[str, Any]) -> None:
    """A notice tells which lists there are. What a word of them may be is told by each list."""
    assert "timeit" not in str(before)
    assert notices_now() == before


def test_the_command_refuses_to_rewrite_a_notice_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / NOTICES).write_bytes(FILE.read_bytes())
    (tmp_path / "PRIVACY.md").write_text("unchanged")
    add(monkeypatch, Dreamt)
    with pytest.raises(SystemExit, match="is what people agreed to"):
        main(tmp_path)
    assert (tmp_path / "PRIVACY.md").read_text() == "unchanged"
    assert [path.name for path in (tmp_path / "docs").iterdir()] == ["notices.json"]
