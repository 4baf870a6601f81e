"""Texts that transformers generates on this machine, by `generate` or by a pipeline that calls it.

Tokens are counted by the shapes of what goes in and what comes out, padding included: no tensor is
read, so that no device is waited for.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.answers import SDK, Answer, belongs
from dev_analytics.observers.llm.hooks import State, wrap
from dev_analytics.observers.llm.recorder import Call

COVERS: Final = (
    "transformers",
    "5.24",
    "5.24",
    "`generate`, and pipelines that call it, on this machine",
)

TRANSFORMERS: Final = SDK("transformers", "transformers", lambda answer: None, "local")

_GENERATING: Final[ContextVar[bool]] = ContextVar("generating", default=False)
"""Whether a call is being made: a model may have others help it, which are no calls."""


def hook(module: ModuleType) -> None:
    """Install the hook."""
    wrap(module.GenerationMixin, "generate", _generate)


def _generate(method: Any, model: Any, args: Any, kwargs: Any) -> Any:
    """Do what `generate` does, and count."""
    call = None if _GENERATING.get() else _begin(model, kwargs)
    if call is None:
        return method(*args, **kwargs)
    before = _GENERATING.set(True)
    try:
        answer = method(*args, **kwargs)
    except BaseException as error:
        call.fail(error)
        raise
    finally:
        _GENERATING.reset(before)
    call.arrived()
    _tell(call, model, args, kwargs, answer)
    call.end()
    return answer


def _begin(model: Any, kwargs: Mapping[str, Any]) -> Call | None:
    recorder = State.active
    # A model of sounds or pictures has another main input.
    if recorder is None or getattr(type(model), "main_input_name", None) != "input_ids":
        return None
    try:
        config = _own(_own(model)["config"])
        return recorder.begin(
            TRANSFORMERS,
            "text_completion",
            config.get("_name_or_path"),
            stream=kwargs.get("streamer") is not None,
        )
    except Exception:
        recorder.drops.count("failure inside")
        return None


def _tell(call: Call, model: Any, args: Any, kwargs: Mapping[str, Any], answer: Any) -> None:
    """Record the model and the tokens, as far as shapes say."""
    try:
        config = _own(_own(model)["config"])
        given = args[0] if args else kwargs.get("inputs", kwargs.get("input_ids"))
        embedded = kwargs.get("inputs_embeds")
        if belongs(type(answer), "transformers"):
            answer = answer.sequences
        sent, made = _shape(given), _shape(answer)
        before = sent
        if sent is None:
            sent, before = _shape(embedded), (0, 0)
        if before is None or config.get("is_encoder_decoder") is True:
            before = (0, 0)
        call.tell(
            Answer(
                None,
                sent and sent[0] * sent[1],
                # What goes in stands before what is new.
                made and made[0] * max(0, made[1] - before[1]),
            )
        )
    except Exception:
        call.recorder.drops.count("failure inside")


def _shape(tensor: object) -> tuple[int, int] | None:
    """Return how many rows of how many tokens a tensor has; one of the user's own is not asked."""
    if not belongs(type(tensor), "torch"):
        return None
    shape = tensor.shape  # type: ignore[attr-defined]
    return (int(shape[0]), int(shape[1])) if len(shape) >= 2 else None


def _own(thing: object) -> Any:
    """Return the attributes that an object has of its own: none of its code is run."""
    return object.__getattribute__(thing, "__dict__")
