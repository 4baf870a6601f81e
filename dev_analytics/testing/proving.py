"""Proves for a tool what the core's tests prove for the core: that nothing private can leave.

Everything is real: the declaration, `Analytics`, the consent store after a yes, the event log, the
preview and the spool, in a temporary data directory. Only the sender is missing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Final

from msgspec import Struct

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.catalogue.common import PROPERTIES
from dev_analytics.catalogue.events import properties
from dev_analytics.catalogue.examples import typical
from dev_analytics.catalogue.fields import UNSET, Event, fields
from dev_analytics.catalogue.schema import pretty, schema
from dev_analytics.catalogue.values import Word
from dev_analytics.consent.decision import VARIABLES
from dev_analytics.consent.store import ConsentStore
from dev_analytics.testing import hostile
from dev_analytics.testing.closed import strange, unexplained
from dev_analytics.testing.marks import Marks
from dev_analytics.testing.payloads import bits as payload_bits
from dev_analytics.testing.payloads import table
from dev_analytics.tools.checks import DeclarationError
from dev_analytics.tools.declaration import Tool, event_name
from dev_analytics.tools.entry_points import GROUP
from dev_analytics.tools.information import MAX_BITS, bits
from dev_analytics.tools.installed import declared
from dev_analytics.tools.kinds import Version
from dev_analytics.tools.literals import source_of, unwritten
from dev_analytics.tools.sealing import sealed
from dev_analytics.tools.terms import scope_of

_SECONDS: Final = 60


class NotPrivateError(AssertionError):
    """Something private could leave; the message says what, without revealing it."""


class Proof(Struct, frozen=True):
    """What was proved.

    Attributes
    ----------
    bits
        The maximum information of each event, by its name in records.
    thrown
        How many hostile values its properties were given.
    records
        How many records resulted; each was read strictly.
    independent
        Whether the declaration is the same for every user, as read in processes of two other users.
        None if its entry point is not installed, so that this is unknown.
    table
        A table for people of how many values each property can have.
    """

    bits: Mapping[str, float]
    thrown: int
    records: int
    independent: bool | None
    table: str


def prove(tool: Tool) -> Proof:
    """Prove that nothing private can leave through the events of `tool`.

    Raises
    ------
    NotPrivateError
        It can.
    """
    try:
        tool = sealed(tool)
    except DeclarationError as error:
        raise NotPrivateError(str(error)) from None
    among = len(tool.events)
    for event in tool.events:
        if wrong := unexplained(event):
            raise NotPrivateError(f"{event.wire}: {', '.join(wrong)} can hold anything")
        most = max(bits(event, among), payload_bits(event))
        if most > MAX_BITS:
            raise NotPrivateError(
                f"{event.wire} can say {most:.0f} bits, at most {MAX_BITS} are allowed"
            )
    independent = _is_independent(tool)
    if independent is False:
        raise NotPrivateError(f"what {tool.name} declares differs from one user to another")
    with tempfile.TemporaryDirectory(prefix="prove-") as folder, _own_environment(folder):
        thrown, records = _thrown(tool, Path(folder))
    return Proof(
        bits={event.wire: bits(event, among) for event in tool.events},
        thrown=thrown,
        records=records,
        independent=independent,
        table=table(tool.events),
    )


def _thrown(tool: Tool, folder: Path) -> tuple[int, int]:
    """Return how many events with hostile values were given, and how many records they left."""
    data, log, marks, thrown = folder / "data", folder / "log.jsonl", Marks(), 0
    with declared(tool) as installed:
        agreed = scope_of(tool)
        ConsentStore(data).agree(NOTICE, date.today(), {installed.key: agreed})
        analytics = Analytics(data, delivery=None)
        analytics.log_to(log)
        for event in tool.events:
            analytics.event(event_name(event.wire), **_usual(event))
            for given in _hostile(event, marks):
                analytics.event(event_name(event.wire), **given)
                thrown += 1
        analytics.stop_log()
        preview = [kept.record for kept in analytics.pipeline.preview]
        analytics.pipeline.sink.close(at_exit=False)
    records = log.read_bytes().splitlines()
    events = {event.wire: event for event in tool.events}
    wrong = [each for record in records for each in strange(record, events)]
    if wrong:
        raise NotPrivateError(f"no closed value: {wrong[0].partition('=')[0]}")
    for made in map(json.loads, records):
        own = {k: v for k, v in made["properties"].items() if k not in PROPERTIES}
        if not agreed.allows(made["event"], own):
            raise NotPrivateError(f"{made['event']} says what its declaration does not")
    spooled = [line for file in data.glob("spool/*") for line in file.read_bytes().splitlines()]
    if not records or spooled != records or preview != records[-len(preview) :]:
        raise NotPrivateError("log, preview and spool do not hold the same records")
    written = b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    written += b"\n".join(os.fsencode(path) for path in data.rglob("*"))
    if found := marks.found_in(written):
        raise NotPrivateError(f"what is private was written: {found[0]}")
    return thrown, len(records)


def _hostile(event: type[Event], marks: Marks) -> Iterator[dict[str, object]]:
    """Return the tests of an event: a hostile value for each property in turn, and a name."""
    usual = _usual(event)
    for name, kind in properties(event).items():
        word = kind.vocabularies[0].words[0] if isinstance(kind, Word) else "1.2.3"
        for _, value in hostile.values(marks, word):
            yield {**usual, name: value}
    required = [field.name for field in fields(event) if field.name in usual]
    optional = {f.name for f in fields(event) if f.default is UNSET}
    for name in required:
        if name not in optional:
            yield {other: value for other, value in usual.items() if other != name}
    yield {**usual, marks("the name of a property"): marks("an undeclared property")}


def _usual(event: type[Event]) -> dict[str, object]:
    """Return a usual value for each property except versions, which are not given."""
    kinds = properties(event)
    return {name: v for name, v in typical(event).items() if not isinstance(kinds[name], Version)}


def _is_independent(tool: Tool) -> bool | None:
    """Return whether processes of other users declare the same; None if that is unknown."""
    from importlib.metadata import entry_points

    entries = entry_points(group=GROUP, name=tool.name)
    if not entries:
        return None
    source = source_of(next(iter(entries)).module)
    if source is None:
        raise NotPrivateError(f"the source of the declaration of {tool.name} cannot be read")
    place = unwritten(tool, source)
    if place is not None:
        raise NotPrivateError(f"the module of {tool.name} computes a text: {place}")
    own = _declared(tool)
    return all(_declared_elsewhere(next(iter(entries)).value, user) == own for user in ("a", "b"))


def _declared(tool: Tool) -> bytes:
    return pretty({event.wire: schema(event) for event in tool.events})


def _declared_elsewhere(entry: str, user: str) -> bytes:
    """Return what the process of a user with another home, name, folder and variables declares."""
    module, _, name = entry.partition(":")
    program = (
        f"import sys, importlib; from dev_analytics.testing import proving; "
        f"tool = importlib.import_module({module!r}).{name}; "
        "sys.stdout.buffer.write(proving._declared(tool))"
    )
    with tempfile.TemporaryDirectory(prefix=f"{user}-") as home:
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
        path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path if entry)
        ran = subprocess.run(
            [sys.executable, "-P", "-c", program],
            cwd=home,
            env={**kept, "HOME": home, "USER": user, "PYTHONPATH": path, "PATH": os.defpath},
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    return ran.stdout


@contextmanager
def _own_environment(folder: str) -> Iterator[None]:
    """Remove, within a block, the variables of the tool maker and their CI that affect consent."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name in VARIABLES.values() or name.startswith("DEV_ANALYTICS"):
            del os.environ[name]
    os.environ["XDG_CONFIG_DIRS"] = folder
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
