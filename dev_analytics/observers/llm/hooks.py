"""The hooks in the SDKs: put in when an SDK is imported, taken out with the extension.

Loading the extension imports no SDK and no wrapt. A finder that finds nothing waits for the modules
in `HOOKS`; what it sees imported is hooked once its own code has run. A hook that cannot be taken
out is idle while no recorder is `active`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from dev_analytics.drops import Drop
from dev_analytics.kept import kept

if TYPE_CHECKING:
    from dev_analytics.analytics import Analytics
    from dev_analytics.observers.llm.recorder import Recorder

HOOKS: Final = {
    "openai": "dev_analytics.observers.llm.openai",
    "anthropic": "dev_analytics.observers.llm.anthropic",
    "groq": "dev_analytics.observers.llm.groq",
    "together": "dev_analytics.observers.llm.together",
    "fireworks": "dev_analytics.observers.llm.fireworks",
    "xai_sdk.sync.chat": "dev_analytics.observers.llm.xai",
    "xai_sdk.aio.chat": "dev_analytics.observers.llm.xai",
    "litellm": "dev_analytics.observers.llm.litellm",
    "google.genai.models": "dev_analytics.observers.llm.google_genai",
    "google.genai._gaos.interactions": "dev_analytics.observers.llm.google_interactions",
    "mistralai.client.chat": "dev_analytics.observers.llm.mistralai",
    "mistralai.chat": "dev_analytics.observers.llm.mistralai",
    **{
        f"{place}.{name}": "dev_analytics.observers.llm.mistralai_tasks"
        for place in ("mistralai.client", "mistralai")
        for name in ("agents", "embeddings", "fim")
    },
    "cohere.v2.raw_client": "dev_analytics.observers.llm.cohere",
    "cohere.raw_base_client": "dev_analytics.observers.llm.cohere_v1",
    "ollama._client": "dev_analytics.observers.llm.ollama",
    "huggingface_hub.inference._client": "dev_analytics.observers.llm.huggingface",
    "huggingface_hub.inference._generated._async_client": "dev_analytics.observers.llm.huggingface",
    "botocore.client": "dev_analytics.observers.llm.bedrock",
    "aiobotocore.client": "dev_analytics.observers.llm.bedrock",
    "dspy.clients.engines.lm15_engine": "dev_analytics.observers.llm.dspy",
    "transformers.generation.utils": "dev_analytics.observers.llm.transformers",
    "jupyter_ai_magic_commands.magics": "dev_analytics.observers.llm.jupyter_ai",
}
"""Which module of ours hooks which module of an SDK; each has ``hook(module)``."""

_MODULE_DICT: Final = vars(ModuleType)["__dict__"].__get__

MISSING: Final = 'pip install "dev-analytics[llm]"'


class _State:
    """What is hooked in this process.

    Attributes
    ----------
    analytics
        Where the calls go; None: the extension is not loaded.
    active
        Takes the calls; None: every hook is idle. It is made with the first hook.
    seen
        The modules in `HOOKS` that were imported while the extension was there.
    unhooked
        Those of them that could not be hooked, as wrapt is missing.
    undo
        What takes out the hooks that are no wrapped methods.
    """

    def __init__(self) -> None:
        self.analytics: Analytics | None = None
        self.active: Recorder | None = None
        self.seen: Final[set[str]] = set()
        self.unhooked: Final[set[str]] = set()
        self.wrapped: Final[list[tuple[type, str, Any, Any]]] = []
        self.undo: Final[list[Callable[[], None]]] = []


State: Final = kept("hooks", _State)


class _Finder:
    """Finds no module, but sees which are looked for."""

    def find_spec(
        self, name: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in HOOKS or name in sys.modules:
            return None
        spec = _found_by_others(self, name, path, target)
        with suppress(Exception):
            if spec is not None and spec.loader is not None:
                _tell_when_run(spec.loader, name)
        return spec


_FINDER: Final = kept("finder", _Finder)


def register(analytics: Analytics) -> None:
    """Begin to observe the SDKs that are imported, and those that will be."""
    if State.analytics is not analytics:
        State.analytics, State.active = analytics, None
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    for name in HOOKS:
        module: object = sys.modules.get(name)
        # What anybody put there is not asked, and what is to be loaded when it is used stays so.
        if not issubclass(type(module), ModuleType) or _is_lazy(type(module)):
            continue
        spec = _MODULE_DICT(module).get("__spec__")
        # One that another thread imports right now is told of when it has run, if that began after
        # our finder stood there; before, it is not hooked.
        if not (type(spec) is ModuleSpec and vars(spec).get("_initializing", False)):
            _hook(module, name)


def unregister() -> None:
    """Observe no more, and leave no hook that nobody has wrapped again."""
    State.analytics = State.active = None
    with suppress(ValueError):
        sys.meta_path.remove(_FINDER)
    for owner, name, original, wrapper in reversed(State.wrapped):
        now = vars(owner).get(name)
        if now is wrapper:
            setattr(owner, name, original)
        if now is wrapper or now is original:  # interrupted before it was put in
            State.wrapped.remove((owner, name, original, wrapper))
    while State.undo:
        with suppress(Exception):
            State.undo.pop()()


def wrap(owner: type, name: str, wrapper: Callable[..., Any]) -> None:
    """Wrap a method where it is defined; once, however often it is asked for.

    Parameters
    ----------
    owner
        The class, or one that inherits the method.
    name
        The method's name.
    wrapper
        Called with the bound method, its object, arguments and keyword arguments, as wrapt does.
    """
    from wrapt import FunctionWrapper

    owner = next(cls for cls in owner.__mro__ if name in vars(cls))
    original = vars(owner)[name]
    if not any((cls, each) == (owner, name) for cls, each, _, _ in State.wrapped):
        wrapped = FunctionWrapper(original, wrapper)
        # Noted first: whatever comes between, it is taken out again.
        State.wrapped.append((owner, name, original, wrapped))
        setattr(owner, name, wrapped)


def _hook(module: Any, name: str) -> None:
    """Have our module for `module` put its hooks in; a failure is counted."""
    analytics = State.analytics
    if analytics is None:
        return
    State.seen.add(name)
    try:
        if State.active is None:
            from dev_analytics.observers.llm.recorder import Recorder

            State.active = Recorder(analytics)
        importlib.import_module(HOOKS[name]).hook(module)
    except ModuleNotFoundError as error:
        if error.name == "wrapt":
            State.unhooked.add(name)
        else:
            analytics.drops.count(Drop.FAILURE)
    except Exception:
        analytics.drops.count(Drop.FAILURE)


def _is_lazy(kind: type) -> bool:
    """Return whether a module of this kind is run when it is used; its own kind is then another."""
    return (kind.__module__, kind.__name__) == ("importlib.util", "_LazyModule")


def _tell_when_run(loader: Any, name: str) -> None:
    """Have the module `name` hooked when `loader` has run it, and leave no trace in the loader."""
    if type(loader).__name__ == "LazyLoader":
        # The module is run by the loader inside, when it is used.
        loader = loader.loader
    run = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        if module.__name__ == name:
            del loader.exec_module
        run(module)
        if module.__name__ == name:
            with suppress(Exception):
                _hook(module, name)

    loader.exec_module = exec_module


def _found_by_others(
    finder: _Finder, name: str, path: Any, target: ModuleType | None
) -> ModuleSpec | None:
    for other in _others(finder):
        spec: ModuleSpec | None = other.find_spec(name, path, target)
        if spec is not None:
            return spec
    return None


def _others(finder: _Finder) -> Iterator[Any]:
    """Give the finders that come after ours: those before it have been asked."""
    after = False
    for each in list(sys.meta_path):
        if after and hasattr(each, "find_spec"):
            yield each
        after = after or each is finder
