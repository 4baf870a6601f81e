"""Whether the source of a module contains a declaration word for word.

A computed vocabulary may reveal something about the machine that computes it: a name, a host, a
folder. So every text of a declaration must be a literal in the module that its entry point names.
This finds carelessness. A module that rewrites its own file is only found by the digest of what was
agreed to.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from typing import Final

from dev_analytics.catalogue.events import properties
from dev_analytics.catalogue.kind import Kind
from dev_analytics.catalogue.meanings import sentence
from dev_analytics.catalogue.values import Count, Word
from dev_analytics.tools.declaration import Tool
from dev_analytics.tools.kinds import Version

MAX_SOURCE: Final = 300_000
"""The longest module that is read, in characters."""


def source_of(module: str) -> str | None:
    """Return the source of a module, imported or not; None if it cannot be read."""
    try:
        spec = importlib.util.find_spec(module)
        source = spec.loader.get_source(module)  # type: ignore[union-attr]
    except Exception:
        return None
    return source if type(source) is str and len(source) <= MAX_SOURCE else None


def unwritten(tool: Tool, source: str) -> str | None:
    """Return the place of the first text in `tool` that is no literal in `source`, or None."""
    written = _literals(source)
    return next((place for place, text in _texts(tool) if text not in written), None)


def _literals(source: str) -> frozenset[str]:
    """Return the literal texts of a module, except those that are parts of computed ones."""
    found: set[str] = set()
    built: set[int] = set()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    # A node is visited before its children.
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr() | ast.BinOp(op=ast.Add() | ast.Mod()):
                built.update(map(id, ast.walk(node)))
            case ast.Constant(value=str() as text) if id(node) not in built:
                found |= {text, text.partition("\n")[0]}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return frozenset(found)


def _texts(tool: Tool) -> Iterator[tuple[str, str]]:
    """Yield the place of every text in a declaration, and the text."""
    yield from (("name", tool.name), ("title", tool.title), ("about", tool.about))
    for number, event in enumerate(tool.events, 1):
        place = f"event {number}"
        yield from ((f"{place}, wire", event.wire), (f"{place}, docstring", sentence(event)))
        yield f"{place}, why", event.why.event
        for at, (name, kind) in enumerate(properties(event).items(), 1):
            inner = f"{place}, property {at}"
            yield f"{inner}, name", name
            yield f"{inner}, meaning", kind.meaning
            yield f"{inner}, why", event.why.properties[name]
            yield from ((f"{inner}, {what}", text) for what, text in _own(kind))


def _own(kind: Kind) -> Iterator[tuple[str, str]]:
    match kind:
        case Word():
            for vocabulary in kind.vocabularies:
                yield "vocabulary", vocabulary.name
                yield from (("word", word) for word in vocabulary.words)
        case Count():
            yield "unit", kind.unit
        case Version():
            yield "distribution", kind.distribution
