"""The sources in the wheels of public distributions, without installing any."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vocabularies.distributions import DISTRIBUTIONS, PASSED_OVER
from vocabularies.exceptions import Index
from vocabularies.modules import Module, read_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# The wheels for macOS: the same modules, without the libraries for GPUs that others carry.
PLATFORM = ("--platform", "macosx_15_0_arm64", "--python-version", "3.12")
SKIPPED = frozenset(
    {"_external", "_vendor", "benchmarks", "conftest", "examples", "extern", "test", "tests"}
    | {"third_party", "thirdparty", "thirdparty_files", "vendor", "vendored"}
)
RELEVANT = re.compile(rb"^[ \t]*class[ \t]+\w+\([^)]*(Err|Exc|Warn|Exit|Interrupt|Abort)", re.M)
HOMES = ("err", "exc", "warn")

Source = tuple[str, "Callable[[], bytes]"]


def fetch(cache: Path) -> list[Path]:
    """Return a wheel for each distribution, fetching with pip what `cache` lacks."""
    cache.mkdir(parents=True, exist_ok=True)
    return [wheel for name in DISTRIBUTIONS if (wheel := _fetch_one(cache, name))]


def exceptions(wheels: Iterable[Path]) -> set[str]:
    """Return the public exceptions in the sources of wheels."""
    modules = (module for wheel in wheels for module in _modules(_in_wheel(wheel)))
    return Index(modules).shown()


@cache
def installed_exceptions() -> set[str]:
    """Return the public exceptions in the sources of those distributions that are installed."""
    modules = (module for name in DISTRIBUTIONS for module in _modules(_installed(name)))
    return Index(modules).shown()


def described(wheels: Iterable[Path]) -> str:
    """Name the wheels, by distribution and version."""
    return ", ".join(sorted(" ".join(wheel.name.split("-")[:2]) for wheel in wheels))


def _fetch_one(cache: Path, name: str) -> Path | None:
    stem = re.sub(r"[-_.]+", "_", name).lower()
    found = [path for path in cache.glob("*.whl") if path.name.lower().split("-")[0] == stem]
    if found:
        return max(found)
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")
    command = (*pip, "--only-binary=:all:", *PLATFORM, "--dest", str(cache), name)
    if subprocess.run(command, check=False).returncode:
        print(f"no wheel of {name}: its exceptions are only those kept by hand", file=sys.stderr)
        return None
    return _fetch_one(cache, name)


def _in_wheel(wheel: Path) -> Iterator[Source]:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            yield name, lambda name=name: archive.read(name)  # type: ignore[misc]


def _installed(name: str) -> Iterator[Source]:
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        return
    for file in files:
        yield str(file), Path(str(file.locate())).read_bytes


def _modules(sources: Iterator[Source]) -> Iterator[Module]:
    """Read the modules in which exceptions are defined or offered; stubs where nothing else is."""
    seen = set()
    for name, content in sources:
        path = PurePosixPath(name)
        parts = [*path.with_suffix("").parts]
        package = parts[-1] == "__init__"
        if path.suffix not in {".py", ".pyi"} or SKIPPED.intersection(parts):
            continue
        dotted = ".".join(parts[:-1] if package else parts)
        if not dotted.replace(".", "_").isidentifier() or dotted.startswith(PASSED_OVER):
            continue
        source = content()
        if package or path.name.lstrip("_").startswith(HOMES) or RELEVANT.search(source):
            if path.suffix == ".py":
                seen.add(dotted)
                yield read_module(dotted, source, package=package)
            elif dotted not in seen:
                yield read_module(dotted, source, package=package)
