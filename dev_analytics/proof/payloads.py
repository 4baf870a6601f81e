"""How many different payloads an event can have: all that it could ever say, counted.

``python -m dev_analytics.proof.payloads`` prints the table. What is counted are the declared
properties; beside them a record has random identifiers, its number, the time in whole seconds and
constants.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from math import log2

from msgspec import UNSET
from msgspec.structs import fields

from dev_analytics.catalogue.events import EVENTS, Event
from dev_analytics.catalogue.meanings import declared
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
from dev_analytics.tools import kinds as tools


def payloads(event: type[Event]) -> dict[str, int]:
    """Count the values that each declared property of `event` can have, its absence included."""
    optional = {field.encode_name for field in fields(event) if field.default is UNSET}
    return {name: values(kind) + (name in optional) for name, kind in declared(event).items()}


def bits(event: type[Event]) -> float:
    """Give the information of `event` in bits: the logarithm of how many payloads there can be."""
    return sum(log2(number) for number in payloads(event).values())


def values(kind: Kind) -> int:
    """Count the values of a kind; one that is not closed has none, and raises."""
    match kind:
        case Word():
            return len(frozenset().union(*(words.members for words in kind.vocabularies)))
        case Flag():
            return 2
        case tools.Count() | tools.Duration() | tools.Version():
            return kind.size
        case Count():
            return kind.most + 1
        case Duration():
            return len(durations(kind.decimals))
        case Version():
            return sum(int(10_000**parts) for parts in range(1, 5)) + 1
        case Frames():
            return sum(int(places() ** number) for number in range(MOST_FRAMES + 1))
    raise TypeError(f"{type(kind).__name__} is no number, boolean, version or closed vocabulary")


@cache
def durations(decimals: int, longest: int = LONGEST) -> frozenset[float]:
    """Give every duration up to `longest` with two significant digits and so many decimals."""
    exponents = range(-decimals - 2, len(str(longest)))
    rounded = {
        round(float(f"{digits}e{exponent}"), decimals)
        for digits in range(100)
        for exponent in exponents
    }
    return frozenset(number for number in rounded if number <= longest)


@cache
def places() -> int:
    """Count the lines in functions of the packages that are registered as open."""
    number = 0
    for file in (file for folder in OPEN.values() for file in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                number += (node.end_lineno or node.lineno) - node.lineno + 1
    return number


def table(events: Iterable[type[Event]] = EVENTS.values()) -> str:
    """Give the table: each event, its properties, how many values, how many bits."""
    rows = [f"{'event':<16} {'property':<32} {'different values':>22} {'bits':>7}"]
    for event in events:
        rows.append(f"{event.wire:<16} {'':<32} {'':>22} {bits(event):7.1f}")
        for name, number in payloads(event).items():
            shown = str(number) if number < 10**15 else f"{number:.2e}"
            rows.append(f"{'':<16} {name:<32} {shown:>22} {log2(number):7.1f}")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
