"""A tool's declaration: its name, notice and events; one open property refuses all of it.

The events are declared like those of the core. What tests check for the core's events is checked
here whenever a `Tool` is created, on users' machines too, and again for the sealed copy that is
used (`dev_analytics.tools.sealing`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import UnionType
from typing import Any, Final, NoReturn, Union, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, UNSET, Struct, UnsetType
from msgspec.structs import FieldInfo, fields

from dev_analytics.catalogue.events import EVENTS, Event, Why, properties
from dev_analytics.catalogue.kind import Kind
from dev_analytics.catalogue.values import Flag, Word
from dev_analytics.catalogue.vocabulary import OTHER, Vocabulary
from dev_analytics.tools.information import MAX_BITS, bits
from dev_analytics.tools.kinds import Count, Duration, Version
from dev_analytics.tools.wording import is_text, is_title, is_word, order, somebody_else

MAX_EVENTS: Final = 50
MAX_PROPERTIES: Final = 20
MAX_WORDS: Final = 64
"""Nobody reads a longer list before agreeing to it, and its rare words could identify people."""

MAX_WORDS_OF_A_TOOL: Final = 256
MAX_TERMS: Final = 1000
"""How many words all properties may have together, as the words that a yes covers are stored."""

MAX_NAME: Final = 60
MAX_NOTICE: Final = 1000

MAX_COUNTED: Final = 1_000_000
"""A larger number could identify somebody: the size of a file, a hash, a time."""

UNITS: Final = ("ms", "s")
TEXT: Final = "one line of up to 160 letters, digits and , . ; ' ( ) + / _ -"
RESERVED: Final = frozenset({"dev", "dev_analytics", "ipython", "jupyter", "other", "posthog"})

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,29}", re.ASCII)
_WIRE: Final = re.compile(r"[a-z][a-z0-9]*( [a-z0-9]+)*", re.ASCII)
_DISTRIBUTION: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,58}[A-Za-z0-9])?", re.ASCII)
_HELD: Final[dict[type, str]] = {
    Word: "str",
    Flag: "bool",
    Count: "int",
    Duration: "int, or float with decimals",
    Version: "str",
}
COMMON: Final = {each.name: (each.encode_name, each.default) for each in fields(Event)}
_NOTHING_ELSE: Final = frozenset(
    {"__module__", "__qualname__", "__doc__", "__annotations__", "__slots__", "__weakref__"}
    | {"__annotate__", "__annotate_func__", "__annotations_cache__", "__conditional_annotations__"}
    | {"__match_args__", "__static_attributes__", "__firstlineno__", "__classdictcell__"}
    | {"wire", "why", "since"}
)


class DeclarationError(ValueError):
    """A declaration is refused; the message names the place in it, and what is allowed."""


class Tool(Struct, frozen=True):
    """Another tool with events of its own.

    Parameters
    ----------
    name
        Its name in ``event("name.…")``, in commands and in records; also its entry point's name.
    title
        Its name as users know it.
    about
        Why its makers collect the events, in one sentence that users read before they answer.
    events
        Its events, classes as in `dev_analytics.catalogue.events`. ``wire`` begins with the tool's
        name: ``"acme: chart made"`` is recorded by ``event("acme.chart_made")``.
    notice
        The highest ``since`` of its events and properties: the version that a yes accepts.

    Raises
    ------
    DeclarationError
        Something in it is open, is not explained, or claims to be somebody else's.
    """

    name: str
    title: str
    about: str
    events: tuple[type[Event], ...]
    notice: int = 1

    def __post_init__(self) -> None:
        if type(self.name) is not str or not _NAME.fullmatch(self.name):
            raise DeclarationError(
                f"a tool's name must be 2 to 30 lower-case letters, digits and _, a letter first, "
                f"got {_shown(self.name)}"
            )
        if self.name in RESERVED or self.name in EVENTS:
            raise DeclarationError(f"tool {self.name!r}: that name is reserved for dev_analytics")
        if other := somebody_else(self.name):
            self._refuse(f"its name speaks as {other}, which is not its own")
        self._check_title()
        self._check_text("about", self.about)
        if type(self.notice) is not int or not 1 <= self.notice <= MAX_NOTICE:
            self._refuse(f"notice must be from 1 to {MAX_NOTICE}, got {_shown(self.notice)}")
        if type(self.events) is not tuple or not 0 < len(self.events) <= MAX_EVENTS:
            self._refuse(f"events must be a tuple of 1 to {MAX_EVENTS} event classes")
        seen: set[str] = set()
        for event in self.events:
            _Check(self, event).run()
            if event.wire in seen:
                self._refuse(f"event {event.wire!r} is declared twice")
            seen.add(event.wire)
        self._check_words()
        for event in self.events:
            number = bits(event, len(self.events))
            if number > MAX_BITS:
                self._refuse(
                    f"event {event.wire!r} can say {number:.0f} bits, allowed are {MAX_BITS}: "
                    "declare fewer properties, fewer words or a lower most"
                )
        highest = max(_sinces(self))
        if highest != self.notice:
            self._refuse(f"notice is {self.notice}, but the highest since is {highest}")

    @property
    def by_name(self) -> dict[str, type[Event]]:
        """Its events, by the names that ``event`` takes."""
        return {event_name(event.wire): event for event in self.events}

    def _check_title(self) -> None:
        if not is_title(self.title):
            self._refuse(
                f"title is {_shown(self.title)}, allowed are up to four words of letters and "
                "digits, 30 in all"
            )
        if other := somebody_else(self.title):
            self._refuse(f"title is {self.title!r}, which speaks as {other}")
        if said := order(self.title):
            self._refuse(f"title is {self.title!r}, which tells its reader what to do ({said})")

    def _check_text(self, what: str, text: str) -> None:
        if not is_text(text):
            self._refuse(f"{what} must be {TEXT}, got {_shown(text)}")
        if other := somebody_else(text):
            self._refuse(f"{what} speaks of {other}, which is not the tool's to do")

    def _check_words(self) -> None:
        """Refuse too many words, and lists with the same name: a schema would show only one."""
        lists: dict[str, frozenset[str]] = {}
        terms = 0
        for event in self.events:
            for kind in properties(event).values():
                for each in kind.vocabularies if isinstance(kind, Word) else ():
                    terms += len(each.members)
                    if lists.setdefault(each.name, each.members) != each.members:
                        self._refuse(f"two vocabularies are called {each.name!r}")
        number = len(frozenset().union(*lists.values()) - {OTHER})
        if number > MAX_WORDS_OF_A_TOOL:
            self._refuse(f"it has {number} words in all, allowed are {MAX_WORDS_OF_A_TOOL}")
        if terms > MAX_TERMS:
            self._refuse(f"its properties have {terms} words together, allowed are {MAX_TERMS}")

    def _refuse(self, why: str) -> NoReturn:
        raise DeclarationError(f"tool {self.name!r}: {why}")


def event_name(wire: str) -> str:
    """Return the name by which ``event`` takes the event that is called `wire` in records."""
    return wire.replace(": ", ".").replace(" ", "_")


def tool_of(wire: str) -> str:
    """Return the name of the tool with an event called `wire` in records; empty for the core."""
    tool, colon, _ = wire.partition(": ")
    return tool if colon else ""


class _Check:
    """Checks one event of a tool."""

    def __init__(self, tool: Tool, event: Any) -> None:
        self._tool = tool
        self._event = event
        self._place = f"tool {tool.name!r}"

    def run(self) -> None:
        event, tool = self._event, self._tool
        if type(event) is not type(Event) or event.__bases__ != (Event,):
            self._refuse(f"{_shown(event)} is not an event: it must be a direct subclass of Event")
        self._place = f"tool {tool.name!r}, event {event.__name__}"
        wire = vars(event).get("wire")
        prefix, own = f"{tool.name}: ", wire if type(wire) is str else ""
        if (
            not (own.startswith(prefix) and _WIRE.fullmatch(own.removeprefix(prefix)))
            or len(own) > MAX_NAME
        ):
            self._refuse(
                f"wire is {_shown(wire)}, allowed is {prefix!r} followed by lower-case words and "
                f"digits with single spaces, up to {MAX_NAME} characters"
            )
        if other := somebody_else(own.removeprefix(prefix)):
            self._refuse(f"wire is {own!r}, which speaks as {other}")
        if said := order(own.removeprefix(prefix)):
            self._refuse(f"wire is {own!r}, which tells its reader what to do ({said})")
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

    def _check_class(self) -> None:
        event = self._event
        config = event.__struct_config__
        inherited = {each.name: (each.encode_name, each.default) for each in fields(event)}
        changed = {name for name, field in COMMON.items() if inherited[name] != field}
        if changed | (set(_annotations(event)) & set(COMMON)):
            self._refuse("it changes the fields that every record has")
        if not config.frozen or config.tag is not None or config.array_like:
            self._refuse("it must be a plain frozen class: class X(Event, frozen=True)")
        if config.omit_defaults or config.forbid_unknown_fields:
            self._refuse("it changes how records are written")
        own = {each.name for each in fields(event)}
        for name in vars(event):
            if name not in own | _NOTHING_ELSE and not name.startswith("__struct"):
                self._refuse(f"it has {name!r}, allowed are only properties, wire, why and since")
        if type(event.since) is not int or not 1 <= event.since <= self._tool.notice:
            self._refuse(f"since must be from 1 to the tool's notice, got {_shown(event.since)}")

    def _check_property(self, field: FieldInfo, hint: Any) -> None:
        place, name = self._place, field.name
        self._place = f"{place}, property {name!r}"
        if not _NAME.fullmatch(name) or field.encode_name != name:
            self._refuse("its name must be of lower-case letters, digits and _, without rename")
        if said := order(name):
            self._refuse(f"its name tells its reader what to do ({said})")
        kinds: tuple[Any, ...] = getattr(hint, "__metadata__", ())
        if len(kinds) != 1 or type(kinds[0]) not in _HELD:
            self._refuse(
                f"it is {_hint(hint)}, which is open. Allowed is a closed kind in Annotated: "
                "Word with its vocabularies, Flag, Count, Duration or Version"
            )
        kind: Kind = kinds[0]
        if not _held(hint.__origin__, kind):
            held = _HELD[type(kind)]
            self._refuse(f"its type must be {held}, got {_hint(hint.__origin__)}")
        optional = UnsetType in _union(hint.__origin__)
        if field.default is not (UNSET if optional else NODEFAULT):
            self._refuse("its only possible default is UNSET, with a type of … | UnsetType")
        self._check_text("its meaning is missing", kind.meaning)
        if type(kind.since) is not int or not 1 <= kind.since <= self._tool.notice:
            self._refuse(f"since must be from 1 to the tool's notice, got {_shown(kind.since)}")
        if kind.since > self._event.since and not optional:
            self._refuse("it is newer than its event, so it must be optional: = UNSET")
        self._check_kind(kind)
        self._place = place

    def _check_kind(self, kind: Kind) -> None:
        match kind:
            case Count(most=most) if type(most) is not int or not 0 < most <= MAX_COUNTED:
                self._refuse(f"most must be from 1 to {MAX_COUNTED}, got {_shown(most)}")
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
                    self._refuse(f"distribution must be a package's name, got {_shown(name)}")
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
                    f"vocabulary {vocabulary.name!r} has {_shown(word)}, allowed are up to 40 "
                    "letters, digits, spaces and . _ + -: public names, and nothing of a user's"
                )
            if " " in word and (said := order(word)):
                self._refuse(
                    f"vocabulary {vocabulary.name!r} has {word!r}, which tells its reader what to "
                    f"do ({said})"
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
        if other := somebody_else(str(text)):
            self._refuse(f"{_shown(text)} speaks of {other}, which is not the tool's to do")

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


def _sinces(tool: Tool) -> Iterator[int]:
    for event in tool.events:
        yield event.since
        yield from (kind.since for kind in properties(event).values())


def _annotations(event: type[Event]) -> dict[str, Any]:
    """Return what the class itself annotates, without its bases."""
    import inspect

    return inspect.get_annotations(event)


def _union(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (UnionType, Union) else (hint,)


def _held(hint: Any, kind: Kind) -> bool:
    """Return whether the type of a field is that of its kind's results."""
    held = [each for each in _union(hint) if each is not UnsetType]
    if isinstance(kind, Duration):
        return held == [float if kind.decimals else int]
    return held == [bool if isinstance(kind, Flag) else int if isinstance(kind, Count) else str]


def _hint(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _shown(value: object) -> str:
    """Return a value as text for the tool's maker, shortened."""
    try:
        text = repr(value)
    except Exception:
        # A broken object, or a number with too many digits to print.
        text = f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= 60 else f"{text[:57]}..."
