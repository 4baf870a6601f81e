"""A declaration that is open, unexplained or not its own is refused with one clear error."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import msgspec
import pytest

from dev_analytics.catalogue.events import properties
from dev_analytics.catalogue.values import Frames
from dev_analytics.tools import (
    UNSET,
    Count,
    DeclarationError,
    Duration,
    Event,
    Flag,
    Tool,
    UnsetType,
    Version,
    Vocabulary,
    Why,
    Word,
)

NoClassVar = str
KINDS = Vocabulary("kinds", "bar", "line")
struct: Callable[..., type[Event]] = type(Event)
"""Make a class of an event as a ``class`` statement does."""


class Made(Event):
    """A chart was made."""

    wire = "acme: made"
    why = Why(
        "To know it.", kind="Which.", well="How.", rows="How many.", seconds="How long.",
        version="Since when.",
    )  # fmt: skip

    kind: Annotated[str, Word("Kind.", (KINDS,))]
    well: Annotated[bool, Flag("It went well.")]
    rows: Annotated[int, Count("Rows.", "rows", most=1000)]
    seconds: Annotated[float, Duration("Time.", "s", decimals=3)]
    version: Annotated[str | UnsetType, Version("Version.", distribution="acme")] = UNSET


def tool(*events: type[Event], **changes: Any) -> Tool:
    said = {"name": "acme", "title": "Acme", "about": "To know.", "events": events or (Made,)}
    return Tool(**{**said, **changes})


def event(hint: Any, default: Any = None, **namespace: Any) -> type[Event]:
    """Declare an event with one property, as a class statement would."""
    own = {
        "__doc__": "Something.",
        "__module__": __name__,
        "__annotations__": {"thing": hint},
        "wire": "acme: done",
        "why": Why("To know it.", thing="To know it."),
        **({} if default is None else {"thing": default}),
        **namespace,
    }
    return struct("Done", (Event,), own)


def test_every_closed_kind_can_be_declared() -> None:
    assert set(tool().by_name) == {"acme.made"}
    with pytest.raises(AttributeError):
        tool().name = "other"  # type: ignore[misc]


OPEN: dict[str, Any] = {
    "str": str,
    "Any": Any,
    "object": object,
    "dict": dict[str, str],
    "list": list[str],
    "bytes": bytes,
    "an int": int,
    "a pattern": Annotated[str, msgspec.Meta(pattern=".*")],
    "frames": Annotated[list[str], Frames("Places.")],
    "two kinds": Annotated[str, Word("Kind.", (KINDS,)), Flag("Kind.")],
}


@pytest.mark.parametrize("hint", OPEN.values(), ids=OPEN)
def test_an_open_property_is_refused(hint: Any) -> None:
    with pytest.raises(DeclarationError) as refused:
        tool(event(hint))
    said = str(refused.value)
    assert said.startswith("tool 'acme', event Done, property 'thing': ")
    assert "Allowed is a closed kind in Annotated: Word with its vocabularies" in said
    assert "\n" not in said


def text(meaning: str) -> Any:
    """A kind of somebody's own that lets all through."""

    class Text(Word):
        def accept(self, value: object) -> object:
            return value

    return Text(meaning, (KINDS,))


class Shown:
    """What a maker's object may show: several lines, or an error."""

    def __init__(self, text: Any) -> None:
        self.text = text

    def __call__(self) -> None:
        """Be taken for a type."""

    def __repr__(self) -> str:
        return self.text  # type: ignore[no-any-return]


FLAG = Annotated[bool, Flag("It is.")]
WRONG: dict[str, tuple[str, Callable[[], Any]]] = {
    "a kind of its own": ("which is open", lambda: event(Annotated[str, text("Text.")])),
    "a type that is wider":
        ("must be bool, got object", lambda: event(Annotated[object, Flag("It.")])),
    "a default": ("only possible default is UNSET", lambda: event(FLAG, True)),
    "a large count": ("got 90", lambda: event(Annotated[int, Count("It.", "x")])),
    "a unit": ("unit ms or s", lambda: event(Annotated[int, Duration("It.", "years")])),
    "no meaning": ("its meaning is missing", lambda: event(Annotated[bool, Flag("")])),
    "a meaning that moves the cursor":
        ("its meaning is missing", lambda: event(Annotated[bool, Flag("\x1b[2J")])),
    "no vocabulary": ("tuple of vocabularies", lambda: event(Annotated[str, Word("It.", ())])),
    "a shipped vocabulary":
        ("with its words", lambda: event(Annotated[str, Word("It.", (Vocabulary("models"),))])),
    "a vocabulary that is too large": ("has 65 words, allowed are 64", lambda: event(Annotated[
        str, Word("It.", (Vocabulary("all", *map(str, range(65))),))])),
    "a path in a vocabulary": ("'/home/jane'", lambda: event(Annotated[
        str, Word("It.", (Vocabulary("all", "/home/jane"),))])),
    "an address in a vocabulary": ("'jane@acme.org'", lambda: event(Annotated[
        str, Word("It.", (Vocabulary("all", "jane@acme.org"),))])),
    "a subclass of str in a vocabulary": ("public names", lambda: event(Annotated[
        str, Word("It.", (Vocabulary("all", type("S", (str,), {})("bar")),))])),
    "words that differ in capitals": ("'JANE' and 'jane' differ", lambda: event(Annotated[
        str, Word("It.", (Vocabulary("all", "jane"), Vocabulary("more", "JANE")))])),
    "a word like the one for all others": ("'Other' and 'other' differ", lambda: event(Annotated[
        str, Word("It.", (Vocabulary("all", "Other"),))])),
    "a word that instructs the reader":
        ("has 'just say yes', which tells its reader what to do (yes)", lambda: event(Annotated[
        str, Word("It.", (Vocabulary("all", "just say yes"),))])),
    "a property that instructs the reader":
        ("its name tells its reader what to do (press)", lambda: event(
        FLAG, __annotations__={"press_here": FLAG})),
    "blanks that nobody sees": ("has 'a  b'", lambda: event(Annotated[
        str, Word("It.", (Vocabulary("all", "a b", "a  b"),))])),
    "a cap": ("may not be capped", lambda: event(Annotated[
        int, Count("It.", "x", most=10, capped=True)])),
    "no why": ("it has no why", lambda: event(FLAG, why=None)),
    "a property without why": ("has no why", lambda: event(FLAG, why=Why("To know it."))),
    "a why without property": ("which is not a property", lambda: event(
        FLAG, why=Why("To know it.", thing="It.", gone="It."))),
    "no docstring": ("no docstring", lambda: event(FLAG, __doc__=None)),
    "a wire name without the tool": ("wire is 'done'", lambda: event(FLAG, wire="done")),
    "another tool's wire name":
        ("wire is 'other: done'", lambda: event(FLAG, wire="other: done")),
    "a core event's wire name":
        ("wire is 'cell executed'", lambda: event(FLAG, wire="cell executed")),
    "a reserved wire name": ("wire is '$pageview'", lambda: event(FLAG, wire="$pageview")),
    "a long wire name": ("up to 60", lambda: event(FLAG, wire=f"acme: {'x' * 80}")),
    "a reserved property":
        ("it has '_wires'", lambda: event(FLAG, _wires={"thing": "$set"})),
    "a common property": ("changes the fields that every record has", lambda: event(
        FLAG, __annotations__={"lib": str}, lib="x")),
    "a hidden common property": ("changes the fields that every record has", lambda: event(
        FLAG, __annotations__={"seq": FLAG})),
    **{f"a property {name}": ("what a class says of its event", partial(
        event, FLAG, __annotations__={name: FLAG}, why=Why("It.", **{name: "To know."})))
       for name in ("since", "wire")},
    "a type with a name like ClassVar": ("it is str, which is open", lambda: event(
        FLAG, __annotations__={"thing": "NoClassVar"})),
    "a method": ("it has 'accept'", lambda: event(FLAG, accept=lambda self: None)),
    "a hook": ("it has '__post_init__'",
               lambda: event(FLAG, __post_init__=lambda self: None)),
    "a since without notice": ("notice, got 2", lambda: event(FLAG, since=2)),
    "a newer property that must be given": ("it must be optional", lambda: event(
        Annotated[bool, Flag("It.", since=2)])),
    "a core event": ("direct subclass of Event", lambda: struct("Done", (Made,), {})),
    "no class": ("is not an event", lambda: "acme: done"),
    "a property newer than the notice": ("since must be from 1 to the tool's notice, got 2",
        lambda: event(Annotated[bool | UnsetType, Flag("It.", since=2)], UNSET)),
    "a count of nothing": ("its unit is missing", lambda: event(
        Annotated[int, Count("It.", "", most=10)])),
    "a vocabulary without a name": ("its vocabulary has no name", lambda: event(
        Annotated[str, Word("It.", (Vocabulary("", "bar"),))])),
    "a reason in somebody else's name": ("speaks of jupyter", lambda: event(
        FLAG, why=Why("To know it.", thing="Jupyter wants it."))),
    "too many properties": ("has 21 properties, allowed are 20", lambda: event(
        FLAG, __annotations__={f"thing_{number}": FLAG for number in range(21)})),
    "a reserved property of a wrong type": ("it has '_wires'", lambda: event(FLAG, _wires=5)),
    "annotations that are no dictionary": ("its annotations must be a dictionary of names",
        lambda: event(FLAG, __annotations__=5)),
    "a property whose name is a number": ("its annotations must be a dictionary of names",
        lambda: event(FLAG, __annotations__={5: FLAG})),
    "a type that does not exist": (
        "event Done: it cannot be read: NameError(\"name 'Missing' is not defined\")",
        lambda: event("Missing")),
    "a type that is no expression": ("cannot be read: SyntaxError(", lambda: event("1 +")),
    "a module that is no name": ("cannot be read: TypeError(", lambda: event(FLAG, __module__=[])),
    "a kind that was not initialized": ("cannot be read: AttributeError(", lambda: event(
        Annotated[bool, object.__new__(Flag)])),
    "a kind that cannot be shown": ("it is a _AnnotatedAlias that cannot be shown",
        lambda: event(Annotated[bool, Shown(None)])),
    "a kind of several lines": ("it is 'a\\nb', which is open", lambda: event(Shown("a\nb"))),
    "the value of a common property": ("changes the fields that every record has", lambda: event(
        FLAG, lib="x")),
}  # fmt: skip


@pytest.mark.parametrize(("said", "wrong"), WRONG.values(), ids=WRONG)
def test_an_error_in_an_event_is_named(said: str, wrong: Callable[[], Any]) -> None:
    newer = "must be optional" in said
    with pytest.raises(DeclarationError) as refused:
        tool(wrong(), notice=2 if newer else 1)
    assert said in str(refused.value)
    assert str(refused.value).startswith("tool 'acme'")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        ("a letter first, got 'Acme'", {"name": "Acme"}),
        ("a letter first, got '$acme'", {"name": "$acme"}),
        ("reserved for dev_analytics", {"name": "cell_executed"}),
        ("reserved for dev_analytics", {"name": "dev"}),
        ("title is ''", {"title": ""}),
        ("title is 'Acme\\x1b[2J'", {"title": "Acme\x1b[2J"}),
        ("got 'one\\ntwo'", {"about": "one\ntwo"}),
        ("notice must be from 1 to 1000, got True", {"notice": True}),
        ("notice must be from 1 to 1000", {"notice": 10**5000}),
        ("d_e_v", {"name": "d_e_v"}),
        ("notice is 2, but the highest since is 1", {"notice": 2}),
        ("must be a tuple of 1 to 50", {"events": [Made]}),
        ("must be a tuple of 1 to 50", {"events": ()}),
        ("declared twice", {"events": (Made, Made)}),
    ],
)
def test_an_error_in_a_tool_is_named(said: str, changes: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError) as refused:
        Tool(**{"name": "acme", "title": "Acme", "about": "To know.", "events": (Made,), **changes})
    assert said in str(refused.value)


def test_what_comes_later_is_optional_and_raises_the_notice() -> None:
    later = Annotated[bool | UnsetType, Flag("It.", since=2)]
    assert tool(event(later, UNSET), notice=2).notice == 2


def test_a_tool_may_have_256_words_in_all() -> None:
    def named(number: int) -> type[Event]:
        words = (f"word {number} {each}" for each in range(52))
        kind = Word("It.", (Vocabulary(f"list {number}", *words),))
        return event(Annotated[str, kind], wire=f"acme: done {number}")

    assert tool(*map(named, range(4)))
    with pytest.raises(DeclarationError, match="it has 260 words in all, allowed are 256"):
        tool(*map(named, range(5)))


def test_a_property_may_have_any_name_that_no_record_has() -> None:
    optional = Annotated[bool | UnsetType, Flag("It.")]
    made = event(
        FLAG, __annotations__={"wires": optional}, wires=UNSET, why=Why("It.", wires="To know it.")
    )
    assert [*properties(tool(made).events[0])] == ["wires"]
