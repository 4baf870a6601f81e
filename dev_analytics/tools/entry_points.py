"""The entry points by which tools are found, and the import of the declaration that one names."""

from __future__ import annotations

import contextlib
import re
import sys
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from dev_analytics.tools.checks import NAME, DeclarationError
from dev_analytics.tools.declaration import Tool
from dev_analytics.tools.literals import source_of, unwritten
from dev_analytics.tools.sealing import sealed

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "dev_analytics.events"
_PACKAGE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,80}[A-Za-z0-9])?", re.ASCII)


def entries_by_tool() -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return the entry points by the names of their tools; this reads every package's metadata."""
    from importlib.metadata import entry_points

    found: dict[str, tuple[EntryPoint, ...]] = {}
    # Some package's metadata may be broken.
    with contextlib.suppress(Exception):
        for entry in entry_points(group=GROUP):
            if NAME.fullmatch(entry.name):
                found[entry.name] = (*found.get(entry.name, ()), entry)
    return found


def package_of(entry: EntryPoint) -> str:
    """Return the name of the distribution that contains an entry point."""
    try:
        name = str(entry.dist.name) if entry.dist else ""
    except Exception:
        name = ""
    return name if _PACKAGE.fullmatch(name) else "unnamed"


def import_tool(entry: EntryPoint) -> tuple[Tool | None, str]:
    """Return our copy of the declaration, or why there is none, without the tool's own words."""
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


def is_being_imported(entry: EntryPoint) -> bool:
    """Return whether the module is just being imported, by this or another thread."""
    spec = getattr(sys.modules.get(entry.module), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))
