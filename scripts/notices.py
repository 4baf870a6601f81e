"""What each notice said to people, as ``docs/notices.json`` keeps it: what they agreed to.

A notice in that file never changes. Whatever the catalogue has beyond it belongs to a higher
notice, so that it is withheld until people agree to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from dev_analytics import NOTICE
from dev_analytics.catalogue import common
from dev_analytics.catalogue.events import EVENTS
from dev_analytics.catalogue.kind import Kind
from dev_analytics.catalogue.meanings import declared
from dev_analytics.catalogue.values import Count, Duration, Word

Notice: TypeAlias = dict[str, dict[str, str]]
"""What one notice names: by event and property, the form of the values."""

EVERY: Final = "every record"


class ChangedNoticeError(Exception):
    """The catalogue contradicts a notice; the message says where."""


def notices_now() -> dict[str, Notice]:
    """Return what each notice says according to the present catalogue."""
    return {str(notice): _notice(notice) for notice in range(1, NOTICE + 1)}


def kept(before: Mapping[str, Notice]) -> dict[str, Notice]:
    """Return what each notice says, unless one in `before`, from ``docs/notices.json``, changed.

    Raises
    ------
    ChangedNoticeError
        A notice of `before` would change.
    """
    now = notices_now()
    for notice, old in before.items():
        new = now.get(notice, {})
        if new != old:
            raise ChangedNoticeError(
                f"notice {notice} is what people agreed to, and would change: "
                f"{', '.join(_differences(old, new))}. What is new needs a higher NOTICE in "
                "dev_analytics/__init__.py and that number as its since; what is gone stays there."
            )
    return now


def _notice(notice: int) -> Notice:
    found: Notice = {}
    if notice == 1:
        every = {**common.RECORD, **common.PROPERTIES}
        found[EVERY] = {name: _text(field.schema) for name, field in every.items()}
    for event in EVENTS.values():
        new = {name: _form(kind) for name, kind in declared(event).items() if kind.since == notice}
        if new or event.since == notice:
            found[event.wire] = new
    return found


def _form(kind: Kind) -> str:
    """Name the kind of value, and what could widen it: vocabularies, unit, digits."""
    name = type(kind).__name__.lower()
    match kind:
        case Word():
            return f"{name}: {', '.join(each.name for each in kind.vocabularies)}"
        case Count():
            return f"{name}: {kind.unit}"
        case Duration():
            return f"{name}: {kind.unit}, {kind.decimals} decimals"
    return name


def _text(schema: Mapping[str, object]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in schema.items())


def _differences(old: Notice, new: Notice) -> list[str]:
    before, after = (
        {(event, name, form) for event in each for name, form in each[event].items()}
        | {(event, "", "") for event in each}
        for each in (old, new)
    )
    return sorted({f"{event} {name}".strip() for event, name, _ in before ^ after})
