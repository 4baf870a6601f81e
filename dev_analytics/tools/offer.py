"""What a question says about another tool: composed here from its terms, not by its makers.

Only its title and the names of its events, properties and words are theirs, in a restricted form.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dev_analytics.catalogue.events import properties
from dev_analytics.catalogue.fields import Event
from dev_analytics.catalogue.kind import Kind
from dev_analytics.catalogue.meanings import sentence
from dev_analytics.catalogue.values import Count, Duration, Flag, Word
from dev_analytics.consent.scope import Scope, is_within
from dev_analytics.tools.declaration import Tool
from dev_analytics.tools.terms import is_optional, limits
from dev_analytics.tools.wording import instruction

MAX_LISTED: Final = 8
"""How many events, or changes of them, a question names."""

MAX_WORDS_LISTED: Final = 5


def offer_line(tool: Tool, package: str, agreed: Scope | None) -> str:
    """Return the line of a question about what a tool would record beyond what was agreed to.

    The distribution `package` contains the tool. It is new to the user if nothing was `agreed`.
    """
    whose = f"{tool.title}, by the package {package}, would also like to record"
    how = f"%dev_analytics schema {tool.name} shows all of it."
    if agreed is None:
        names = [f'"{event.wire.partition(": ")[2]}"' for event in tool.events]
        return f"{whose}: {_listed(names)}, {_in_all(tool)}. {how}"
    return f"{whose}: {_listed(_news(tool, agreed))}. {how}"


def _listed(parts: list[str]) -> str:
    shown = parts[:MAX_LISTED]
    rest = len(parts) - len(shown)
    return "; ".join(shown) + (f"; and {rest} more" if rest else "")


def _in_all(tool: Tool) -> str:
    """Return in words how many properties the events of a tool have, and how many words."""
    kinds = [kind for event in tool.events for kind in properties(event).values()]
    if not kinds:
        return "without properties"
    words = frozenset().union(
        *(each.words for kind in kinds if isinstance(kind, Word) for each in kind.vocabularies)
    )
    counted = f"with {len(kinds)} {'property' if len(kinds) == 1 else 'properties'}"
    possible = f" and {len(words)} possible {'word' if len(words) == 1 else 'words'}"
    return counted + (possible if words else "")


def _news(tool: Tool, agreed: Scope) -> list[str]:
    """Return in words what `tool` declares beyond what was `agreed`, using only its terms."""
    lines = []
    for event in tool.events:
        name = event.wire.partition(": ")[2]
        if event.wire not in agreed.terms:
            lines.append(f'"{name}"')
            continue
        if not is_within(frozenset({sentence(event)}), agreed.terms[event.wire]):
            lines.append(f'"{name}" with another meaning')
        lines += [
            f'"{name}", {what}'
            for each, kind in properties(event).items()
            for what in _more(event, each, kind, agreed)
        ]
    return lines


def _more(event: type[Event], name: str, kind: Kind, agreed: Scope) -> Iterator[str]:
    """Yield in words what a property can say beyond what was agreed to."""
    place = f"{event.wire}/{name}"
    meaning = agreed.terms.get(place)
    key, term = limits(place, kind)
    before = agreed.terms.get(key)
    if meaning is None or before is None:
        yield f"{name} ({_said(kind)})"
        return
    if not is_within(frozenset({kind.meaning}), meaning):
        yield f"{name} with another meaning"
    if isinstance(term, frozenset) and isinstance(before, frozenset) and term - before:
        yield f"{name} with {_words(sorted(term - before))}"
    elif not is_within(term, before):
        yield f"{name} ({_said(kind)})"
    if is_optional(event, name) and f"{place}/absent" not in agreed.terms:
        yield f"{name}, which may be left out"


def _words(new: list[str]) -> str:
    """Return the new words as text, except any that would tell the reader what to do."""
    shown = [f'"{word}"' for word in new if not instruction(word)][:MAX_WORDS_LISTED]
    if not shown:
        return f"{len(new)} more {'word' if len(new) == 1 else 'words'}"
    rest = len(new) - len(shown)
    return f"the words {', '.join(shown)}{f' and {rest} more' if rest else ''}"


def _said(kind: Kind) -> str:
    match kind:
        case Word():
            words = frozenset().union(*(each.words for each in kind.vocabularies))
            return f"one of {len(words)} words"
        case Flag():
            return "yes or no"
        case Count():
            return f"a number up to {kind.most}"
        case Duration():
            return f"a time with {kind.decimals} decimals"
    return "a version"
