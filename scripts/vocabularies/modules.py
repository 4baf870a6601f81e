"""The classes that a module's source defines, read without importing it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCKS = (ast.If, ast.Try, ast.With, ast.For)
RENAMERS = frozenset({"fixup_module_metadata"})


@dataclass
class Class:
    """A class statement: its bases as written, and the ``__module__`` it is given, if any."""

    bases: list[str]
    shown_in: str | None = None


@dataclass
class Module:
    """What a module's source says of classes.

    Parameters
    ----------
    name
        Its dotted name.
    classes
        By qualified name.
    imported
        The dotted name that each imported name, or other name of a class, stands for.
    stars
        The modules from which it imports everything.
    takes
        Whether it sets the ``__module__`` of what it imports to its own name.
    setters
        The ``__module__`` that each of its decorators gives.
    """

    name: str
    classes: dict[str, Class] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    takes: bool = False
    setters: dict[str, str] = field(default_factory=dict)


def read_module(name: str, source: str | bytes, *, package: bool) -> Module:
    """Read a module's source; one that does not parse has nothing."""
    module = Module(name)
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return module
    parent = name if package else name.rpartition(".")[0]
    for statement in _statements(body):
        match statement:
            case ast.ClassDef():
                _read_class(module, statement, "")
            case ast.Import():
                for alias in statement.names:
                    target = alias.name if alias.asname else alias.name.partition(".")[0]
                    module.imported[alias.asname or target] = target
            case ast.ImportFrom():
                origin = _origin(statement, parent)
                for alias in statement.names:
                    if alias.name == "*":
                        module.stars.append(origin)
                    else:
                        module.imported[alias.asname or alias.name] = f"{origin}.{alias.name}"
            case ast.Assign(targets=[ast.Name(id=setter)], value=ast.Call() as call):
                if shown := _set_module(call, name):
                    module.setters[setter] = shown
            case ast.Assign(
                targets=[ast.Name(id=alias)], value=ast.Name() | ast.Attribute() as value
            ):
                module.imported[alias] = _known(module, ast.unparse(value))
            case ast.AnnAssign(
                target=ast.Name(id=alias), value=ast.Name() | ast.Attribute() as value
            ):
                module.imported[alias] = _known(module, ast.unparse(value))
            case ast.For():
                module.takes |= any(map(_sets_module, ast.walk(statement)))
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr=called) | ast.Name(id=called))):
                module.takes |= called in RENAMERS
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=known), attr="__module__")]):
                if known in module.classes:
                    module.classes[known].shown_in = _text(statement.value, name)
    return module


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, BLOCKS):
            for _, value in ast.iter_fields(statement):
                if isinstance(value, list):
                    for part in value:
                        inner = part.body if isinstance(part, ast.ExceptHandler) else [part]
                        yield from _statements([x for x in inner if isinstance(x, ast.stmt)])


def _read_class(module: Module, statement: ast.ClassDef, outer: str) -> None:
    name = outer + statement.name
    bases = [
        ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
        for base in statement.bases
    ]
    found = Class(bases)
    for decorator in statement.decorator_list:
        match decorator:
            case ast.Call():
                found.shown_in = _set_module(decorator, module.name) or found.shown_in
            case ast.Name(id=setter) if setter in module.setters:
                found.shown_in = module.setters[setter]
    module.classes[name] = found
    for inner in _statements(statement.body):
        match inner:
            case ast.ClassDef():
                _read_class(module, inner, f"{name}.")
            case ast.Assign(targets=[ast.Name(id="__module__")], value=value):
                found.shown_in = _text(value, module.name)


def _known(module: Module, dotted: str) -> str:
    first, dot, rest = dotted.partition(".")
    if first in module.classes:
        return f"{module.name}.{dotted}"
    return module.imported.get(first, first) + dot + rest


def _origin(statement: ast.ImportFrom, parent: str) -> str:
    if not statement.level:
        return statement.module or ""
    above = parent.split(".")
    above = above[: len(above) - statement.level + 1]
    return ".".join([*above, *([statement.module] if statement.module else [])])


def _set_module(call: ast.Call, name: str) -> str | None:
    match call:
        case ast.Call(func=ast.Name(id=called), args=[shown]) if called.endswith("set_module"):
            return _text(shown, name)
    return None


def _sets_module(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr="__module__", ctx=ast.Store()):
            return True
        case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(value="__module__"), _]):
            return True
    return False


def _text(node: ast.expr, name: str) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id="__name__"):
            return name
    return None
