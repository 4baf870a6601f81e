"""The events: what each means and which properties it has.

An event is a class, and its fields are the properties. Users read its ``__doc__``, which is
assigned because ``python -OO`` strips docstrings. The `Kind` in a field's ``Annotated`` alone
decides which values are allowed. `Why` gives each property its reason. Later events and properties
have a higher `since`; `NOTICE` is the highest, and a yes covers all up to it.

Annotations are kept as text and evaluated when the first event of a kind is recorded: most sessions
record few kinds, and creating all their objects takes longer than the rest of this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, get_type_hints

from dev_analytics.catalogue.fields import UNSET, Event, UnsetType, Why, fields
from dev_analytics.catalogue.values import (
    MAX_TOKENS,
    Count,
    Duration,
    Flag,
    Frames,
    RefusedValueError,
    Version,
    Word,
)
from dev_analytics.catalogue.vocabulary import Vocabulary

if TYPE_CHECKING:
    from dev_analytics.catalogue.kind import Kind

FRONTENDS: Final = Vocabulary("frontends")
SYSTEMS: Final = Vocabulary("systems", "linux", "darwin", "windows", "wasm")
OUTCOMES: Final = Vocabulary("outcomes", "ok", "error", "interrupted", "syntax error")
FEATURES: Final = Vocabulary(
    "features", "line magic", "cell magic", "shell command", "help", "debugger"
)
LINE_MAGICS: Final = Vocabulary("line_magics")
CELL_MAGICS: Final = Vocabulary("cell_magics")
SHELL_COMMANDS: Final = Vocabulary("shell_commands")
COMMANDS: Final = Vocabulary(
    "commands",
    *("status", "on", "off", "disable", "log", "preview", "schema", "reset"),
    *("report", "enable", "remove"),
    *("--analytics", "--no-analytics", "--analytics-disable", "--analytics-log"),
)
EXCEPTIONS: Final = Vocabulary("exceptions")
PACKAGES: Final = Vocabulary("packages")
USER_CODE: Final = Vocabulary("user code", "user code")
PHASES: Final = Vocabulary("phases", "compile", "cell", "script", "callback", "thread", "display")
PROVIDERS: Final = Vocabulary("providers")
MODELS: Final = Vocabulary("models")
OPERATIONS: Final = Vocabulary(
    "operations", "chat", "text_completion", "generate_content", "embeddings"
)
SDKS: Final = Vocabulary("sdks")
EDIT_FORMATS: Final = Vocabulary("edit_formats")
TOOLS: Final = Vocabulary("tools", "dev", "aider", "jupyter_ai")
KERNEL_ACTIONS: Final = Vocabulary("kernel actions", "start", "interrupt", "restart", "shutdown")
STATUSES: Final = Vocabulary("statuses", "success", "error")
FILE_ACTIONS: Final = Vocabulary(
    "file actions", "save", "create", "upload", "rename", "copy", "delete"
)
FILE_KINDS: Final = Vocabulary(
    "file kinds",
    *("notebook", "python", "source code", "markdown", "text", "data", "configuration"),
    *("image", "document", "archive"),
)
_RECEIVED: Final = (
    "Tokens received, including reasoning except for Gemini 2.5 and 3, where PostHog adds it."
)
REASONS: Final = Vocabulary("reasons", "end of process", "unloaded")


MAX_COUNT: Final = 10**6
"""The largest count that is recorded; a larger one counts as this."""


def _tokens(meaning: str) -> Count:
    return Count(meaning, "tokens", most=MAX_TOKENS, capped=True)


class Launched(Event):
    __doc__ = "A recording began in a kernel or a terminal."

    wire = "launched"
    why = Why(
        "To know where dev is used, and which versions it must keep supporting.",
        frontend="Decides which front ends are tested first.",
        python="Decides when support for an old Python can end.",
        ipython="Decides when support for an old IPython can end.",
        os="Decides which systems are tested.",
        version="Shows which versions have a bug, and whether people update.",
    )

    frontend: Annotated[str, Word("Front end, if it can be recognised.", (FRONTENDS,))]
    python: Annotated[str, Version("Version of Python.")]
    ipython: Annotated[str, Version("Version of IPython.", distribution="ipython")]
    os: Annotated[str, Word("Operating system.", (SYSTEMS,))]
    version: Annotated[str, Version("Version of this package.", distribution="dev-analytics")]


class CellExecuted(Event):
    __doc__ = "A notebook cell, or an input at the prompt, finished running."

    wire = "cell executed"
    why = Why(
        "To know how much dev is used, and how often code fails.",
        outcome="Shows how often code fails or is interrupted.",
        duration_ms="Distinguishes quick experiments from long computations.",
    )

    outcome: Annotated[str, Word("How it ended.", (OUTCOMES,))]
    duration_ms: Annotated[int, Duration("How long it ran.", "ms")]


class FeatureUsed(Event):
    __doc__ = "A cell used a magic, a shell command, help or the debugger."

    wire = "feature used"
    why = Why(
        "To know which features to work on, and which to drop.",
        kind="Shows which kinds of feature are used at all.",
        name="Shows which features to work on.",
    )

    kind: Annotated[str, Word("Kind of feature.", (FEATURES,))]
    name: Annotated[
        str,
        Word(
            "Name of the public magic, or first word of the shell command.",
            (LINE_MAGICS, CELL_MAGICS, SHELL_COMMANDS),
        ),
    ]


class CommandRun(Event):
    __doc__ = "A command of dev was run."

    wire = "command run"
    why = Why(
        "To know which commands are found and used.",
        command="Shows which commands are used, and which nobody finds.",
    )

    command: Annotated[str, Word("Name of the command.", (COMMANDS,))]


class ErrorRaised(Event):
    __doc__ = "An error reached the user: its public class and package, never its message."

    wire = "error raised"
    why = Why(
        "To prevent or explain the most frequent errors, and to find bugs in dev.",
        exception="Shows which errors to prevent or explain first.",
        exact="Shows how precise the class is.",
        package="Distinguishes errors in dev and in libraries from those in users' own code.",
        phase="Shows where to look for the cause.",
        frames="Leads to the line with the bug in dev.",
    )

    exception: Annotated[
        str, Word("Class of the error, or its nearest public ancestor.", (EXCEPTIONS,))
    ]
    exact: Annotated[bool, Flag("The class is the error's own, not an ancestor.")]
    package: Annotated[
        str, Word("Public package whose code raised it, or user code.", (PACKAGES, USER_CODE))
    ]
    phase: Annotated[str, Word("What was running.", (PHASES,))]
    frames: Annotated[
        list[str] | UnsetType,
        Frames("Lines of dev's own packages that the error passed through."),
    ] = UNSET


class LLMRequest(Event):
    __doc__ = (
        "A request was made to a language model: which one, how many tokens, which edit format."
    )

    wire = "$ai_generation"
    _wires: ClassVar[Mapping[str, str]] = {
        "provider": "$ai_provider",
        "model": "$ai_model",
        "input_tokens": "$ai_input_tokens",
        "output_tokens": "$ai_output_tokens",
        "cache_read_input_tokens": "$ai_cache_read_input_tokens",
        "cache_write_input_tokens": "$ai_cache_creation_input_tokens",
        "cache_reporting_exclusive": "$ai_cache_reporting_exclusive",
        "reasoning_output_tokens": "$ai_reasoning_tokens",
        "latency_s": "$ai_latency",
        "time_to_first_chunk_s": "$ai_time_to_first_token",
        "is_error": "$ai_is_error",
        "error_type": "$ai_error",
        "http_status": "$ai_http_status",
        "input_token_price": "$ai_input_token_price",
        "output_token_price": "$ai_output_token_price",
        "trace_id": "$ai_trace_id",
    }
    why = Why(
        "To support the models and the edit formats that people use.",
        provider="Decides which providers are supported and tested.",
        model="Decides which models are supported and tested.",
        input_tokens="Shows how large requests are, to set sensible limits.",
        output_tokens="Shows how large answers are, to set sensible limits.",
        cache_read_input_tokens="Shows whether caching helps.",
        cache_write_input_tokens="Shows what caching costs.",
        reasoning_output_tokens="Shows how much of the output is reasoning, which nobody reads.",
        latency_s="Shows which models are too slow to work with.",
        time_to_first_chunk_s="Shows how long people wait before they see something.",
        is_error="Shows how reliable models and providers are.",
        error_type="Distinguishes limits, timeouts and other failures.",
        http_status="Distinguishes requests that a provider refused from those it never received.",
        operation="Shows which kinds of request have to work.",
        sdk="Decides which client libraries are supported.",
        stream="Shows whether streaming is worth the work.",
        edit_format="Shows which edit formats are used with which models.",
        tool="Shows which tools the requests come from.",
        fine_tuned="Shows whether fine-tuned models need support.",
    )

    provider: Annotated[str | UnsetType, Word("Who serves the model.", (PROVIDERS,))] = UNSET
    model: Annotated[str | UnsetType, Word("Public name of the model.", (MODELS,))] = UNSET
    input_tokens: Annotated[int | UnsetType, _tokens("Tokens sent, cached ones included.")] = UNSET
    output_tokens: Annotated[int | UnsetType, _tokens(_RECEIVED)] = UNSET
    cache_read_input_tokens: Annotated[
        int | UnsetType, _tokens("Input tokens read from the provider's cache.")
    ] = UNSET
    cache_write_input_tokens: Annotated[
        int | UnsetType, _tokens("Input tokens written to the provider's cache.")
    ] = UNSET
    reasoning_output_tokens: Annotated[
        int | UnsetType, _tokens("Output tokens spent on reasoning.")
    ] = UNSET
    latency_s: Annotated[
        float | UnsetType, Duration("Time until the answer was complete.", "s", decimals=3)
    ] = UNSET
    time_to_first_chunk_s: Annotated[
        float | UnsetType, Duration("Time until a streamed answer began.", "s", decimals=3)
    ] = UNSET
    is_error: Annotated[bool | UnsetType, Flag("The request failed.")] = UNSET
    error_type: Annotated[str | UnsetType, Word("Class of the failure.", (EXCEPTIONS,))] = UNSET
    http_status: Annotated[
        int | UnsetType, Count("HTTP status of the answer.", "status", most=599)
    ] = UNSET
    operation: Annotated[str | UnsetType, Word("Kind of request.", (OPERATIONS,))] = UNSET
    sdk: Annotated[str | UnsetType, Word("Client library that made it.", (SDKS,))] = UNSET
    stream: Annotated[bool | UnsetType, Flag("The answer was streamed.")] = UNSET
    edit_format: Annotated[
        str | UnsetType, Word("Edit format that the model was asked to use.", (EDIT_FORMATS,))
    ] = UNSET
    tool: Annotated[str | UnsetType, Word("Tool that made the request.", (TOOLS,))] = UNSET
    fine_tuned: Annotated[bool | UnsetType, Flag("The model is fine-tuned.")] = UNSET
    input_token_price: int | UnsetType = UNSET
    output_token_price: int | UnsetType = UNSET
    trace_id: str | UnsetType = UNSET
    cache_reporting_exclusive: bool = False


class Embedding(LLMRequest):
    __doc__ = "A request was made to an embedding model, which returns vectors of numbers."

    wire = "$ai_embedding"
    why = LLMRequest.why


class KernelAction(Event):
    __doc__ = "A Jupyter server did something to a kernel."

    wire = "kernel action"
    why = Why(
        "To know how reliable kernels are where dev is used.",
        action="Shows how often kernels are interrupted or restarted.",
        status="Shows which of them fail.",
    )

    action: Annotated[str, Word("What it did.", (KERNEL_ACTIONS,))]
    status: Annotated[str, Word("Whether it succeeded.", (STATUSES,))]


class FileAction(Event):
    __doc__ = "A Jupyter server did something to a file."

    wire = "file action"
    why = Why(
        "To know how people work with files where dev is used.",
        action="Shows what people do with files besides running them.",
        kind="Decides which kinds of file dev supports well.",
    )

    action: Annotated[str, Word("What it did.", (FILE_ACTIONS,))]
    kind: Annotated[str, Word("Kind of file, by its extension.", (FILE_KINDS,))]


class Exited(Event):
    __doc__ = "A recorded session ended."

    wire = "exited"
    why = Why(
        "To know how long sessions are, and how they end.",
        reason="Distinguishes the end of a session from an unloaded extension.",
        cells="Shows how much is done in a session.",
        duration="Allows sessions of different lengths to be compared.",
    )

    reason: Annotated[str, Word("How it ended.", (REASONS,))]
    cells: Annotated[
        int, Count("Number of cells in the recording.", "cells", most=MAX_COUNT, capped=True)
    ]
    duration: Annotated[int, Duration("How long the recording lasted.", "s")]


EVENTS: Final[Mapping[str, type[Event]]] = {
    "launched": Launched,
    "cell_executed": CellExecuted,
    "feature_used": FeatureUsed,
    "command_run": CommandRun,
    "error_raised": ErrorRaised,
    "message_send": LLMRequest,
    "embedding": Embedding,
    "kernel_action": KernelAction,
    "file_action": FileAction,
    "exited": Exited,
}
"""Every event by the name that ``Analytics.event`` takes."""


class UndeclaredError(ValueError):
    """An event or a property is not in the catalogue, or a required property is missing."""


@cache
def properties(event: type[Event]) -> Mapping[str, Kind]:
    """Return the declared properties of `event` by name, without the common fields."""
    kinds: dict[str, Kind | None] = {}
    for each in reversed(event.__mro__):
        if issubclass(each, Event) and each is not Event:
            kinds |= _own_kinds(each)
    return {name: kind for name, kind in kinds.items() if kind is not None}


class _KindOf:
    """Stands for `Annotated` where our own annotations are evaluated: what is left is the kind.

    Types that nobody asks for take half of the time until the first event of a class is accepted.
    """

    def __class_getitem__(cls, annotation: tuple[object, Kind]) -> Kind:
        return annotation[1]


def _own_kinds(event: type[Event]) -> Mapping[str, Kind | None]:
    """Return the kinds of the fields in the body of `event`; None for a field without one."""
    own: Mapping[str, Any] = event.__annotations__
    if event.__module__ == __name__:
        texts = {name: text for name, text in own.items() if text.startswith("Annotated")}
        # At once, as compiling each alone takes longer.
        source = f"({', '.join(texts.values())},)" if texts else "()"
        kinds = eval(source, {**globals(), "Annotated": _KindOf})  # noqa: S307, of this module
        return {**dict.fromkeys(own), **dict(zip(texts, kinds, strict=True))}
    if any(type(hint) is str for hint in own.values()):
        # A tool may have its annotations as text.
        own = get_type_hints(event, include_extras=True)
    return {name: getattr(hint, "__metadata__", (None,))[0] for name, hint in own.items()}


@cache
def required(event: type[Event]) -> frozenset[str]:
    """Return the names of the properties that `event` must have."""
    declared = properties(event)
    return frozenset(each.name for each in fields(event) if each.required and each.name in declared)


@cache
def spans(event: type[Event]) -> Mapping[str, float]:
    """Return the properties of `event` that are durations, with their units per second."""
    return {
        name: 1000.0 if kind.unit == "ms" else 1.0
        for name, kind in properties(event).items()
        if isinstance(kind, Duration)
    }


class Acceptor:
    """Decides which properties of one event may leave, after a yes to one notice.

    Parameters
    ----------
    event
        The event.
    notice
        The notice that the user agreed to; newer properties are withheld.
    """

    __slots__ = ("_accepts", "_event", "_required")

    def __init__(self, event: type[Event], notice: int) -> None:
        self._event = event
        self._required = required(event)
        self._accepts = {
            name: kind.accept if kind.since <= notice else None
            for name, kind in properties(event).items()
        }

    def accept(self, given: Mapping[str, object]) -> dict[str, object]:
        """Return the properties that may leave, with their accepted values.

        Parameters
        ----------
        given
            The properties by name, a plain string; those with the value None are left out.

        Raises
        ------
        UndeclaredError
            The event has no such property, or lacks a required one.
        RefusedValueError
            A property cannot have such a value.
        """
        accepts, event = self._accepts, self._event
        accepted: dict[str, object] = {}
        try:
            for name, value in given.items():
                if name not in accepts:
                    raise UndeclaredError(f"{event.wire!r} has no property {name!r}")
                if value is not None and (accept := accepts[name]) is not None:
                    accepted[name] = accept(value)
        except RefusedValueError as error:
            raise RefusedValueError(f"{event.wire!r}, property {name!r}: {error}") from None
        # Checked before the record takes a number, which would otherwise be missing in the
        # recording.
        if len(accepted) < len(accepts) and not accepted.keys() >= self._required:
            lacks = self._required - accepted.keys()
            raise UndeclaredError(f"{event.wire!r} must have {', '.join(sorted(lacks))}")
        return accepted


@cache
def acceptor(event: type[Event], notice: int) -> Acceptor:
    """Return what accepts the properties of `event`, after a yes to `notice`."""
    return Acceptor(event, notice)
