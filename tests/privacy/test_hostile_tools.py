"""A tool that tries to say more than its declaration showed: installed, agreed to, then let loose.

Its module is a program on the user's machine, so what is tested is what it can reach by ordinary
means: its own objects, and the ways into `dev_analytics` that every tool has.
"""

from __future__ import annotations

import importlib
import json
import py_compile
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dev_analytics import NOTICE, recording
from dev_analytics.analytics import Analytics
from dev_analytics.catalogue.common import PROPERTIES
from dev_analytics.consent.asking.question import Answer
from dev_analytics.process.native import Clock
from dev_analytics.testing.marks import Marks
from dev_analytics.tools import DeclarationError
from dev_analytics.tools import installed as registry
from dev_analytics.views.status import status_rows

SOURCE = '''"""What it records."""

from typing import Annotated

from dev_analytics.tools import (
    UNSET, Count, Duration, Event, Flag, Tool, UnsetType, Version, Vocabulary, Why, Word
)

KINDS = Vocabulary("kinds", "bar", "line")
WORD = Word("Kind.", (KINDS,))
WHY = Why(
    "To know it.", kind="Which.", rows="How many.", well="How.", seconds="How long.",
    version="Which.",
)


class Made(Event):
    """A chart was made."""

    wire = "evil: made"
    why = WHY

    kind: Annotated[str, WORD]
    rows: Annotated[int, Count("Rows.", "rows", most=1000)]
    well: Annotated[bool, Flag("It went well.")]
    seconds: Annotated[float | UnsetType, Duration("Time.", "s", decimals=1)] = UNSET
    version: Annotated[str | UnsetType, Version("Version.", distribution="evil")] = UNSET


TOOL = Tool(name="evil", title="Evil", about="It helps.", events=(Made,))
'''
RIGHT: dict[str, Any] = {"kind": "bar", "rows": 12, "well": True, "seconds": 0.5}
SAID = {**RIGHT, "version": "1.2.3"}
Install = Callable[..., None]


@pytest.fixture(autouse=True)
def an_hour_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time span is longer than its recording is old, and a tool's here take seconds."""

    class Later(Clock):
        monotonic = staticmethod(lambda: Clock.monotonic() + 3600)

    monkeypatch.setattr(recording, "Clock", Later)


@pytest.fixture
def secret(marks: Marks) -> str:
    """What the tool would like to send."""
    return marks("a secret")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a tool with this declaration, in place of the one before."""
    folder = tmp_path / "site"
    info = folder / "evil-1.2.3.4.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.2.3.4\n")
    (info / "entry_points.txt").write_text("[dev_analytics.events]\nevil = evil_tool:TOOL\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def forget() -> None:
        sys.modules.pop("evil_tool", None)
        registry._forget("evil")
        registry._Known.unknown.clear()
        registry._Known.entries = None
        importlib.invalidate_caches()

    def put(source: str = SOURCE) -> None:
        (folder / "evil_tool.py").write_text(source)
        forget()

    yield put
    forget()


@pytest.fixture
def analytics(data: Path, tmp_path: Path) -> Analytics:
    """Analytics of a user, with an event log."""
    one = Analytics(data, delivery=None)
    one.gate.store.agree(NOTICE, date.today())
    one.log_to(tmp_path / "log.jsonl")
    return one


def agree(analytics: Analytics) -> None:
    """Agree to everything that the tools would record."""
    analytics.gate.answer(Answer.YES, registry.offers(analytics.gate.store.read()))


def evil() -> registry.Installed:
    (found,) = [each for each in registry.installed() if each.name == "evil"]
    return found


def sent(analytics: Analytics) -> list[dict[str, Any]]:
    """Return the own properties of all that the tool has in the spool."""
    analytics.pipeline.sink.close(at_exit=False)
    lines = [
        line
        for file in analytics.data.glob("spool/*.jsonl")
        for line in file.read_bytes().splitlines()
    ]
    return [
        {"event": record["event"]}
        | {name: v for name, v in record["properties"].items() if name not in PROPERTIES}
        for record in map(json.loads, lines)
        if record["event"].startswith("evil")
    ]


# What a tool may change of its own once it was agreed to; {secret} is what it would like to say.
CHANGED = {
    "other words in its vocabulary":
        "KINDS._members = {{'bar': {secret!r}, 'line': 'line', 'other': {secret!r}}}",
    "other words in the same dict": "KINDS._members.update(bar={secret!r}, other={secret!r})",
    "a vocabulary of its own in the kind":
        "import msgspec; msgspec.structs.force_setattr(WORD, 'vocabularies', "
        "(Vocabulary('k', {secret!r}),))",
    "another kind in the class": "Made.__annotations__ = {{'kind': str}}",
    "another wire name": "Made.wire = 'evil: ' + {secret!r}",
    "another wire name where the tool is kept": "TOOL.events[0].wire = {secret!r}",
    "another name of the tool":
        "import msgspec; msgspec.structs.force_setattr(TOOL, 'name', {secret!r})",
    "other events": "import msgspec; msgspec.structs.force_setattr(TOOL, 'events', ())",
    "another reason": "WHY.properties['kind'] = {secret!r}; WHY.event = {secret!r}",
    "another docstring": "Made.__doc__ = {secret!r}",
    "another entry in its module": "TOOL = {secret!r}",
    "another encoder's hook": "Made.__post_init__ = lambda self: {secret!r}",
    "another version": "import importlib.metadata as m; m.version = lambda name: {secret!r}",
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_what_it_changes_after_the_yes_changes_nothing(
    change: str, install: Install, analytics: Analytics, secret: str, marks: Marks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    import importlib.metadata

    monkeypatch.setattr(importlib.metadata, "version", importlib.metadata.version)
    install()
    agree(analytics)
    analytics.event("evil.made", **RIGHT)
    # What cannot be changed is as good.
    with suppress(AttributeError, TypeError):
        exec(change.format(secret=secret), vars(sys.modules["evil_tool"]))
    for kind in ("bar", "line", secret):
        analytics.event("evil.made", **{**RIGHT, "kind": kind})
    records = [{"event": "evil: made", **SAID, "kind": k} for k in ("bar", "bar", "line", "other")]
    assert sent(analytics) == records
    assert found_anywhere(analytics, marks) == []


def found_anywhere(analytics: Analytics, marks: Marks) -> list[str]:
    analytics.stop_log()
    files = [path for path in analytics.data.parent.rglob("*") if path.is_file()]
    written = b"\n".join(f.read_bytes() for f in files if "site" not in f.parts)
    kept = b"\n".join(each.record for each in analytics.pipeline.preview)
    return marks.found_in(written + kept)


class Text(str):
    """A text that is equal to a word, and says something else where it is written."""

    secret = ""

    def __str__(self) -> str:
        return self.secret


class Number(int):
    """A number that says something else where it is compared."""

    def __le__(self, other: object) -> bool:
        return True

    def __ge__(self, other: object) -> bool:
        return True


# What it may hand over: property, value, and what leaves; None stands for nothing at all.
HANDED_OVER: dict[str, tuple[str, Callable[[str], object], object]] = {
    "a free text": ("kind", lambda secret: secret, "other"),
    "a subclass of str": ("kind", lambda secret: Text("bar"), "other"),
    "a word in another form": ("kind", lambda secret: "ｂａｒ", "other"),
    "a number in place of a word": ("kind", lambda secret: hash(secret), "other"),
    "a huge number": ("rows", lambda secret: int.from_bytes(secret.encode()), None),
    "a number beyond its limit": ("rows", lambda secret: 1001, None),
    "a subclass of int": ("rows", lambda secret: Number(10**30), None),
    "a flag as a count": ("rows", lambda secret: True, None),
    "a count as a flag": ("well", lambda secret: 2, None),
    "digits of another script": ("rows", lambda secret: "١٢", None),
    "not a number": ("seconds", lambda secret: float("nan"), None),
    "a time beyond all": ("seconds", lambda secret: 1e300, 3600.0),
    "a time of many digits": ("seconds", lambda secret: 0.123456789012345, 0.1),
    "minus zero": ("seconds", lambda secret: -0.0, 0.0),
    "a version": ("version", lambda secret: "104.105.33", None),
    "another property": ("note", lambda secret: secret, None),
}  # fmt: skip


@pytest.mark.parametrize(("name", "make", "leaves"), HANDED_OVER.values(), ids=HANDED_OVER)
def test_what_it_hands_over_leaves_as_declared_or_not_at_all(
    name: str, make: Callable[[str], object], leaves: object, install: Install,
    analytics: Analytics, secret: str, marks: Marks, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(Text, "secret", secret)
    install()
    agree(analytics)
    analytics.event("evil.made", **{**RIGHT, name: make(secret)})
    records = sent(analytics)
    expected = [] if leaves is None else [{"event": "evil: made", **SAID, name: leaves}]
    assert records == expected
    assert repr(records) == repr(expected), "minus zero is equal to zero"
    assert analytics.drops.counts == ({"invalid": 1} if leaves is None else {})
    assert found_anywhere(analytics, marks) == []


def test_an_event_or_a_property_whose_name_is_made_at_the_call_is_none(
    install: Install, analytics: Analytics, secret: str, marks: Marks
) -> None:
    install()
    agree(analytics)
    for name in (f"evil.{secret}", f"evil.made_{secret}", "evil: made", "evil.made ", "evil.MADE"):
        analytics.event(name, **RIGHT)
    analytics.event(Text("evil.made"), **RIGHT)
    analytics.event("evil.made", **{Text("kind"): secret, "rows": 12, "well": True})
    assert sent(analytics) == []
    assert analytics.drops.counts == {"invalid": 7}
    assert found_anywhere(analytics, marks) == []


BITS = "".join(
    f"    v{n}: Annotated[str | UnsetType, Version('Version.', distribution='evil')] = UNSET\n"
    for n in range(10, 16)
)
WHYS = "".join(f"v{n}='Which.', " for n in range(10, 16))
# What may not be declared: what stands in the source, and what the tool puts there.
REFUSED = {
    "a word made at import": ('"bar", "line"', '"bar", f"{__import__(\'getpass\').getuser()}"'),
    "a word put together": ('"bar", "line"', '"bar", "li" + "nes"'),
    "a word of a subclass": ('"bar", "line"', '"bar", type("S", (str,), {})("line")'),
    "a word that stands for another": (
        'WORD = Word(', 'KINDS._members = {"bar": "pie", "line": "line"}\nWORD = Word('),
    "words in a dict of its own": (
        'WORD = Word(', 'KINDS._members = type("D", (dict,), {})(bar="bar")\nWORD = Word('),
    "a vocabulary of its own": (
        'WORD = Word(', 'KINDS.__class__ = type("V", (Vocabulary,), {})\nWORD = Word('),
    "a name of an event that is computed": ('"evil: made"', '"evil: " + "made"'),
    "a wire that is a property": ('"evil: made"', 'property(lambda self: "evil: made")'),
    "a wire of a subclass": ('"evil: made"', 'type("S", (str,), {})("evil: made")'),
    "a metaclass of its own": (
        "class Made(Event):",
        "class Made(Event, metaclass=type('M', (type(Event),), {})):"),
    "a subclass of Tool": ("TOOL = Tool(", "TOOL = type('T', (Tool,), {})("),
    "an object that says it is one": (
        "TOOL = Tool(",
        "TOOL = type('T', (), {'__class__': Tool, '__init__': lambda *a, **k: None})("),
    "a generator": ("TOOL = Tool(", "TOOL = (lambda **k: (each for each in [Tool(**k)]))("),
    "a title of the program that asks": ('title="Evil"', 'title="Jupyter"'),
    "an about that asks": ('"It helps."', '"Allow this, says your system."'),
    "more bits than 200": ("    version: Ann", f"{BITS}    version: Ann"),
    "a version of nothing": (', distribution="evil"', ""),
    "a count without a limit": (", most=1000", ""),
    "a limit of a subclass": ("most=1000", "most=True"),
    "a hook": ("    wire =", "    def __post_init__(self): pass\n    wire ="),
    "a field of its own": ("    wire =", "    note: str\n    wire ="),
    "a property that gives an order": ("    rows:", "    press_enter: bool\n    rows:"),
    "a module that writes another in its place": (
        'KINDS = Vocabulary("kinds", "bar", "line")',
        'NAME = "".join(map(chr, (106, 97, 110, 101)))\n'
        'open(__file__, "a").write(f"\\n{NAME!r}\\n")\n'
        'KINDS = Vocabulary("kinds", "bar", NAME)'),
    "words that differ in capitals alone": ('"bar", "line"', '"bar", "Bar", "BAR"'),
    "words that differ in blanks alone": ('"bar", "line"', '"a bar", "a  bar"'),
    "a title that is cut up": ('title="Evil"', 'title="De-v"'),
    "a number too long for a file": ("    wire =", "    since = 10**5000\n    wire ="),
    "another kind than was checked": (
        "(Made,))", "(Made,))\nMade.__annotations__['kind'] = Annotated[str, "
        "type('W', (Word,), {})('Kind.', (KINDS,))]"),
    "other words than were checked": ("(Made,))", "(Made,))\nKINDS._members = {'bar': 'pie'}"),
    "another vocabulary than was checked": (
        "(Made,))", "(Made,))\nKINDS.__class__ = type('V', (Vocabulary,), {})"),
    "a text of a subclass after the check": (
        "(Made,))", "(Made,))\nWHY.event = type('S', (str,), {})('To know it.')"),
    "a number of a subclass after the check": (
        "(Made,))", "(Made,))\ntype.__setattr__(Made, 'since', True)"),
    "no reason any longer": ("(Made,))", "(Made,))\ntype.__delattr__(Made, 'why')"),
    "an event that is none any longer": (
        "(Made,))", "(Made,))\n__import__('msgspec').structs.force_setattr(TOOL, 'events', 'x')"),
    "two lists of one name": (
        "Word(\"Kind.\", (KINDS,))", 'Word("Kind.", (KINDS, Vocabulary("kinds", "pie")))'),
}  # fmt: skip


FAULTS = (
    "its declaration is refused; its own tests say why",
    "its declaration has texts that are not literals in its module",
    "its entry point names no Tool",
)


@pytest.mark.parametrize(("old", "new"), REFUSED.values(), ids=REFUSED)
def test_what_may_not_be_declared_is_refused_where_it_is_installed(
    old: str, new: str, install: Install, analytics: Analytics
) -> None:
    assert SOURCE.count(old) == 1
    source = SOURCE.replace(old, new)
    install(
        source.replace('version="Which.",', f'version="Which.", {WHYS}') if BITS in new else source
    )
    assert evil().tool is None
    assert evil().fault in FAULTS
    agree(analytics)
    analytics.event("evil.made", **RIGHT)
    assert sent(analytics) == []


def test_a_declaration_that_ends_the_process_when_it_is_read_again_ends_nothing(
    install: Install, analytics: Analytics
) -> None:
    ends = '"exit(1) if READ.append(1) or len(READ) > 2 else Annotated[str, WORD]"'
    source = SOURCE.replace("    kind: Annotated[str, WORD]", f"    kind: {ends}")
    install(source.replace("KINDS =", "READ = []\nKINDS ="))
    analytics.event("evil.made", **RIGHT)
    assert analytics.drops.counts == {"invalid": 1}
    assert "ends the process" in evil().fault


def test_an_interrupt_while_a_declaration_is_imported_is_the_users(install: Install) -> None:
    install(f"raise KeyboardInterrupt\n{SOURCE}")
    with pytest.raises(KeyboardInterrupt):
        evil()


def test_a_declaration_without_its_source_is_not_used(install: Install, tmp_path: Path) -> None:
    install()
    module = tmp_path / "site" / "evil_tool.py"
    py_compile.compile(str(module), str(module.with_suffix(".pyc")))
    module.unlink()
    assert evil().tool is None
    assert evil().fault == "the source of its declaration cannot be read"


def test_what_a_yes_covers_stays_small(install: Install) -> None:
    lists = "".join(
        f"L{n} = Vocabulary('l{n}', *'{' '.join(f'w{n}x{i}' for i in range(64))}'.split())\n"
        for n in range(3)
    )
    names = [f"w{n}" for n in range(10, 16)]
    words = "".join(f"    {n}: Annotated[str, Word('K.', (L0, L1, L2))]\n" for n in names)
    whys = "".join(f"{n}='Which.', " for n in names)
    source = SOURCE.replace("KINDS =", f"{lists}KINDS =").replace("    kind:", f"{words}    kind:")
    install(source.replace('version="Which.",', f'version="Which.", {whys}'))
    with pytest.raises(DeclarationError, match="words together, allowed are 1000"):
        importlib.import_module("evil_tool")


MORE = {
    "a word": ('"bar", "line"', '"bar", "line", "layoffs"'),
    "a higher limit": ("most=1000", "most=2000"),
    "a decimal": ("decimals=1", "decimals=2"),
    "another meaning": ('"Rows."', '"Rows of a secret."'),
    "another event's meaning": ('"""A chart was made."""', '"""A salary was paid."""'),
    "another unit": ('"Time.", "s"', '"Time.", "ms"'),
    "another distribution": ('distribution="evil"', 'distribution="pytest"'),
    "an optional flag": (
        'well: Annotated[bool, Flag("It went well.")]',
        'well: Annotated[bool | UnsetType, Flag("It went well.")] = UNSET'),
    "another kind": (
        'rows: Annotated[int, Count("Rows.", "rows", most=1000)]',
        'rows: Annotated[str, Word("Rows.", (KINDS,))]'),
}  # fmt: skip


@pytest.mark.parametrize("notice", [1, 7])
@pytest.mark.parametrize(("old", "new"), MORE.values(), ids=MORE)
def test_an_update_that_says_more_is_withheld_until_it_is_agreed_to(
    old: str, new: str, notice: int, install: Install, analytics: Analytics
) -> None:
    """Whatever its notice says, and whatever the notice said that was agreed to."""
    raised = SOURCE.replace("    wire =", f"    since = {notice}\n    wire =").replace(
        "events=(Made,)", f"events=(Made,), notice={notice}"
    )
    install(raised)
    agree(analytics)
    assert raised.count(old) == 1
    install(raised.replace(old, new))
    assert not analytics.gate.may_ask()
    analytics.event("evil.made", **RIGHT)
    assert sent(analytics) == []
    assert analytics.drops.counts["withheld by notice"] == 1 or "invalid" in analytics.drops.counts
    (offer,) = registry.offers(analytics.gate.store.read())
    assert '"made"' in offer.line
    if "invalid" not in analytics.drops.counts:
        assert analytics.gate.may_ask()
    told = status_rows(analytics, analytics.gate.decision(can_answer=True))["tool evil"]
    assert told.startswith("off: it wants more than you agreed to, %dev_analytics on asks")
    agree(analytics)
    assert registry.offers(analytics.gate.store.read()) == []
    assert evil().agreed(analytics.gate.store.read()) == notice


def test_a_question_about_more_words_shows_none_that_tells_its_reader_what_to_do(
    install: Install, analytics: Analytics
) -> None:
    install()
    agree(analytics)
    install(SOURCE.replace('"bar", "line"', '"bar", "line", "pie", "enter", "Press-Enter-now"'))
    (offer,) = registry.offers(analytics.gate.store.read())
    assert 'kind with the words "pie" and 2 more.' in offer.line
    install(SOURCE.replace('"bar", "line"', '"bar", "line", "Press-Enter-now"'))
    (offer,) = registry.offers(analytics.gate.store.read())
    assert "kind with 1 more word." in offer.line


@pytest.mark.parametrize("package", ["press-enter-to-go-on", "your.admin.says.Y-e-s"])
def test_a_package_whose_name_tells_the_reader_of_a_question_what_to_do_has_no_tool(
    package: str, install: Install, analytics: Analytics, tmp_path: Path
) -> None:
    (metadata,) = (tmp_path / "site").glob("*/METADATA")
    metadata.write_text(metadata.read_text().replace("Name: evil", f"Name: {package}"))
    install()
    assert (evil().tool, evil().package) == (None, "unnamed")
    assert registry.offers(analytics.gate.store.read()) == []


@pytest.mark.parametrize(("old", "new"), MORE.values(), ids=MORE)
def test_both_versions_of_a_tool_work_where_both_were_agreed_to(
    old: str, new: str, install: Install, analytics: Analytics
) -> None:
    for source in (SOURCE, SOURCE.replace(old, new)):
        install(source)
        agree(analytics)
    for source in (SOURCE, SOURCE.replace(old, new)):
        install(source)
        assert registry.offers(analytics.gate.store.read()) == []
        assert evil().agreed(analytics.gate.store.read()) == 1


LESS = {
    "a word": ('"bar", "line"', '"bar"'),
    "a lower limit": ("most=1000", "most=500"),
    "fewer decimals": ("decimals=1", "decimals=0"),
    "no rows": ('    rows: Annotated[int, Count("Rows.", "rows", most=1000)]\n', ""),
    "another title": ('title="Evil"', 'title="Good"'),
    "another reason": ('kind="Which."', 'kind="Which one."'),
}


@pytest.mark.parametrize(("old", "new"), LESS.values(), ids=LESS)
def test_an_update_that_says_no_more_needs_no_question(
    old: str, new: str, install: Install, analytics: Analytics
) -> None:
    install()
    agree(analytics)
    source = SOURCE.replace(old, new)
    if "decimals=0" in new:
        source = source.replace("float | UnsetType", "int | UnsetType")
    install(source.replace('rows="How many.", ', "") if not new else source)
    given = {name: value for name, value in RIGHT.items() if new or name != "rows"}
    analytics.event("evil.made", **given)
    assert len(sent(analytics)) == 1
    assert analytics.drops.counts == {}
    assert registry.offers(analytics.gate.store.read()) == []


def test_a_new_event_alone_is_withheld_and_what_was_agreed_to_goes_on(
    install: Install, analytics: Analytics
) -> None:
    """A maker who says since when an event is there loses nothing by it."""
    more = '''class Opened(Event):
    """A document was opened."""

    wire = "evil: opened"
    since = 2
    why = Why("To know it.")


TOOL ='''
    install()
    agree(analytics)
    install(SOURCE.replace("TOOL =", more).replace("(Made,)", "(Made, Opened), notice=2"))
    analytics.event("evil.made", **RIGHT)
    analytics.event("evil.opened")
    assert [record["event"] for record in sent(analytics)] == ["evil: made"]
    assert analytics.drops.counts == {"withheld by notice": 1}
    install(SOURCE.replace("TOOL =", more.replace("    since = 2\n", "")).replace(
        "(Made,)", "(Made, Opened)"))  # fmt: skip
    analytics.event("evil.made", **RIGHT)
    assert len(sent(analytics)) == 1, "one that does not is withheld whole"
