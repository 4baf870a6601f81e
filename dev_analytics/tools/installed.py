"""The tools that are installed beside the core, found and distinguished by their entry points.

They are looked up only when an event names a tool, or to list all of them: a lookup reads the
metadata of every installed package. No lock is held while a tool is imported, as it may record
events during its import in another thread. A failure of its module affects only itself: `status`
names it, and its events are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dev_analytics.catalogue.events import UndeclaredError, properties
from dev_analytics.catalogue.fields import Event
from dev_analytics.consent.asking.question import Offer
from dev_analytics.consent.decision import Consent
from dev_analytics.tools.declaration import Tool, tool_of
from dev_analytics.tools.entry_points import (
    entries_by_tool,
    import_tool,
    is_being_imported,
    package_of,
)
from dev_analytics.tools.kinds import Version
from dev_analytics.tools.offer import offer_line
from dev_analytics.tools.sealing import sealed
from dev_analytics.tools.terms import agreed_notice, scope_of
from dev_analytics.tools.wording import INSTRUCTIONS_IN_A_NAME, instruction

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from dev_analytics.consent.scope import Scope

MAX_UNKNOWN: Final = 100
"""For how many unknown names the packages are read again, as one may have just been installed."""


class Installed(Struct, frozen=True):
    """A tool as it is installed.

    Attributes
    ----------
    name, package
        Its name, that of its entry point, and the distribution that contains it.
    tool, fault
        Our copy of its declaration; if that cannot be used None, and why, in our words.
    """

    name: str
    package: str
    tool: Tool | None
    fault: str = ""

    @property
    def key(self) -> str:
        """What a yes accepts: this tool of this package."""
        return f"{self.name}@{self.package}"

    def agreed(self, consent: Consent) -> int:
        """Return up to which notice its events are agreed to; 0 if none of them is."""
        scope = consent.tools.get(self.key)
        if self.tool is None or scope is None:
            return 0
        latest = _Known.agreed.get(self.key)
        if latest is None or latest[0] is not scope:
            latest = _Known.agreed[self.key] = (scope, agreed_notice(self.tool, scope))
        return latest[1]


class Found(Struct, frozen=True):
    """An event of a tool, with what its consent depends on.

    Attributes
    ----------
    event
        The event.
    of
        The tool as it is installed.
    notice, scope
        The tool's notice, and all that a yes to it would cover.
    versions
        The event's properties that are versions, with those of the installed distributions.
    """

    event: type[Event]
    of: Installed
    notice: int
    scope: Scope
    versions: Mapping[str, object]

    @property
    def tool(self) -> str:
        """The tool's name."""
        return self.of.name

    @property
    def key(self) -> str:
        """What a yes accepts."""
        return self.of.key

    def agreed(self, consent: Consent) -> int:
        """Return up to which notice the tool's events are agreed to; 0 if none of them is."""
        return self.of.agreed(consent)

    def completed(self, given: dict[str, object]) -> dict[str, object]:
        """Return the properties `given` with the versions, which are never given.

        Raises
        ------
        UndeclaredError
            A version is given nevertheless.
        """
        if not self.versions:
            return given
        if not self.versions.keys().isdisjoint(given):
            raise UndeclaredError(
                f"{self.event.wire!r}: a version is read from what is installed, not given"
            )
        return {**given, **self.versions}


class _Known:
    """What this process has looked up; each value is replaced at once, so no thread sees a half."""

    entries: Mapping[str, tuple[EntryPoint, ...]] | None = None
    tools: Final[dict[str, Installed]] = {}
    events: Final[dict[str, Found]] = {}
    agreed: Final[dict[str, tuple[Scope, int]]] = {}
    unknown: Final[set[str]] = set()


def find(name: str) -> Found | None:
    """Return the tool's event that ``event`` calls `name`; its tool is looked up the first time."""
    found = _Known.events.get(name)
    if found is None:
        tool, dot, _ = name.partition(".")
        # Another thread may have loaded it since.
        if dot and (tool in _Known.tools or _load(tool) is not None):
            found = _Known.events.get(name)
    return found


def find_wire(wire: str) -> type[Event] | None:
    """Return the event with the wire name `wire`, among the tools that this process has used."""
    tool = _Known.tools.get(tool_of(wire))
    events = tool.tool.events if tool is not None and tool.tool is not None else ()
    return next((event for event in events if event.wire == wire), None)


def installed() -> list[Installed]:
    """Return every tool that is installed now, usable or not, sorted by name."""
    _Known.unknown.clear()
    _Known.entries = entries_by_tool()
    for name in _Known.entries:
        if name not in _Known.tools:
            _load(name)
    return [_Known.tools[name] for name in sorted(_Known.tools)]


def usable() -> list[tuple[Installed, Tool]]:
    """Return every tool that can be used."""
    return [(each, each.tool) for each in installed() if each.tool is not None]


def known() -> list[str]:
    """Return the names of the tools that are installed, whether or not they can be used."""
    return [each.name for each in installed()]


def tool_events() -> dict[str, type[Event]]:
    """Return the events of every usable tool by the names that ``event`` takes."""
    return {name: event for _, tool in usable() for name, event in tool.by_name.items()}


def offers(consent: Consent) -> list[Offer]:
    """Return what the tools, unless they are off, would collect beyond what the user agreed to."""
    return [
        Offer(each.key, scope_of(tool), offer_line(tool, each.package, consent.tools.get(each.key)))
        for each, tool in usable()
        if tool.name not in consent.tools_off and each.agreed(consent) < tool.notice
    ]


@contextmanager
def declared(tool: Tool) -> Iterator[Installed]:
    """Register `tool` within a block, installed or not, for its own tests."""
    before = _Known.tools.get(tool.name)
    _forget(tool.name)
    now = _keep(Installed(tool.name, "tests", sealed(tool)))
    try:
        yield now
    finally:
        _forget(tool.name)
        if before is not None:
            _keep(before)


def _load(name: str) -> Installed | None:
    """Import the declaration of the tool `name`; return None if there is no such tool yet."""
    if _Known.entries is None:
        _Known.entries = entries_by_tool()
    elif name not in (*_Known.entries, *_Known.unknown) and len(_Known.unknown) < MAX_UNKNOWN:
        _Known.unknown.add(name)
        _Known.entries = entries_by_tool()
    entries = _Known.entries.get(name)
    if not entries:
        return None
    packages = sorted({package_of(entry) for entry in entries})
    if len(packages) > 1:
        fault = f"its name is taken by several packages: {', '.join(packages)}"
        return _keep(Installed(name, packages[0], None, fault))
    if instruction(packages[0], INSTRUCTIONS_IN_A_NAME):
        fault = "its package's name tells its reader what to do"
        # The question would contain it.
        return _keep(Installed(name, "unnamed", None, fault))
    tool, fault = import_tool(entries[0])
    if tool is None and is_being_imported(entries[0]):
        return None
    if tool is not None and tool.name != name:
        tool, fault = None, "its entry point has another name than its declaration"
    return _keep(Installed(name, packages[0], tool, fault))


def _keep(each: Installed) -> Installed:
    """Register a tool, its events first, so that a thread that sees the tool finds them."""
    _Known.agreed.pop(each.key, None)
    if each.tool is not None:
        scope = scope_of(each.tool)
        for name, event in each.tool.by_name.items():
            versions = {
                name: kind.read()
                for name, kind in properties(event).items()
                if isinstance(kind, Version)
            }
            _Known.events[name] = Found(event, each, each.tool.notice, scope, versions)
    _Known.tools[each.name] = each
    return each


def _forget(name: str) -> None:
    known = _Known.tools.pop(name, None)
    if known is not None and known.tool is not None:
        for event in known.tool.by_name:
            _Known.events.pop(event, None)
