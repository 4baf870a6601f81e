"""Places in open source: which ``module:function:line`` there can be, by the shipped files.

Only packages in `OPEN` are read, and only when a traceback names one of them.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

OPEN: Final[dict[str, Path]] = {"dev_analytics": Path(__file__).parent.parent}
"""Packages registered as open source, and the folder that each is shipped in."""


def places(claimed: Iterable[object]) -> Iterator[str]:
    """Return each claimed ``(module, function, line)`` that exists, in the words of the source."""
    for claim in claimed:
        if type(claim) is not tuple or len(claim) != 3:
            continue
        module, function, line = claim
        if type(module) is not str or type(function) is not str or type(line) is not int:
            continue
        known = functions(module).get(function)
        if known is not None and known[1] <= line <= known[2]:
            yield f"{known[0]}:{line}"


@lru_cache(maxsize=64)
def functions(module: str) -> dict[str, tuple[str, int, int]]:
    """Map each function of an open `module` to its name and its first and last line."""
    package, *inner = module.split(".")
    folder = OPEN.get(package)
    if folder is None or not all(part.isidentifier() for part in inner):
        return {}
    file = folder.joinpath(*inner, "__init__.py")
    if inner and not file.exists():
        file = folder.joinpath(*inner).with_suffix(".py")
    try:
        if not _is_spelled_so(file, folder):
            return {}
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError):
        return {}
    return {
        name: (f"{module}:{name}", node.lineno, node.end_lineno or node.lineno)
        for name, node in _walk(tree, "")
    }


def _is_spelled_so(file: Path, folder: Path) -> bool:
    """Return whether the parts of `file` below `folder` stand there letter for letter.

    A file system that takes capitals for small letters opens it under any spelling.
    """
    for part in file.relative_to(folder).parts:
        if part not in os.listdir(folder):  # noqa: PTH208, names are all that is wanted
            return False
        folder /= part
    return True


@cache
def count_places() -> int:
    """Count the lines in functions of the packages that are registered as open."""
    number = 0
    for file in (file for folder in OPEN.values() for file in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                number += (node.end_lineno or node.lineno) - node.lineno + 1
    return number


def _walk(
    node: ast.AST, prefix: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Return every function below `node` with its qualified name."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}{child.name}"
            yield name, child
            yield from _walk(child, f"{name}.<locals>.")
        elif isinstance(child, ast.ClassDef):
            yield from _walk(child, f"{prefix}{child.name}.")
        else:
            yield from _walk(child, prefix)
