"""The JSON Schema (draft 2020-12) of every event's record, made from the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import UNSET, json
from msgspec.structs import fields

from dev_analytics.catalogue import common
from dev_analytics.catalogue.events import Event
from dev_analytics.catalogue.meanings import declared, reasons, sentence, unit, values
from dev_analytics.catalogue.source import OPEN
from dev_analytics.catalogue.values import (
    LONGEST,
    MOST_FRAMES,
    Count,
    Duration,
    Flag,
    Frames,
    Kind,
    Version,
    Word,
)
from dev_analytics.catalogue.vocabulary import OTHER, Vocabulary

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_NUMBERS: Final = "[0-9]{1,4}(\\.[0-9]{1,4}){0,2}"
_PLACE: Final = f"^({'|'.join(OPEN)})(\\.[A-Za-z0-9_]+)*:[A-Za-z0-9_.<>]+:[0-9]+$"


def schema(event: type[Event]) -> dict[str, object]:
    """Return the schema of the records of `event`: nothing may stand in them that it does not name.

    Every word that may stand in them is in it too, each vocabulary once, below ``$defs``.
    """
    record = {name: _described(field) for name, field in common.RECORD.items()}
    record["event"] = {**record["event"], "const": event.wire}
    record["properties"] = {
        "type": "object",
        "properties": _properties(event),
        "required": [each.encode_name for each in fields(event) if each.default is not UNSET],
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
            for vocabulary in vocabularies(kind)
        },
    }


def pretty(content: object) -> bytes:
    """Return `content` as the JSON of the documents, a line for each value."""
    return json.format(json.encode(content), indent=1) + b"\n"


def vocabularies(kind: Kind) -> tuple[Vocabulary, ...]:
    """Return the vocabularies that a property of this `kind` takes its words from, if it does."""
    return kind.vocabularies if isinstance(kind, Word) else ()


def _properties(event: type[Event]) -> dict[str, dict[str, object]]:
    kinds, why = declared(event), reasons(event)
    return {
        name: {
            "description": " ".join(_said(kinds[name], why[name])),
            "x-since-notice": kinds[name].since,
            **_form(kinds[name]),
        }
        if name in kinds
        else _described(common.PROPERTIES[name])
        for name in event.__struct_encode_fields__
    }


def _said(kind: Kind, why: str) -> Iterator[str]:
    yield kind.meaning
    if not isinstance(kind, Word):
        in_unit = f", in {unit(kind)}" if unit(kind) else ""
        yield f"{values(kind).capitalize()}{in_unit}."
    yield why


def _described(field: common.Common) -> dict[str, object]:
    return {"description": f"{field.meaning} {field.why}", **field.schema}


def _form(kind: Kind) -> dict[str, object]:
    """Return what a property of this `kind` may be."""
    match kind:
        case Word():
            lists: list[dict[str, object]] = [
                {"$ref": f"#/$defs/{_pointer(each.name)}"} for each in kind.vocabularies
            ]
            return lists[0] if len(lists) == 1 else {"anyOf": lists}
        case Flag():
            return {"type": "boolean"}
        case Count():
            return {"type": "integer", "minimum": 0, "maximum": kind.most}
        case Duration():
            number = "number" if kind.decimals else "integer"
            return {"type": number, "minimum": 0, "maximum": LONGEST}
        case Version():
            return {"type": "string", "pattern": f"^({_NUMBERS}|{OTHER})$"}
        case Frames():
            place = {"type": "string", "pattern": _PLACE}
            return {"type": "array", "items": place, "maxItems": MOST_FRAMES}
    raise TypeError(f"no schema for {kind!r}")


def _pointer(name: str) -> str:
    """Write the name of a vocabulary as a part of a URI's fragment."""
    return name.replace(" ", "%20")
