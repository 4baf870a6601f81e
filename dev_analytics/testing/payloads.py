"""How many different payloads an event can have: the number of things that it could ever say.

``python -m dev_analytics.testing.payloads`` prints the table. Only the declared properties count;
besides them a record has random identifiers, its number, the time in whole seconds, and constants.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log2

from dev_analytics.catalogue.events import EVENTS
from dev_analytics.catalogue.fields import UNSET, Event, fields
from dev_analytics.catalogue.information import everyday_bits
from dev_analytics.catalogue.kind import Kind
from dev_analytics.catalogue.meanings import declared
from dev_analytics.catalogue.values import Count, Duration, Flag, Frames, Version, Word


def payloads(event: type[Event]) -> dict[str, int]:
    """Return how many values each declared property of `event` can have, including its absence."""
    optional = {field.wire for field in fields(event) if field.default is UNSET}
    return {name: values(kind) + (name in optional) for name, kind in declared(event).items()}


def bits(event: type[Event]) -> float:
    """Return the information of `event` in bits: the logarithm of the number of payloads."""
    return sum(log2(number) for number in payloads(event).values())


def values(kind: Kind) -> int:
    """Return the number of values of a kind; raise if it is not closed."""
    if isinstance(kind, Word | Flag | Count | Duration | Version | Frames):
        return kind.size
    raise TypeError(f"{type(kind).__name__} is no number, boolean, version or closed vocabulary")


def table(events: Iterable[type[Event]] = EVENTS.values()) -> str:
    """Return the table: each event, its properties, how many values, how many bits.

    The last column has the bits of an event with values from everyday use.
    """
    rows = [f"{'event':<16} {'property':<32} {'different values':>22} {'bits':>7} {'everyday':>9}"]
    for event in events:
        rows.append(
            f"{event.wire:<16} {'':<32} {'':>22} {bits(event):7.1f} {everyday_bits(event):9.1f}"
        )
        for name, number in payloads(event).items():
            shown = str(number) if number < 10**15 else f"{number:.2e}"
            rows.append(f"{'':<16} {name:<32} {shown:>22} {log2(number):7.1f}")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
