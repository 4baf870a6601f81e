"""A copy, by value, of a tool's declaration, to which its module has no reference.

The copy is what is agreed to, shown and recorded. The tool's own objects are read once, and never
again: to change a vocabulary, a class or a `Tool` later has no effect. The copy is checked as every
`Tool` is, so that a text or a number that is not of exactly this type is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, get_type_hints

from dev_analytics.catalogue.fields import UNSET, Event, UnsetType, Why, fields
from dev_analytics.catalogue.values import Flag, Word
from dev_analytics.catalogue.vocabulary import Vocabulary
from dev_analytics.tools.checks import COMMON, DeclarationError, words_of
from dev_analytics.tools.declaration import Tool
from dev_analytics.tools.kinds import Count, Duration, Version, held_type

_Kind: TypeAlias = Word | Flag | Count | Duration | Version


def sealed(tool: Tool) -> Tool:
    """Return a copy of `tool` to which only this package refers, checked again.

    Raises
    ------
    DeclarationError
        It is no longer a declaration that is allowed.
    """
    try:
        events = tuple(map(_copied, tool.events))
    except Exception as error:
        raise DeclarationError("its events were changed after they were declared") from error
    return Tool(
        name=tool.name, title=tool.title, about=tool.about, events=events, notice=tool.notice
    )


def _copied(event: type[Event]) -> type[Event]:
    own = vars(event)
    kinds = {
        name: _kind(hint.__metadata__[0])
        for name, hint in get_type_hints(event, include_extras=True).items()
        if name not in COMMON and hasattr(hint, "__metadata__")
    }
    optional = {field.name for field in fields(event) if field.default is UNSET}
    namespace: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": own["__doc__"].partition("\n")[0],
        "__annotations__": {name: _hint(kind, name in optional) for name, kind in kinds.items()},
        "wire": own["wire"],
        "why": Why(own["why"].event, **own["why"].properties),
        "since": own.get("since", 1),
        **dict.fromkeys(optional & kinds.keys(), UNSET),
    }
    make: Any = type(Event)
    made: type[Event] = make(event.__name__, (Event,), namespace)
    return made


def _kind(kind: Any) -> _Kind:
    match kind:
        case Word() if type(kind) is Word:
            return Word(kind.meaning, tuple(map(_vocabulary, kind.vocabularies)), kind.since)
        case Flag() if type(kind) is Flag:
            return Flag(kind.meaning, kind.since)
        case Count() if type(kind) is Count:
            return Count(kind.meaning, kind.unit, kind.since, kind.most)
        case Duration() if type(kind) is Duration:
            return Duration(kind.meaning, kind.unit, kind.since, kind.decimals)
        case Version() if type(kind) is Version:
            return Version(kind.meaning, kind.since, distribution=kind.distribution)
    raise DeclarationError("a property is of no closed kind")


def _vocabulary(vocabulary: Any) -> Vocabulary:
    words = words_of(vocabulary) if type(vocabulary) is Vocabulary else None
    if not words:
        raise DeclarationError("a vocabulary is not of plain words")
    return Vocabulary(vocabulary.name, *words)


def _hint(kind: _Kind, optional: bool) -> Any:
    held: Any = held_type(kind)
    return Annotated[held | UnsetType if optional else held, kind]
