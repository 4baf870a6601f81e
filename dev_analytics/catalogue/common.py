"""The fields that every record has besides the properties of its event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from dev_analytics.catalogue.values import MAX_INTEGER

_HEX: Final = "[0-9a-f]"
_UUID: Final = f"{_HEX}{{8}}-{_HEX}{{4}}-%d{_HEX}{{3}}-[89ab]{_HEX}{{3}}-{_HEX}{{12}}"
_PRICE: Final = (
    "Fixed, and only if the model runs on the user's own machine: a token {} costs nothing."
)
_PRICED: Final = "PostHog would use the price of another model."
_UUID4: Final = {"type": "string", "pattern": f"^{_UUID % 4}$"}
_UUID7: Final = {"type": "string", "pattern": f"^{_UUID % 7}$"}
_TIME: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\+00:00$"


class Common(Struct, frozen=True):
    """A field of every record. It cannot be withheld, so a new one needs a new question."""

    meaning: str
    why: str
    schema: Mapping[str, object]


RECORD: Final[Mapping[str, Common]] = {
    "event": Common("Name of the event.", "Says what happened.", {"type": "string"}),
    "distinct_id": Common(
        "Random identifier, created when you agree, and deleted here when you opt out; `null` "
        "without a yes.",
        "Distinguishes one person who does something ten times from ten who do it once.",
        {**_UUID4, "type": ["string", "null"]},
    ),
    "uuid": Common(
        "Random number of the record.",
        "Keeps a record that is sent twice from being counted twice.",
        _UUID4,
    ),
    "timestamp": Common(
        "Time in whole seconds, UTC.",
        "Shows the order of events.",
        {"type": "string", "pattern": _TIME},
    ),
}
"""The fields of the record itself, besides `properties`."""

PROPERTIES: Final[Mapping[str, Common]] = {
    "$session_id": Common(
        "Random identifier of this recording. It contains the time, in whole seconds, at which the "
        "recording began, never before your yes.",
        "Shows which events belong together.",
        _UUID7,
    ),
    "seq": Common(
        "Number of the record in its recording, from 1.",
        "Shows whether a record was lost, and distinguishes equal records.",
        {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER},
    ),
    "$lib": Common(
        "This package.", "Distinguishes its records from others.", {"const": "dev-analytics"}
    ),
    "$lib_version": Common(
        "Version of this package.",
        "Shows which version of the catalogue a record follows.",
        {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)*([a-z]+[0-9]+)?$"},
    ),
    "$process_person_profile": Common(
        "Fixed: no profile of a person.", "PostHog would create one.", {"const": False}
    ),
    "$geoip_disable": Common(
        "Fixed: no location.", "PostHog would look up that of the address.", {"const": True}
    ),
    "$ip": Common(
        "Fixed: replaces the network address.",
        "PostHog would keep that of the request.",
        {"const": "0.0.0.0"},  # noqa: S104, no address to listen on but one that names nobody
    ),
    "$ignore_sent_at": Common(
        "Fixed: the record's own time is kept.",
        "PostHog would shift it by the time that the record waited.",
        {"const": True},
    ),
    "$ai_trace_id": Common(
        "`$ai_generation` and `$ai_embedding` only: the record's `uuid` again.",
        "PostHog's views of models need one.",
        _UUID4,
    ),
    "$ai_cache_reporting_exclusive": Common(
        "`$ai_generation` and `$ai_embedding` only, fixed: tokens sent include the cached ones.",
        "PostHog would count them twice.",
        {"const": False},
    ),
    "$ai_input_token_price": Common(_PRICE.format("sent"), _PRICED, {"const": 0}),
    "$ai_output_token_price": Common(_PRICE.format("received"), _PRICED, {"const": 0}),
}
"""The fields among the properties of every event, or of every request to a model."""
