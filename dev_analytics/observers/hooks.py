"""The hooks in the SDKs: installed when an SDK is imported, removed with the extension.

Loading the extension imports no SDK and no wrapt: the modules in `HOOKS` are hooked after they have
been imported and their own code has run. A hook that cannot be removed is idle while no recorder is
`active`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from dev_analytics.observers.imports import Imports
from dev_analytics.process import kept

if TYPE_CHECKING:
    from dev_analytics.analytics import Analytics
    from dev_analytics.observers.llm.method_hooks import MethodHooks
    from dev_analytics.observers.llm.recorder import Recorder

_SDKS: Final = "dev_analytics.observers.llm.sdks"
# made by make documents
HOOKS: Final = {
    "anthropic": f"{_SDKS}.anthropic",
    "anthropic.lib.streaming._messages": f"{_SDKS}.anthropic",
    "anthropic.lib.streaming._beta_messages": f"{_SDKS}.anthropic",
    "botocore.client": f"{_SDKS}.bedrock",
    "aiobotocore.client": f"{_SDKS}.bedrock",
    "cohere.v2.raw_client": f"{_SDKS}.cohere",
    "cohere.raw_base_client": f"{_SDKS}.cohere",
    "dspy.clients.engines.lm15_engine": f"{_SDKS}.dspy",
    "fireworks": f"{_SDKS}.fireworks",
    "google.genai.models": f"{_SDKS}.google_genai",
    "google.genai._gaos.interactions": f"{_SDKS}.google_genai",
    "groq": f"{_SDKS}.groq",
    "huggingface_hub.inference._client": f"{_SDKS}.huggingface",
    "huggingface_hub.inference._generated._async_client": f"{_SDKS}.huggingface",
    "jupyter_ai_magic_commands.magics": f"{_SDKS}.jupyter_ai",
    "langchain_mistralai.chat_models": f"{_SDKS}.langchain_mistralai",
    "langchain_mistralai.embeddings": f"{_SDKS}.langchain_mistralai",
    "litellm": f"{_SDKS}.litellm",
    "llama_cpp.llama": f"{_SDKS}.llama_cpp",
    "mistralai.client.agents": f"{_SDKS}.mistralai",
    "mistralai.client.chat": f"{_SDKS}.mistralai",
    "mistralai.client.conversations": f"{_SDKS}.mistralai",
    "mistralai.client.embeddings": f"{_SDKS}.mistralai",
    "mistralai.client.fim": f"{_SDKS}.mistralai",
    "mistralai.agents": f"{_SDKS}.mistralai",
    "mistralai.chat": f"{_SDKS}.mistralai",
    "mistralai.conversations": f"{_SDKS}.mistralai",
    "mistralai.embeddings": f"{_SDKS}.mistralai",
    "mistralai.fim": f"{_SDKS}.mistralai",
    "ollama._client": f"{_SDKS}.ollama",
    "openai": f"{_SDKS}.openai",
    "openai.lib.streaming.chat._completions": f"{_SDKS}.openai",
    "openai.lib.streaming.responses._responses": f"{_SDKS}.openai",
    "together": f"{_SDKS}.together",
    "transformers.generation.utils": f"{_SDKS}.transformers",
    "xai_sdk.sync.chat": f"{_SDKS}.xai",
    "xai_sdk.aio.chat": f"{_SDKS}.xai",
}
"""Our modules, by the modules of SDKs that they hook."""

DISTRIBUTIONS: Final = {
    "fireworks": "fireworks-ai",
    "google": "google-genai",
    "llama_cpp": "llama-cpp-python",
}
"""The distributions of modules that are called otherwise than these."""
# until here

INSTALL: Final = 'pip install "dev-analytics[llm]"'


class _State:
    """What is hooked in this process.

    Attributes
    ----------
    analytics
        Where the calls go; None while the extension is not loaded.
    active
        The recorder, created with the first hook; without one every hook is idle.
    seen
        The modules in `HOOKS` that were imported while the extension was loaded.
    unhooked
        Those of them that could not be hooked because wrapt is missing.
    methods
        The hooks in methods; None if there never was one.
    """

    def __init__(self) -> None:
        self.analytics: Analytics | None = None
        self.active: Recorder | None = None
        self.seen: Final[set[str]] = set()
        self.unhooked: Final[set[str]] = set()
        self.methods: MethodHooks | None = None


State: Final = kept("hooks", _State)


def register(analytics: Analytics) -> None:
    """Begin to observe the SDKs that are imported, and those that will be."""
    if State.analytics is not analytics:
        State.analytics, State.active = analytics, None
    _IMPORTS.begin()


def finish() -> None:
    """Record the calls that are not over, as those of abandoned streams, at the session's end."""
    if State.active is not None:
        State.active.finish()


def unregister() -> None:
    """Stop observing, and remove every hook that is not wrapped by another tool."""
    State.analytics = State.active = None
    _IMPORTS.end()
    if State.methods is not None:
        State.methods.remove()


def wrap(owner: type | ModuleType, name: str, wrapper: Callable[..., Any]) -> None:
    """Wrap a method, or a function of a module, where it is defined; once, however often called.

    Parameters
    ----------
    owner, name
        The class that has or inherits the method, or the module, and the name in it.
    wrapper
        Called with the bound method, its object, arguments and keyword arguments, as wrapt does; a
        function is treated as a method of its first argument.
    """
    from dev_analytics.observers.llm.method_hooks import MethodHooks

    if State.methods is None:
        State.methods = MethodHooks()
    State.methods.install(owner, name, wrapper)


def _hook(module: ModuleType) -> None:
    """Install the hooks of our module for `module`; a failure is counted."""
    analytics = State.analytics
    if analytics is None:
        return
    name = module.__name__
    State.seen.add(name)
    try:
        if State.active is None:
            from dev_analytics.observers.llm.recorder import Recorder

            # If two threads import an SDK each, the second object counts: it is still empty.
            State.active = Recorder(analytics)
        importlib.import_module(HOOKS[name]).hook(module)
    except ModuleNotFoundError as error:
        if error.name == "wrapt":
            State.unhooked.add(name)
        else:
            analytics.drops.count("failure inside")
    except Exception:
        analytics.drops.count("failure inside")


_IMPORTS: Final = kept("imports", lambda: Imports(HOOKS, _hook))
