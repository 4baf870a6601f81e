"""A copy, by value, of a tool's declaration, to which its module has no reference.

The copy is what is agreed to, shown and recorded. The tool's own objects are read once, if they
have exactly the expected types, and never again: to change a vocabulary, a class or a `Tool` later
has no effect.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, get_type_hints

from msgspec import UNSET, UnsetType
from msgspec.structs import fields

from dev_analytics.catalogue.events import Event, Why
from dev_analytics.catalogue.values import Flag, Word
from dev_analytics.catalogue.vocabulary import Vocabulary
from dev_analytics.tools.checks import COMMON, DeclarationError, words_of
from dev_analytics.tools.declaration import Tool
from dev_analytics.tools.kinds import Count, Duration, Version, held_type

_Kind: TypeAlias = Word | Flag | Count | Duration | Version


def sealed(tool: object) -> Tool:
    """Return a copy of `tool` to which only this package refers, checked again.

    Raises
    ------
    DeclarationError
        It is not a declaration, or one that is not allowed.
    """
    if type(tool) is not Tool or type(tool.events) is not tuple:
        raise DeclarationError("what is declared is no Tool")
    try:
        events = tuple(map(_copied, tool.events))
    except DeclarationError:
        raise
    except Exception as error:
        raise DeclarationError("its events were changed after they were declared") from error
    return Tool(
        name=tool.name, title=tool.title, about=tool.about, events=events, notice=tool.notice
    )


def _copied(event: type[Event]) -> type[Event]:
    if type(event) is not type(Event):
        raise DeclarationError("an event is no class made from Event")
    own = vars(event)
    kinds = {
        name: _kind(hint.__metadata__[0])
        for name, hint in get_type_hints(event, include_extras=True).items()
        if name not in COMMON and hasattr(hint, "__metadata__")
    }
    optional = {field.name for field in fields(event) if field.default is UNSET}
    namespace: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": _text(_text(own["__doc__"]).partition("\n")[0]),
        "__annotations__": {name: _hint(kind, name in optional) for name, kind in kinds.items()},
        "wire": _text(own["wire"]),
        "why": _why(own["why"]),
        "since": _number(own.get("since", 1)),
        **dict.fromkeys(optional & kinds.keys(), UNSET),
    }
    make: Any = type(Event)
    made: type[Event] = make(_text(event.__name__), (Event,), namespace, frozen=True)
    return made


def _kind(kind: object) -> _Kind:
    match kind:
        case Word() if type(kind) is Word:
            given = kind.vocabularies
            vocabularies = tuple(_vocabulary(each) for each in given)
            return Word(_text(kind.meaning), vocabularies, _number(kind.since))
        case Flag() if type(kind) is Flag:
            return Flag(_text(kind.meaning), _number(kind.since))
        case Count() if type(kind) is Count:
            return Count(
                _text(kind.meaning), _text(kind.unit), _number(kind.since), _number(kind.most)
            )
        case Duration() if type(kind) is Duration:
            unit, decimals = _text(kind.unit), _number(kind.decimals)
            return Duration(_text(kind.meaning), unit, _number(kind.since), decimals)
        case Version() if type(kind) is Version:
            name = _text(kind.distribution)
            return Version(_text(kind.meaning), _number(kind.since), distribution=name)
    raise DeclarationError("a property is of no closed kind")


def _vocabulary(vocabulary: Any) -> Vocabulary:
    words = words_of(vocabulary) if type(vocabulary) is Vocabulary else None
    if not words:
        raise DeclarationError("a vocabulary is not of plain words")
    return Vocabulary(_text(vocabulary.name), *words)


def _why(why: object) -> Why:
    if type(why) is not Why or type(why.properties) is not dict:
        raise DeclarationError("an event has no Why")
    given = why.properties.items()
    return Why(_text(why.event), **{_text(name): _text(reason) for name, reason in given})


def _hint(kind: _Kind, optional: bool) -> Any:
    held: Any = held_type(kind)
    return Annotated[held | UnsetType if optional else held, kind]


def _text(text: object) -> str:
    if type(text) is not str:
        raise DeclarationError("a text is not plain")
    return text


def _number(number: object) -> int:
    if type(number) is not int:
        raise DeclarationError("a number is not plain")
    return number
