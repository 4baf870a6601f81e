"""The tools that are installed beside the core, found and distinguished by their entry points.

They are looked up only when an event names a tool, or to list all of them: a lookup reads the
metadata of every installed package. No lock is held while a tool is imported, as it may record
events during its import in another thread. A failure of its module affects only itself: `status`
names it, and its events are dropped.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from dev_analytics.catalogue.events import Event, UndeclaredError, properties
from dev_analytics.consent.asking.question import Offer
from dev_analytics.consent.decision import Consent
from dev_analytics.tools.declaration import DeclarationError, Tool, tool_of
from dev_analytics.tools.kinds import Version
from dev_analytics.tools.sealing import sealed
from dev_analytics.tools.terms import agreed_notice, scope_of
from dev_analytics.tools.wanting import line
from dev_analytics.tools.wording import DEMANDS, order

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from dev_analytics.consent.scope import Scope

GROUP: Final = "dev_analytics.events"
MAX_UNKNOWN: Final = 100
"""For how many unknown names the packages are read again, as one may have just been installed."""

_PACKAGE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,80}[A-Za-z0-9])?", re.ASCII)


class Installed(Struct, frozen=True):
    """A tool as it is installed.

    Attributes
    ----------
    name
        Its name, that of its entry point.
    package
        The distribution that contains it.
    tool
        Our copy of its declaration; None if it cannot be used.
    fault
        Why it cannot be used, in our words.
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
        if not self.versions.keys().isdisjoint(name for name in given if type(name) is str):
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
    for name in _entries(anew=True):
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
        Offer(each.key, scope_of(tool), line(tool, each.package, consent.tools.get(each.key)))
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
    looked_before = _Known.entries is not None
    entries = _entries().get(name)
    may_be_new = name not in _Known.unknown and len(_Known.unknown) < MAX_UNKNOWN
    if entries is None and looked_before and may_be_new:
        _Known.unknown.add(name)
        entries = _entries(anew=True).get(name)
    if not entries:
        return None
    packages = sorted({_package(entry) for entry in entries})
    if len(packages) > 1:
        fault = f"its name is taken by several packages: {', '.join(packages)}"
        return _keep(Installed(name, packages[0], None, fault))
    if order(packages[0], DEMANDS):
        # The question contains it.
        return _keep(
            Installed(name, "unnamed", None, "its package's name tells its reader what to do")
        )
    tool, fault = _import(entries[0])
    if tool is None and _is_being_imported(entries[0]):
        return None
    if tool is not None and tool.name != name:
        tool, fault = None, "its entry point has another name than its declaration"
    return _keep(Installed(name, packages[0], tool, fault))


def _import(entry: EntryPoint) -> tuple[Tool | None, str]:
    """Return our copy of the declaration, or why there is none, without the tool's own words."""
    from dev_analytics.tools.literals import source_of, unwritten

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Read before the module runs, which may overwrite it.
            source = source_of(entry.module)
            found: Any = entry.load()
            if type(found) is not Tool:
                return None, "its entry point names no Tool"
            tool = sealed(found)
    except DeclarationError:
        return None, "its declaration is refused; its own tests say why"
    except KeyboardInterrupt:
        raise
    except SystemExit:
        return None, "its module ends the process when it is imported"
    except (ImportError, AttributeError):
        return None, "its declaration cannot be imported"
    except BaseException:
        return None, "its module fails when it is imported"
    if source is None:
        return None, "the source of its declaration cannot be read"
    if unwritten(tool, source) is not None:
        return None, "its declaration has texts that are not literals in its module"
    return tool, ""


def _is_being_imported(entry: EntryPoint) -> bool:
    """Return whether the module is just being imported, by this or another thread."""
    spec = getattr(sys.modules.get(entry.module), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def _entries(*, anew: bool = False) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return the entry points by the names of their tools."""
    entries = _Known.entries
    if entries is None or anew:
        from importlib.metadata import entry_points

        found: dict[str, tuple[EntryPoint, ...]] = {}
        try:
            for entry in entry_points(group=GROUP):
                if re.fullmatch(r"[a-z][a-z0-9_]{1,29}", entry.name):
                    found[entry.name] = (*found.get(entry.name, ()), entry)
        except Exception:  # noqa: S110, what some package says of itself is broken
            pass
        entries = _Known.entries = found
    return entries


def _package(entry: EntryPoint) -> str:
    try:
        name = str(entry.dist.name) if entry.dist else ""
    except Exception:
        name = ""
    return name if _PACKAGE.fullmatch(name) else "unnamed"


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
