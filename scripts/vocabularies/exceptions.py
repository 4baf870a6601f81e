"""The public exceptions among the classes of many modules."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vocabularies.modules import Module

BUILTIN = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
)
FARTHEST = 40
ENDINGS = ("Error", "Exception", "Warning")
HOMES = frozenset({"error", "errors", "_errors", "exc", "exceptions", "_exceptions"})


class Index:
    """Modules among which names are followed to the classes they stand for.

    Parameters
    ----------
    modules
        Of all the distributions at once, so that a class of one can be a base in another.
    """

    def __init__(self, modules: Iterable[Module]) -> None:
        self.modules = {module.name: module for module in modules}
        self._verdicts: dict[tuple[str, str], bool] = {}

    def exceptions(self) -> set[tuple[str, str]]:
        """Return the module that defines it and the qualified name, of each public exception."""
        shared = self._shared()
        return {
            (module.name, name)
            for module in self.modules.values()
            for name in module.classes
            if _public(name)
            and (
                _public(module.name)
                or module.name.rpartition(".")[2] in HOMES
                or module.classes[name].shown_in
                or (module.name, name) in shared
            )
            and self._is_exception(module.name, name)
        }

    def shown(self) -> set[str]:
        """Return each public exception as its ``__module__`` and ``__qualname__`` show it."""
        taken = self._taken()
        return {
            full_name(
                taken.get((module, name)) or self.modules[module].classes[name].shown_in or module,
                name,
            )
            for module, name in self.exceptions()
        }

    def _is_exception(self, module: str, name: str) -> bool:
        key = module, name
        if key not in self._verdicts:
            self._verdicts[key] = False  # for classes that inherit in a circle
            self._verdicts[key] = any(
                self._leads_to_exception(module, name, base)
                for base in self.modules[module].classes[name].bases
            )
        return self._verdicts[key]

    def _leads_to_exception(self, module: str, name: str, base: str) -> bool:
        found = self._follow(module, base, set())
        if found and found[0] != "builtins" and found != (module, name):
            return self._is_exception(*found)
        base = self.modules[module].imported.get(base, base)
        return base in BUILTIN or (not found and base.endswith(ENDINGS))

    def _follow(self, module: str, name: str, seen: set[tuple[str, str]]) -> tuple[str, str] | None:
        """Find the class that `name` stands for in `module`."""
        if (module, name) in seen or module not in self.modules or len(seen) > FARTHEST:
            return None
        seen.add((module, name))
        known = self.modules[module]
        if name in known.classes:
            return module, name
        first, _, rest = name.partition(".")
        if first in known.imported:
            return self._locate(".".join(filter(None, [known.imported[first], rest])), seen)
        for star in known.stars:
            if found := self._follow(star, name, seen):
                return found
        return self._follow(f"{module}.{first}", rest, seen) if rest else None

    def _locate(self, dotted: str, seen: set[tuple[str, str]]) -> tuple[str, str] | None:
        parts = dotted.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            module = ".".join(parts[:cut])
            if module in self.modules:
                return self._follow(module, ".".join(parts[cut:]), seen)
        return None

    def _offered(self, module: Module) -> Iterator[tuple[str, str]]:
        """Return the classes that a module imports under public names."""
        names = [name for name in module.imported if _public(name)]
        for star in module.stars:
            if star in self.modules:
                names += filter(
                    _public, [*self.modules[star].classes, *self.modules[star].imported]
                )
        for name in names:
            if found := self._follow(module.name, name, set()):
                yield found

    def _shared(self) -> set[tuple[str, str]]:
        public = (module for name, module in self.modules.items() if _public(name))
        return {found for module in public for found in self._offered(module)}

    def _taken(self) -> dict[tuple[str, str], str]:
        takers = (module for _, module in sorted(self.modules.items()) if module.takes)
        return {
            found: module.name
            for module in takers
            for found in self._offered(module)
            if found[0].startswith(f"{module.name}.")
        }


def full_name(module: str, name: str) -> str:
    """Return a class's name as a traceback shows it: bare for a built-in."""
    return name if module == "builtins" else f"{module}.{name}"


def _public(dotted: str) -> bool:
    return not any(part.startswith("_") for part in dotted.split("."))
