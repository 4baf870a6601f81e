"""The checks of another tool's event: one open property refuses the whole declaration.

What tests check for the core's events is checked here whenever a `Tool` is created, on users'
machines too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import UnionType
from typing import Any, Final, NoReturn, Union, get_args, get_origin, get_type_hints

from dev_analytics.catalogue.events import properties
from dev_analytics.catalogue.fields import UNSET, Event, Field, UnsetType, Why, fields
from dev_analytics.catalogue.kind import Kind
from dev_analytics.catalogue.values import Flag, Word
from dev_analytics.catalogue.vocabulary import OTHER, Vocabulary
from dev_analytics.tools.kinds import Count, Duration, Version, held_type
from dev_analytics.tools.wording import foreign_name, improper, instruction, is_text, is_word, shown

MAX_PROPERTIES: Final = 20
MAX_WORDS: Final = 64
"""Nobody reads a longer list before agreeing to it, and its rare words could identify people."""

MAX_WIRE: Final = 60
MAX_COUNTED: Final = 1_000_000
"""A larger number could identify somebody: the size of a file, a hash, a time."""

UNITS: Final = ("ms", "s")
TEXT: Final = "one line of up to 160 letters, digits and , . ; ' ( ) + / _ -"
NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,29}", re.ASCII)
"""The form of a tool's name, and of a property's."""

COMMON: Final = {each.name: (each.wire, each.default) for each in fields(Event)}
"""The fields that every record has."""

_WIRE: Final = re.compile(r"[a-z][a-z0-9]*( [a-z0-9]+)*", re.ASCII)
_DISTRIBUTION: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,58}[A-Za-z0-9])?", re.ASCII)
CLOSED: Final = (Word, Flag, Count, Duration, Version)
"""The kinds of value that a property may have."""

_OF_THE_EVENT: Final = ("wire", "why", "since")
"""What a class of an event says of the event, so that no property has such a name."""

_NOTHING_ELSE: Final = frozenset(
    {"__module__", "__qualname__", "__doc__", "__annotations__", "__slots__", "__weakref__"}
    | {"__annotate__", "__annotate_func__", "__annotations_cache__", "__conditional_annotations__"}
    | {"__match_args__", "__static_attributes__", "__firstlineno__", "__classdictcell__"}
    | {*_OF_THE_EVENT}
)
"""The names in a class that neither declare a property nor change what it does."""


class DeclarationError(ValueError):
    """A declaration is refused; the message names the place in it, and what is allowed."""


def check_event(event: Any, tool: str, notice: int) -> None:
    """Check an event of the tool with this name and notice.

    Raises
    ------
    DeclarationError
        The event is not allowed.
    """
    _Check(event, tool, notice).run()


class _Check:
    """Checks one event; keeps the place in the declaration that an error names."""

    def __init__(self, event: Any, tool: str, notice: int) -> None:
        self._event, self._tool, self._notice = event, tool, notice
        self._place = f"tool {tool!r}"

    def run(self) -> None:
        try:
            self._check_event()
        except DeclarationError:
            raise
        except Exception as error:
            # Names, types and attributes are their maker's code, which may raise anything.
            self._refuse(f"it cannot be read: {shown(error)}")

    def _check_event(self) -> None:
        event = self._event
        if type(event) is not type(Event) or event.__bases__ != (Event,):
            self._refuse(f"{shown(event)} is not an event: it must be a direct subclass of Event")
        self._place += f", event {event.__name__}"
        self._check_wire(vars(event).get("wire"))
        doc = vars(event).get("__doc__")
        self._check_text(
            "it has no docstring whose first line says when the event happens",
            doc.partition("\n")[0] if type(doc) is str else None,
        )
        self._check_class()
        own_fields = [each for each in fields(event) if each.name not in COMMON]
        if len(own_fields) > MAX_PROPERTIES:
            self._refuse(f"it has {len(own_fields)} properties, allowed are {MAX_PROPERTIES}")
        hints = get_type_hints(event, include_extras=True)
        for field in own_fields:
            self._check_property(field, hints[field.name])
        self._check_reasons()

    def _check_wire(self, wire: object) -> None:
        prefix = f"{self._tool}: "
        own = wire.removeprefix(prefix) if type(wire) is str and wire.startswith(prefix) else ""
        if not _WIRE.fullmatch(own) or len(prefix + own) > MAX_WIRE:
            self._refuse(
                f"wire is {shown(wire)}, allowed is {prefix!r} followed by lower-case words and "
                f"digits with single spaces, up to {MAX_WIRE} characters"
            )
        if fault := improper(own):
            self._refuse(f"wire is {wire!r}, which {fault}")

    def _check_class(self) -> None:
        event = self._event
        annotations = event.__annotations__
        if type(annotations) is not dict or any(type(name) is not str for name in annotations):
            self._refuse("its annotations must be a dictionary of names")
        # At first, as `fields` looks at one of the names that are refused.
        self._check_names([*annotations, *COMMON])
        inherited = {each.name: (each.wire, each.default) for each in fields(event)}
        changed = {name for name, field in COMMON.items() if inherited[name] != field}
        if changed or not COMMON.keys().isdisjoint([*annotations, *vars(event)]):
            self._refuse("it changes the fields that every record has")
        self._check_names([each.name for each in fields(event)])
        self._check_since(event.since)

    def _check_names(self, own: Iterable[str]) -> None:
        allowed = _NOTHING_ELSE.union(own)
        for name in vars(self._event):
            if name not in allowed:
                self._refuse(
                    f"it has {shown(name)}, allowed are only properties, wire, why and since"
                )

    def _check_since(self, since: object) -> None:
        if type(since) is not int or not 1 <= since <= self._notice:
            self._refuse(f"since must be from 1 to the tool's notice, got {shown(since)}")

    def _check_property(self, field: Field, hint: Any) -> None:
        place, name = self._place, field.name
        self._place = f"{place}, property {shown(name)}"
        if not NAME.fullmatch(name) or field.wire != name:
            self._refuse("its name must be of lower-case letters, digits and _, without rename")
        if name in _OF_THE_EVENT:
            self._refuse("its name is that of what a class says of its event")
        if word := instruction(name):
            self._refuse(f"its name tells its reader what to do ({word})")
        kinds: tuple[Any, ...] = getattr(hint, "__metadata__", ())
        if len(kinds) != 1 or type(kinds[0]) not in CLOSED:
            self._refuse(
                f"it is {_hint(hint)}, which is open. Allowed is a closed kind in Annotated: "
                "Word with its vocabularies, Flag, Count, Duration or Version"
            )
        kind: Kind = kinds[0]
        types = _union(hint.__origin__)
        held, optional = held_type(kind), UnsetType in types
        if [each for each in types if each is not UnsetType] != [held]:
            self._refuse(f"its type must be {held.__name__}, got {_hint(hint.__origin__)}")
        if field.required is optional or not (field.required or field.default is UNSET):
            self._refuse("its only possible default is UNSET, with a type of … | UnsetType")
        self._check_text("its meaning is missing", kind.meaning)
        self._check_since(kind.since)
        if kind.since > self._event.since and not optional:
            self._refuse("it is newer than its event, so it must be optional: = UNSET")
        self._check_kind(kind)
        self._place = place

    def _check_kind(self, kind: Kind) -> None:
        match kind:
            case Count(most=most) if type(most) is not int or not 0 < most <= MAX_COUNTED:
                self._refuse(f"most must be from 1 to {MAX_COUNTED}, got {shown(most)}")
            case Count(capped=capped) if capped is not False:
                self._refuse("it may not be capped: a number above its most is refused")
            case Duration(unit=unit, decimals=decimals):
                plain = type(unit) is str and type(decimals) is int
                if not plain or unit not in UNITS or decimals not in (0, 1, 2, 3):
                    self._refuse("it must have the unit ms or s, and 0 to 3 decimals")
            case Word(vocabularies=vocabularies):
                if type(vocabularies) is not tuple or not vocabularies:
                    self._refuse("it must have a tuple of vocabularies: Word(meaning, (NAMES,))")
                for each in vocabularies:
                    self._check_vocabulary(each)
                self._check_likeness(kind)
            case Version(distribution=name):
                if type(name) is not str or not _DISTRIBUTION.fullmatch(name):
                    self._refuse(f"distribution must be a package's name, got {shown(name)}")
        if isinstance(kind, Count) and not is_text(kind.unit, 20):
            self._refuse("its unit is missing: it must be a short word")

    def _check_vocabulary(self, vocabulary: object) -> None:
        if type(vocabulary) is not Vocabulary or vocabulary.shipped:
            self._refuse("a vocabulary must come with its words: Vocabulary(name, *words)")
        if not is_text(vocabulary.name, 40):
            self._refuse("its vocabulary has no name")
        words = words_of(vocabulary)
        if words is None:
            self._refuse(
                f"vocabulary {vocabulary.name!r} has something other than plain words: allowed are "
                "public names, given when it is created and never changed"
            )
        if not 0 < len(words) <= MAX_WORDS:
            self._refuse(
                f"vocabulary {vocabulary.name!r} has {len(words)} words, allowed are {MAX_WORDS}"
            )
        for word in words:
            if not is_word(word):
                self._refuse(
                    f"vocabulary {vocabulary.name!r} has {shown(word)}, allowed are up to 40 "
                    "letters, digits, spaces and . _ + -: public names, and nothing of a user's"
                )
            if " " in word and (found := instruction(word)):
                self._refuse(
                    f"vocabulary {vocabulary.name!r} has {word!r}, which tells its reader what to "
                    f"do ({found})"
                )

    def _check_likeness(self, kind: Word) -> None:
        """Refuse words that look alike to users, who could not see what they distinguish."""
        seen: dict[str, str] = {}
        for word in {OTHER}.union(*(each.members for each in kind.vocabularies)):
            if (before := seen.setdefault(word.casefold(), word)) != word:
                self._refuse(
                    f"{min(before, word)!r} and {max(before, word)!r} differ only in case, "
                    "allowed are words that a reader can distinguish"
                )

    def _check_reasons(self) -> None:
        why = vars(self._event).get("why")
        if type(why) is not Why or type(why.properties) is not dict:
            self._refuse("it has no why: it must have Why(reason, property=reason, …)")
        self._check_text("it has no why", why.event)
        declared = properties(self._event)
        for name in declared:
            self._check_text(f"property {name!r} has no why", why.properties.get(name))
        for name in why.properties.keys() - declared.keys():
            self._refuse(f"why explains {name!r}, which is not a property")

    def _check_text(self, missing: str, text: object) -> None:
        if not is_text(text):
            self._refuse(f"{missing}, allowed is {TEXT}")
        if other := foreign_name(str(text)):
            self._refuse(f"{shown(text)} speaks of {other}, which is not the tool's to do")

    def _refuse(self, why: str) -> NoReturn:
        raise DeclarationError(f"{self._place}: {why}")


def words_of(vocabulary: Vocabulary) -> tuple[str, ...] | None:
    """Return the words of a vocabulary except ``"other"``; None if they were tampered with.

    This reads the dictionary itself, as a tool could have replaced the vocabulary's methods.
    """
    members = vars(vocabulary).get("_members")
    if type(members) is not dict:
        return None
    for word, member in members.items():
        if type(word) is not str or type(member) is not str or word != member:
            return None
    return tuple(word for word in members if word != OTHER)


def _union(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (UnionType, Union) else (hint,)


def _hint(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else shown(hint).replace("typing.", "")
