"""Texts that transformers generates on this machine, by `generate` or by a pipeline that calls it.

Tokens are counted from the shapes of the input and output tensors, padding included: reading a
tensor would wait for its device.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.hooks import wrap
from dev_analytics.observers.llm.answers import SDK, Answer, belongs, fields
from dev_analytics.observers.llm.call import Call
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.request import begin_call, watched
from dev_analytics.observers.plain import plain

MODULES: Final = ("transformers.generation.utils",)
COVERS: Final = (
    "transformers",
    "5.24",
    "5.24",
    "`generate`, and pipelines that call it, on this machine",
)

TRANSFORMERS: Final = SDK("transformers", "transformers", lambda answer: None, "local")

_GENERATING: Final[ContextVar[bool]] = ContextVar("generating", default=False)
"""Whether a call is running: assistant models that it runs are not calls of their own."""


def hook(module: ModuleType) -> None:
    """Install the hook."""
    wrap(module.GenerationMixin, "generate", _generate)


def _generate(method: Any, model: Any, args: Any, kwargs: Any) -> Any:
    """Run `generate`, and count the tokens."""
    call = None if _GENERATING.get() else begin_call(_begin, model, args, kwargs)
    if call is None:
        return method(*args, **kwargs)
    token = _GENERATING.set(True)
    try:
        answer = method(*args, **kwargs)
    except BaseException as error:
        call.fail(error)
        raise
    finally:
        _GENERATING.reset(token)
    call.arrived()
    return watched(partial(_watch, model, args, kwargs), call, answer)


def _begin(recorder: Recorder, model: Any, args: Any, kwargs: Mapping[str, Any]) -> Call | None:
    # The main input of an audio or image model has another name.
    if getattr(type(model), "main_input_name", None) != "input_ids":
        return None
    config = fields(fields(model)["config"])
    return recorder.begin(
        TRANSFORMERS,
        "text_completion",
        config.get("_name_or_path"),
        stream=kwargs.get("streamer") is not None,
    )


def _watch(model: Any, args: Any, kwargs: dict[str, Any], call: Call, answer: Any) -> Any:
    """Add the token counts that the shapes give, and end the call."""
    kwargs = plain(kwargs)
    config = fields(fields(model)["config"])
    given = args[0] if args else kwargs.get("inputs", kwargs.get("input_ids"))
    output = answer.sequences if belongs(type(answer), "transformers") else answer
    sent, received = _shape(given), _shape(output)
    # The output repeats the input, unless that was embedded or read by an encoder.
    repeated = 0 if sent is None or config.get("is_encoder_decoder") is True else sent[1]
    if sent is None:
        sent = _shape(kwargs.get("inputs_embeds"))
    call.add(
        Answer(
            None,
            sent and sent[0] * sent[1],
            received and received[0] * max(0, received[1] - repeated),
        )
    )
    call.end()
    return answer


def _shape(tensor: object) -> tuple[int, int] | None:
    """Return a tensor's number of rows and of tokens in each; None for anything but a tensor."""
    if not belongs(type(tensor), "torch"):
        return None
    shape = tensor.shape  # type: ignore[attr-defined]
    return (int(shape[0]), int(shape[1])) if len(shape) >= 2 else None
