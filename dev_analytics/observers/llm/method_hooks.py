"""Hooks in the methods of an SDK, installed and removed in any order beside those of other tools.

Other tools replace an SDK's functions with their own, and later restore what was there before; a
hook of that kind would vanish with theirs. So ours is inside the SDK's own function: it keeps its
place and its identity, whoever holds it, and runs other code while the hook is installed. If there
is no such function, as for a generator, the method is wrapped.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final

from wrapt import BoundFunctionWrapper, FunctionWrapper

from dev_analytics.process import HOME
from dev_analytics.process.forks import in_child
from dev_analytics.process.native import RLock

Wrapper = Callable[[Any, Any, tuple[Any, ...], Any], Any]
"""Called with the bound method, its object, arguments and keyword arguments, as wrapt does."""

Owner = type | ModuleType
"""What has methods or functions."""

_GENERATORS: Final = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
MAX_DEPTH: Final = 10
"""How many nested wrappers are followed."""


class _CodeHook:
    """A hook inside one of the SDK's own functions."""

    def __init__(self, function: FunctionType, wrapper: Wrapper) -> None:
        self.function = function
        self._original = function.__code__
        self._signature = inspect.signature(function)
        copy = FunctionType(
            self._original,
            function.__globals__,
            function.__name__,
            function.__defaults__,
            function.__closure__,
        )
        copy.__kwdefaults__ = function.__kwdefaults__
        copy.__qualname__ = function.__qualname__

        def hook(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if not args:
                return copy(*args, **kwargs)
            own = args[0]
            return wrapper(MethodType(copy, own), own, args[1:], kwargs)

        self._ours = _code(self._original, hook)

    def install(self) -> None:
        # The code's description of the parameters is no longer right.
        vars(self.function).setdefault("__signature__", self._signature)
        self.function.__code__ = self._ours

    def is_in_place(self) -> bool:
        return self.function.__code__ is self._ours

    def remove(self) -> bool:
        """Remove the hook, unless others have changed the code; return whether it was removed."""
        if self.is_in_place():
            self.function.__code__ = self._original
        elif self.function.__code__ is not self._original:
            return False
        if vars(self.function).get("__signature__") is self._signature:
            del vars(self.function)["__signature__"]
        return True


# Only from wrapt 2 on its classes take type arguments at runtime, and 1.16 is allowed.
class _BoundMethod(BoundFunctionWrapper):  # type: ignore[type-arg]
    """A wrapped method, as an object or a class has it: it is pickled and copied as a method is."""

    __module__ = HOME

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        holder = self._self_instance
        return getattr, (self._self_owner if holder is None else holder, self.__name__)

    def __copy__(self) -> _BoundMethod:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        holder = self._self_instance
        return self if holder is None else getattr(deepcopy(holder, memo), self.__name__)


class _WrappedMethod(FunctionWrapper):  # type: ignore[type-arg]
    """A wrapped method, as its class has it in its dictionary."""

    # If it were of this module, %autoreload would try to change the class of each, and print that
    # it cannot.
    __module__ = HOME
    __bound_function_wrapper__ = _BoundMethod


class _WrapperHook:
    """A hook that wraps an attribute of a class or a module."""

    def __init__(self, owner: Owner, name: str, wrapper: Wrapper) -> None:
        self.owner, self.name = owner, name
        self._original = vars(owner)[name]
        self._ours = _WrappedMethod(self._original, wrapper)

    def install(self) -> None:
        setattr(self.owner, self.name, self._ours)

    def is_in_place(self) -> bool:
        # Others may have wrapped it, but must not have restored what was there before.
        return vars(self.owner).get(self.name) is not self._original

    def remove(self) -> bool:
        """Remove the hook, unless others have wrapped it; return whether it was removed."""
        now = vars(self.owner).get(self.name)
        if now is self._ours:
            setattr(self.owner, self.name, self._original)
        return now is self._ours or now is self._original


class MethodHooks:
    """The hooks that are in methods."""

    def __init__(self) -> None:
        self._hooks: dict[object, _CodeHook | _WrapperHook] = {}
        self._lock = RLock()
        in_child(self._after_fork)

    def install(self, owner: Owner, name: str, wrapper: Wrapper) -> None:
        """Install a hook in a method, or in a function of a module, unless it is there."""
        function = _own_function(owner, name)
        defining = next(each for each in _definers(owner) if name in vars(each))
        key: object = (defining, name) if function is None else function
        with self._lock:
            hook = self._hooks.get(key)
            if hook is not None and hook.is_in_place():
                return
            if function is None:
                hook = _WrapperHook(defining, name, wrapper)
            else:
                hook = _CodeHook(function, wrapper)
            # Noted first, so that it is removed again whatever happens in between.
            self._hooks.pop(key, None)
            self._hooks[key] = hook
            hook.install()

    def remove(self) -> None:
        """Remove all hooks that are not wrapped by others, the newest first; those stay, idle."""
        with self._lock:
            for key, hook in reversed(self._hooks.copy().items()):
                with suppress(Exception):
                    if hook.remove():
                        del self._hooks[key]

    def _after_fork(self) -> None:
        self._lock = RLock()


def _definers(owner: Owner) -> tuple[Owner, ...]:
    """Return where a method of a class, or a function of a module, may be defined."""
    return owner.__mro__ if isinstance(owner, type) else (owner,)


def _own_function(owner: Owner, name: str) -> FunctionType | None:
    """Return the SDK's own function for a method; None if there is none that can be hooked."""
    for definer in _definers(owner):
        top = vars(definer).get(name)
        if isinstance(definer, type):
            home, full_name = definer.__module__, f"{definer.__qualname__}.{name}"
        else:
            home, full_name = definer.__name__, name
        for function in _below(top):
            # Re-exported classes name the module that exports them.
            own = _package(function.__globals__.get("__name__")) == _package(home)
            if own and function.__qualname__ == full_name:
                same = inspect.iscoroutinefunction(function) == inspect.iscoroutinefunction(top)
                code = function.__code__
                kind = inspect.iscoroutinefunction(function), len(code.co_freevars)
                fits = kind in _TEMPLATES and not code.co_flags & _GENERATORS
                return function if same and fits else None
    return None


def _package(module: object) -> str | None:
    return module.partition(".")[0] if type(module) is str else None


def _below(top: object) -> Iterator[FunctionType]:
    """Return a function, and the ones that it wraps, as far as they are known."""
    waiting, depth = [top], 0
    while waiting and depth < MAX_DEPTH:
        depth += 1
        each = waiting.pop(0)
        with suppress(Exception):
            wrapped = getattr(each, "__wrapped__", None)
            if wrapped is not None:
                waiting.append(wrapped)
        if type(each) is FunctionType:
            yield each
            with suppress(ValueError):  # an empty cell
                for cell in each.__closure__ or ():
                    if type(cell.cell_contents) is FunctionType:
                        waiting.append(cell.cell_contents)


def _code(original: CodeType, hook: Callable[..., Any]) -> CodeType:
    """Return code that calls `hook`, and looks like `original` when its source is shown."""
    asynchronous = bool(original.co_flags & inspect.CO_COROUTINE)
    template = _TEMPLATES[asynchronous, len(original.co_freevars)]
    return template.replace(
        co_name=original.co_name,
        co_qualname=original.co_qualname,
        co_filename=original.co_filename,
        co_firstlineno=original.co_firstlineno,
        co_consts=tuple(hook if each == _HOOK else each for each in template.co_consts),
    )


_HOOK: Final = "the hook"
"""The placeholder for the hook in the templates."""


def _templates() -> Iterator[FunctionType]:
    """Return methods whose code calls a hook; code fits a closure of as many cells as it knows."""
    cell: Any = None

    def plain(*args: Any, **kwargs: Any) -> Any:
        hook: Any = "the hook"
        return hook(args, kwargs)

    def closed(*args: Any, **kwargs: Any) -> Any:
        hook: Any = "the hook"
        return hook(args, kwargs) if hook else cell

    async def plain_async(*args: Any, **kwargs: Any) -> Any:
        hook: Any = "the hook"
        return await hook(args, kwargs)

    async def closed_async(*args: Any, **kwargs: Any) -> Any:
        hook: Any = "the hook"
        return await hook(args, kwargs) if hook else cell

    for each in (plain, closed, plain_async, closed_async):
        assert isinstance(each, FunctionType)
        yield each


_TEMPLATES: Final = {
    (inspect.iscoroutinefunction(each), len(each.__code__.co_freevars)): each.__code__
    for each in _templates()
}
"""The templates, by whether they are asynchronous, and by the number of closure variables."""
