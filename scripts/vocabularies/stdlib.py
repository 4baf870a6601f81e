"""The standard library, as the typeshed that mypy ships describes it."""

from __future__ import annotations

import importlib
import re
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from vocabularies.exceptions import Index, full_name
from vocabularies.modules import Module, read_module

OLDEST = (3, 11)
NOT_A_PACKAGE = frozenset({"__main__"})


def described() -> str:
    """Name the source."""
    return f"the typeshed of mypy {version('mypy')}"


def folder() -> Path:
    """Return the folder of the standard library's stubs."""
    spec = find_spec("mypy")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("mypy, which ships typeshed, is not installed")
    return Path(spec.origin).with_name("typeshed") / "stdlib"


def lasting() -> set[str]:
    """Return the modules that the oldest supported Python has, or a newer one."""
    found = set()
    for line in (folder() / "VERSIONS").read_text("utf-8").splitlines():
        match = re.match(r"([\w.]+): [\d.]+-(?:(\d+)\.(\d+))?", line)
        if match and (not match[2] or (int(match[2]), int(match[3])) >= OLDEST):
            found.add(match[1])
    return found - NOT_A_PACKAGE


def packages() -> set[str]:
    """Return the public top-level modules."""
    return {name for name in lasting() if "." not in name and not name.startswith("_")} | {
        "__future__"
    }


def exceptions() -> set[str]:
    """Return the public exceptions, by the module that they have at run time where it is known."""
    return {_at_run_time(*found) for found in Index(_stubs()).exceptions()} | {"BaseException"}


def _stubs() -> list[Module]:
    gone = {line.split(":")[0] for line in (folder() / "VERSIONS").read_text().splitlines()}
    gone -= lasting()
    stubs = []
    for path in sorted(folder().rglob("*.pyi")):
        parts = [*path.relative_to(folder()).with_suffix("").parts]
        package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if package else parts)
        if name not in gone and parts[0] not in gone:
            stubs.append(read_module(name, path.read_bytes(), package=package))
    return stubs


def _at_run_time(module: str, name: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value: object = importlib.import_module(module)
        for part in name.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError):
        return full_name(module, name)
    if isinstance(value, type) and value.__name__ == name.rpartition(".")[2]:
        return full_name(value.__module__, value.__qualname__)
    return full_name(module, name)
