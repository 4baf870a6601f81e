"""Calls made with litellm that no SDK observed here makes for it.

litellm tells each of its loggers when a call begins and when it is over; of the beginning of a few,
as embeddings by Ollama, it does not. What it hands them holds messages and keys by reference: only
what stands in `_call` and `_tell` is read.
"""

from __future__ import annotations

import importlib
from collections import OrderedDict
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from dev_analytics.catalogue.models import PREFIXES
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.clock import seconds
from dev_analytics.drops import Drop
from dev_analytics.observers.llm.answers import SDK, Answer, belongs, get
from dev_analytics.observers.llm.counted import MOST, Counted
from dev_analytics.observers.llm.hooks import State
from dev_analytics.observers.llm.recorder import Call, Recorder

OPERATIONS: Final = {
    "completion": "chat",
    "responses": "chat",
    "anthropic_messages": "chat",
    "text_completion": "text_completion",
    "generate_content": "generate_content",
    "embedding": "embeddings",
}
"""The operation by what litellm calls the call; an ``a`` before it stands for asynchronous."""


def read(answer: Any) -> Answer:
    """Tell what an answer says: litellm has the words of OpenAI for all, and cached tokens in."""
    usage = get(answer, "usage")
    if get(usage, "prompt_tokens") is None:
        into, out = "input_tokens", "output_tokens"
    else:
        into, out = "prompt_tokens", "completion_tokens"
    details = get(usage, f"{into}_details")
    return Answer(
        get(answer, "model"),
        get(usage, into),
        get(usage, out),
        cache_read_input_tokens=get(details, "cached_tokens"),
        cache_write_input_tokens=get(details, "cache_creation_tokens"),
        reasoning_output_tokens=get(get(usage, f"{out}_details"), "reasoning_tokens"),
        id=get(answer, "id"),
    )


_SDK: Final = SDK("litellm", "litellm", read)

_BEGUN: Final[OrderedDict[str, Call | None]] = OrderedDict()
"""The newest calls that began, by the names that litellm gives them; None: nothing was collected.

A call has the consent and the edit format of its beginning.
"""


MAX_APART: Final = 3600.0
"""How long after the end of a call litellm may tell of it, in seconds."""


class _Logger:
    """What litellm calls; beside it stands litellm's own class, for all the rest."""

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Any) -> None:
        _begin(kwargs)

    def log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        _take(kwargs, response_obj, start_time, end_time)

    def log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        _take(kwargs, None, start_time, end_time)

    async def async_log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        _take(kwargs, response_obj, start_time, end_time)

    async def async_log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        _take(kwargs, None, start_time, end_time)


LISTS: Final = (
    "callbacks",
    "input_callback",
    "success_callback",
    "failure_callback",
    "_async_success_callback",
    "_async_failure_callback",
)
"""Where a logger stands: litellm copies the first into the others at each call, and calls those.

It is put into all at once, as a user who assigns ``litellm.callbacks`` would take it out.
"""


def hook(module: ModuleType) -> None:
    """Have litellm tell us, too."""
    theirs = importlib.import_module("litellm.integrations.custom_logger").CustomLogger
    logger = type("DevAnalyticsLogger", (_Logger, theirs), {})()
    for name in LISTS:
        each = getattr(module, name, None)
        if type(each) is list:
            each.append(logger)

    def undo() -> None:
        # litellm may have copied it into lists of other names.
        for each in list(vars(module).values()):
            if type(each) is list:
                each[:] = [item for item in each if item is not logger]
        _BEGUN.clear()

    State.undo.append(undo)


def _begin(kwargs: Mapping[str, Any]) -> None:
    """Begin a call; litellm would print what is raised."""
    recorder = State.active
    if recorder is None:
        return
    try:
        name = kwargs.get("litellm_call_id")
        if type(name) is str:
            _BEGUN[name] = _call(recorder, kwargs)
            if len(_BEGUN) > MOST:
                _BEGUN.popitem(last=False)
    except Exception:
        recorder.drops.count(Drop.FAILURE)


def _call(recorder: Recorder, kwargs: Mapping[str, Any]) -> Call | None:
    """Give a call that begins now; None where none is observed."""
    kind = kwargs.get("call_type")
    operation = OPERATIONS.get(kind) or OPERATIONS.get(kind[1:]) if type(kind) is str else None
    if operation is None:
        return None
    return recorder.begin(
        _SDK,
        operation,
        kwargs.get("model"),
        stream=kwargs.get("stream") is True,
        provider=PREFIXES.get(str(kwargs.get("custom_llm_provider")), OTHER),
    )


def _take(kwargs: Any, answer: object, start: Any, end: Any) -> None:
    """Record a call, unless that has been done; litellm would print what is raised."""
    recorder = State.active
    if recorder is None:
        return
    try:
        _tell(recorder, kwargs, answer, start.timestamp(), end.timestamp())
    except Exception:
        recorder.drops.count(Drop.FAILURE)


def _tell(
    recorder: Recorder, kwargs: Mapping[str, Any], answer: object, start: float, end: float
) -> None:
    name: Any = kwargs.get("litellm_call_id")
    if name in _BEGUN:
        call = _BEGUN.pop(name)
    else:
        call = _call(recorder, kwargs)
        period = None if call is None else call.began[2]
        if abs(end - seconds()) > MAX_APART:
            # Its clock is not the machine's: when the call began is not known.
            recorder.drops.count(Drop.CLOCK)
            return
        if period is not None and start < period.started:
            return
    error = kwargs.get("exception") if answer is None else None
    if call is None or (answer is None and error is None):
        return
    told = read(answer) if belongs(type(answer), "litellm") else Answer()
    if _was_counted(recorder.counted, name, told, error, start):
        return
    call.lasted(end - start)
    if error is None:
        call.tell(told)
        call.end()
    else:
        call.fail(error, end)


def _was_counted(counted: Counted, name: object, told: Answer, error: Any, start: float) -> bool:
    """Return whether a call was counted where it was made, or as litellm told of it before."""
    if error is not None:
        return counted.has_error(error, start)
    if type(name) is str:
        # Of some calls litellm tells twice; their answers may have no id, or a new one.
        known = Answer(id=name)
        if counted.has(known):
            return True
        counted.add(known)
    return counted.has(told)
