"""The JSON Schema (draft 2020-12) of every event's record, made from the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import json

from dev_analytics.catalogue import common
from dev_analytics.catalogue.fields import UNSET, Event, fields
from dev_analytics.catalogue.kind import Kind
from dev_analytics.catalogue.meanings import declared, reasons, sentence
from dev_analytics.catalogue.vocabulary import OTHER

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema(event: type[Event]) -> dict[str, object]:
    """Return the schema of the records of `event`: nothing may stand in them that it does not name.

    Every word that may stand in them is in it too, each vocabulary once, below ``$defs``.
    """
    record = {name: _described(field) for name, field in common.RECORD.items()}
    record["event"] = {**record["event"], "const": event.wire}
    record["properties"] = {
        "type": "object",
        "properties": _properties(event),
        "required": [each.wire for each in fields(event) if each.default is not UNSET],
        "additionalProperties": False,
    }
    return {
        "$schema": DIALECT,
        "title": event.wire,
        "description": f"{sentence(event)} {event.why.event}",
        "x-since-notice": event.since,
        "type": "object",
        "properties": record,
        "required": list(record),
        "additionalProperties": False,
        "$defs": {
            vocabulary.name: {"enum": [*vocabulary.words, OTHER]}
            for kind in declared(event).values()
            for vocabulary in kind.vocabularies
        },
    }


def pretty(content: object) -> bytes:
    """Return `content` as the JSON of the documents, a line for each value."""
    return json.format(json.encode(content), indent=1) + b"\n"


def _properties(event: type[Event]) -> dict[str, dict[str, object]]:
    kinds, why = declared(event), reasons(event)
    return {
        name: {
            "description": " ".join(_said(kinds[name], why[name])),
            "x-since-notice": kinds[name].since,
            **kinds[name].schema,
        }
        if name in kinds
        else _described(common.PROPERTIES[name])
        for name in (each.wire for each in fields(event))
    }


def _said(kind: Kind, why: str) -> Iterator[str]:
    yield kind.meaning
    if not kind.vocabularies:
        in_unit = f", in {kind.unit}" if kind.unit else ""
        yield f"{kind.allowed.capitalize()}{in_unit}."
    yield why


def _described(field: common.Common) -> dict[str, object]:
    return {"description": f"{field.meaning} {field.why}", **field.schema}
