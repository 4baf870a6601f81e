"""The JSON Schemas: every real record fits the one of its event, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from msgspec import json

from dev_analytics.analytics import Analytics
from dev_analytics.catalogue import common
from dev_analytics.catalogue.events import EVENTS, properties
from dev_analytics.catalogue.examples import GIVEN, example
from dev_analytics.catalogue.fields import Event, fields
from dev_analytics.catalogue.meanings import declared
from dev_analytics.catalogue.schema import schema
from dev_analytics.catalogue.values import (
    MAX_DURATION,
    Count,
    Duration,
    Flag,
    Frames,
    Version,
    Word,
)
from dev_analytics.catalogue.vocabulary import OTHER

VALIDATORS = {event.wire: Draft202012Validator(schema(event)) for event in EVENTS.values()}


def fits(record: dict[str, Any], name: str) -> bool:
    return bool(VALIDATORS[EVENTS[name].wire].is_valid(record))


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_every_schema_is_one(event: type[Event]) -> None:
    Draft202012Validator.check_schema(schema(event))
    assert schema(event)["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


def test_every_record_of_a_real_session_fits(kernel: Callable[..., Any], log: Any) -> None:
    notebook = kernel({"DEV_ANALYTICS_LOG": str(log.path)})
    notebook.run("%load_ext dev_analytics")
    notebook.run("%dev_analytics on", answers=("y",))
    for cell in ("1 + 1", "1 / 0", "def", "%time 1", "!true", "len?", "%dev_analytics status"):
        notebook.run(cell)
    notebook.run("from dev_analytics.catalogue import vocabulary; vocabulary.read('missing')")
    notebook.stop()
    records = log.records
    assert {record["event"] for record in records} == {
        *("launched", "cell executed", "feature used", "command run", "error raised", "exited")
    }
    assert any("frames" in record["properties"] for record in records)
    for record in records:
        VALIDATORS[record["event"]].validate(record)


def test_what_any_event_can_say_fits(analytics: Analytics, log: Any) -> None:
    for name, given in GIVEN.items():
        analytics.event(name, **given)
        analytics.event(name, **dict.fromkeys(given, None) if name == "message_send" else given)
        analytics.event(name, **{key: strange(name, key, given[key]) for key in given})
    assert len(log.records) == 3 * len(EVENTS)
    for record in log.records:
        VALIDATORS[record["event"]].validate(record)


def strange(name: str, key: str, value: object) -> object:
    """Return a value that no word is, or the largest number allowed."""
    match properties(EVENTS[name])[key]:
        case Word() | Version():
            return "nothing of this name"
        case Count(most=most):
            return most
        case Duration():
            return MAX_DURATION
    return value


@pytest.mark.parametrize("name", EVENTS)
class TestExample:
    def test_fits_and_shows_every_property(self, name: str) -> None:
        record = json.decode(example(EVENTS[name]))
        VALIDATORS[EVENTS[name].wire].validate(record)
        assert set(GIVEN[name]) == set(properties(EVENTS[name]))
        assert OTHER not in record["properties"].values()

    def test_has_no_field_too_many_or_too_few(self, name: str) -> None:
        record = json.decode(example(EVENTS[name]))
        kinds = declared(EVENTS[name])
        optional = {"frames", *declared(EVENTS["message_send"]), "$ai_trace_id"}
        for part in (record, record["properties"]):
            assert not fits(with_field(record, part, "extra", 1), name)
            for field in list(part):
                left_out = without(record, part, field)
                assert fits(left_out, name) == (field in optional and name in OPTIONAL), field
        assert not set(kinds) - set(record["properties"])

    def test_has_no_value_of_another_kind(self, name: str) -> None:
        record = json.decode(example(EVENTS[name]))
        for part in (record, record["properties"]):
            for field in part:
                for wrong in WRONG:
                    if (field, wrong) not in ALLOWED:
                        changed = with_field(record, part, field, wrong)
                        assert not fits(changed, name), (field, wrong)


WRONG: tuple[object, ...] = (
    *("words of mine", "/home/me/x.py", -1, 1.5e300),
    *([], ["a"], {}, None),
)
OPTIONAL = ("error_raised", "message_send", "embedding")
ALLOWED: list[tuple[str, object]] = [("distinct_id", None), ("frames", [])]


def with_field(record: dict[str, Any], part: dict[str, Any], field: str, value: object) -> Any:
    changed = {**part, field: value}
    return changed if part is record else {**record, "properties": changed}


def without(record: dict[str, Any], part: dict[str, Any], field: str) -> Any:
    changed = {name: value for name, value in part.items() if name != field}
    return changed if part is record else {**record, "properties": changed}


def test_a_word_must_be_in_the_vocabulary_of_its_own_property() -> None:
    record = json.decode(example(EVENTS["cell_executed"]))
    said = record["properties"]
    assert fits(with_field(record, said, "outcome", "interrupted"), "cell_executed")
    assert not fits(with_field(record, said, "outcome", "timeit"), "cell_executed")


def test_every_field_of_a_record_is_explained_and_nothing_else() -> None:
    assert set(common.RECORD) == json.decode(example(EVENTS["exited"])).keys() - {"properties"}
    undeclared = {
        field.wire
        for event in EVENTS.values()
        for field in fields(event)
        if field.wire not in declared(event)
    }
    assert set(common.PROPERTIES) == undeclared
    for field in (*common.RECORD.values(), *common.PROPERTIES.values()):
        assert field.meaning.endswith(".")
        assert field.why.endswith(".")


def test_every_kind_of_value_has_words() -> None:
    kinds: dict[Any, Any] = {
        type(kind): kind for event in EVENTS.values() for kind in declared(event).values()
    }
    assert set(kinds) == {Word, Flag, Count, Duration, Version, Frames}
    assert all(kind.allowed for kind in kinds.values())
    assert kinds[Duration].unit
    assert kinds[Flag].unit == ""
