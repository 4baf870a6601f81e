"""The invariants that modules state in their docstrings, read from the imports of the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import dev_analytics

PACKAGE = Path(dev_analytics.__file__).parent
MODULES = {
    ".".join(("dev_analytics", *file.relative_to(PACKAGE).with_suffix("").parts)): file
    for file in PACKAGE.rglob("*.py")
}

# A part may import itself and what stands below it.
ORDER = (
    {"process"},
    {"reasons"},
    {"drops"},
    {"callbacks"},
    {"catalogue"},
    {"destinations"},
    {"consent"},
    {"tools"},
    {"delivery", "edit_formats"},
    {"recording"},
    {"pipeline"},
    {"analytics"},
    {"config", "observers"},
    {"views"},
    {"maintainer"},
    {"testing", "apps"},
    {"__main__"},
    {"__init__"},
)


VERSIONS = {"__version__", "RELEASES", "NOTICE"}
"""What stands in the package itself, for all: a module of its own takes time at every load."""


@cache
def imports(file: Path) -> tuple[str, ...]:
    """Return every module that `file` imports, wherever in it, the package's versions apart."""
    return tuple(_imports(file))


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import in {file}"
            names = {alias.name for alias in node.names}
            if node.module != "dev_analytics" or not names <= VERSIONS:
                yield str(node.module)


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def rank(module: str) -> int:
    (found,) = [number for number, parts in enumerate(ORDER) if part(module) in parts]
    return found


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_one_way(module: str) -> None:
    for name in imports(MODULES[module]):
        if name.split(".")[0] == "dev_analytics" and part(name) != part(module):
            assert rank(name) < rank(module), f"{module} imports {name}"


def test_consent_knows_nothing_of_the_catalogue() -> None:
    for module, file in MODULES.items():
        if part(module) == "consent":
            assert "catalogue" not in map(part, imports(file)), module


def test_the_decision_is_pure() -> None:
    """No file, no clock, no environment: it has nothing to ask them with, nor what it imports."""
    standard = {
        *("__future__", "collections.abc", "datetime", "enum", "hashlib", "re"),
        *("types", "typing"),
    }
    pure = {f"dev_analytics.consent.{name}" for name in ("decision", "scope")}
    # Of a destination it asks its name in words; and of JSON how terms are written.
    named = {"dev_analytics.destinations", "dev_analytics.process.plain_json"}
    allowed = {*standard, *pure, *named, "dev_analytics.consent"}
    for module in pure:
        assert set(imports(MODULES[module])) <= allowed
        source = MODULES[module].read_text("utf-8")
        assert "today()" not in source
        assert "now()" not in source


ONLY_IN = {
    "fcntl": "process.unix",
    "_winapi": "process.windows process.windows_child",
    "posthog": "destinations.posthog_requests",
    "requests": "destinations.posthog_requests",
    "http": "destinations.posthog_requests maintainer.http",
    "ssl": "destinations.posthog_requests maintainer.http",
    "duckdb": "views.report.packed",
    "chdb": None,
    "hogql_parser": None,
    "sqlite3": "destinations.archive_file",
    "httpx": None,
    "urllib": "catalogue.addresses",
    "urllib3": None,
    "socket": None,
    "ipywidgets": "consent.asking.dialog",
    "genai_prices": None,
    "wrapt": "observers.llm.method_hooks",
    "matplotlib": "views.report.figures",
    "pandas": None,
    **dict.fromkeys(("openai", "anthropic", "google", "mistralai", "cohere", "ollama", "groq")),
    **dict.fromkeys(("litellm", "jupyter_ai_magic_commands")),
}


@pytest.mark.parametrize("module", ONLY_IN)
def test_one_module_reaches_the_network_one_the_archive_one_the_widgets_and_one_draws(
    module: str,
) -> None:
    importers = {
        name.removeprefix("dev_analytics.")
        for name, file in MODULES.items()
        if any(each.split(".")[0] == module for each in imports(file))
    }
    assert importers == set((ONLY_IN[module] or "").split())


def test_only_the_sender_loads_a_destination_and_the_report_reads_the_archive() -> None:
    loaders = {
        destination: {
            name.removeprefix("dev_analytics.")
            for name, file in MODULES.items()
            if f"dev_analytics.destinations.{destination}" in imports(file)
        }
        for destination in ("posthog_requests", "archive_file")
    }
    assert loaders == {
        "posthog_requests": {"destinations.posthog"},
        "archive_file": {
            *("destinations.archive", "views.report.source"),
            *("apps.maintainer.forget", "maintainer.places.archive"),
        },
    }
    opened = {
        name.removeprefix("dev_analytics.")
        for name, file in MODULES.items()
        if re.search(r"destination\.open\(", file.read_text("utf-8"))
    }
    assert opened == {"delivery.sender_process"}


def test_no_module_says_where_it_was_made() -> None:
    root = PACKAGE.parent
    for file in (*root.glob("*.md"), *PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.txt")):
        text = file.read_text("utf-8")
        assert str(root) not in text, file
        assert "/root/" not in text, file


def test_no_hook_keeps_what_a_signal_handler_raises_from_the_user_s_code() -> None:
    """A time limit of the user's may end in the middle of any hook: `count_failure` raises that."""
    kept = [
        f"{file.name}: {ast.unparse(handler.body[0])}"
        for file in sorted((PACKAGE / "observers" / "llm").rglob("*.py"))
        for handler in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(handler, ast.ExceptHandler)
        and re.search(r"\bexcept( .*Exception.*)?:", ast.unparse(handler))
        and not re.search(r"\b(raise\b|count_failure\()", ast.unparse(handler))
    ]
    # The garbage collector calls it, and would print what it raises.
    assert kept == ["recorder.py: self.drops.count('failure inside')"]


_APART = {
    *("delivery.agreed", "delivery.attempts", "delivery.notes", "delivery.permission"),
    *("delivery.sender", "delivery.sender_process", "delivery.work", "process.entry"),
    *("process.unseen_child", "process.windows"),
}
"""What runs in processes of ours, where nobody else handles signals."""

_UNTOLD = {
    # What reads the clock and the environment is loaded before what tells who raised an error.
    *("process.native: is_right = False", "process.native: Clock.time = lambda: 0.0"),
    "process.native: return b''",
    # In a thread of ours, where no handler runs, and around a fork, where Python prints the error.
    *("process.forks: return True", "process.forks: return 0"),
    "analytics: self.drops.count('disk error')",
}


def test_no_refusal_of_the_system_is_mistaken_for_a_time_limit_of_the_user_s() -> None:
    """A `TimeoutError` that a signal handler raises is an OSError, as a full disk is."""
    below = ("analytics", "delivery.", "consent.", "process.", "observers.", "pipeline")
    wrong = set()
    for module, file in MODULES.items():
        name = module.removeprefix("dev_analytics.")
        if name in _APART or not name.startswith(below):
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            said = ast.unparse(node)
            if isinstance(node, ast.ExceptHandler):
                caught = ast.unparse(node.type) if node.type else ""
                told = re.search(r"\b(pass_on\(|raise$)", said, re.M)
                if re.search(r"\b(OSError|TimeoutError)\b", caught) and not told:
                    wrong.add(f"{name}: {ast.unparse(node.body[0])}")
            elif isinstance(node, ast.Call) and re.match(r"(\w+\.)?suppress\(.*OSError", said):
                wrong.add(f"{name}: {said}")
    assert wrong == _UNTOLD


_HOT = (
    *("dev_analytics.analytics", "dev_analytics.callbacks", "dev_analytics.pipeline"),
    *("dev_analytics.delivery.spool", "dev_analytics.delivery.lines"),
)
"""What meets errors that a signal handler of the user's has raised."""


def test_no_error_of_the_user_s_is_asked_for_its_class() -> None:
    """`isinstance` asks an object for its ``__class__``, which may be a property of the user's."""
    asked = {
        f"{module}: {ast.unparse(node)}"
        for module, file in MODULES.items()
        if module.startswith(("dev_analytics.observers.", *_HOT))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node).startswith("isinstance(error,")
    }
    assert not asked
