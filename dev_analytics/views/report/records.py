"""Records as they are read from any log: typed, bounded, and only with what is counted.

A newer version's record may have more fields, which are skipped. An event of another tool is only
known by name. A line that does not fit is not a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Annotated, Any, Final, Generic, TypeAlias, TypeVar, get_args

from msgspec import Meta, MsgspecError, Raw, Struct, ValidationError, convert, field, json, structs

from dev_analytics.catalogue.events import (
    CellExecuted,
    CommandRun,
    Embedding,
    ErrorRaised,
    Exited,
    FeatureUsed,
    FileAction,
    KernelAction,
    Launched,
    LLMRequest,
)

LIB: Final = "dev-analytics"
"""The name of the library in our records."""
MISSING: Final = "not given"
"""What is shown for a word that a record does not have."""

Name: TypeAlias = Annotated[str, Meta(max_length=200)]
Number: TypeAlias = Annotated[int, Meta(ge=0, le=10**12)]
Time: TypeAlias = Annotated[datetime, Meta(tz=True)]


class Common(Struct, gc=False):
    """What every record has."""

    session_id: str | None = field(name="$session_id", default=None)
    lib: str | None = field(name="$lib", default=None)
    seq: Annotated[int, Meta(ge=0, lt=1 << 32)] | None = None


class _Launched(Common):
    frontend: Name = MISSING
    version: Name = MISSING


class _Cell(Common):
    outcome: Name = MISSING
    duration_ms: Number | None = None


class _Feature(Common):
    kind: Name = MISSING
    name: Name = MISSING


class _Command(Common):
    command: Name = MISSING


class _Error(Common):
    exception: Name = MISSING
    package: Name = MISSING


class _Request(Common):
    provider: Name = field(name="$ai_provider", default=MISSING)
    model: Name = field(name="$ai_model", default=MISSING)
    input_tokens: Number = field(name="$ai_input_tokens", default=0)
    output_tokens: Number = field(name="$ai_output_tokens", default=0)
    cached: Number = field(name="$ai_cache_read_input_tokens", default=0)
    reasoning: Number = field(name="$ai_reasoning_tokens", default=0)
    failed: bool = field(name="$ai_is_error", default=False)
    edit_format: Name = MISSING


class _KernelAction(Common):
    action: Name = MISSING
    status: Name = MISSING


class _FileAction(Common):
    action: Name = MISSING
    kind: Name = MISSING


Properties = TypeVar("Properties", bound=Common)


class _Record(Struct, Generic[Properties], gc=False, tag_field="event"):
    properties: Properties
    timestamp: Time
    distinct_id: str | None = None


class LaunchedRecord(_Record[_Launched], tag=Launched.wire):
    """A session began."""


class CellRecord(_Record[_Cell], tag=CellExecuted.wire):
    """A cell was run."""


class FeatureRecord(_Record[_Feature], tag=FeatureUsed.wire):
    """A feature was used."""


class CommandRecord(_Record[_Command], tag=CommandRun.wire):
    """A command was run."""


class ErrorRecord(_Record[_Error], tag=ErrorRaised.wire):
    """An error reached the user."""


class RequestRecord(_Record[_Request], tag=LLMRequest.wire):
    """A model was asked."""


class EmbeddingRecord(_Record[_Request], tag=Embedding.wire):
    """An embedding model was asked."""


class KernelRecord(_Record[_KernelAction], tag=KernelAction.wire):
    """A server did something to a kernel."""


class FileRecord(_Record[_FileAction], tag=FileAction.wire):
    """A server did something to a file."""


class ExitedRecord(_Record[Common], tag=Exited.wire):
    """A session ended."""


class OtherRecord(Struct):
    """An event of a newer version, or of another tool."""

    event: Name
    timestamp: Time
    distinct_id: Any = None
    properties: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.distinct_id, str):
            self.distinct_id = None
        try:
            self.properties = convert(self.properties, Common)
        except ValidationError:
            self.properties = Common()


Known: TypeAlias = (
    LaunchedRecord
    | CellRecord
    | FeatureRecord
    | CommandRecord
    | ErrorRecord
    | RequestRecord
    | EmbeddingRecord
    | KernelRecord
    | FileRecord
    | ExitedRecord
)


class _Named(Struct):
    event: str


class _Exported(Struct):
    event: str
    timestamp: str
    distinct_id: Any = None
    properties: str | Raw = Raw(b"null")


_KNOWN: Final[json.Decoder[Known]] = json.Decoder(Known)
_EXPORTED: Final = json.Decoder(_Exported)
_NAMED: Final = json.Decoder(_Named)
_OTHER: Final = json.Decoder(OtherRecord)
_WIRES: Final = frozenset(each.__struct_config__.tag for each in get_args(Known))


def decode_lines(block: bytes) -> Sequence[Known | OtherRecord | None]:
    """Return the records of a block's lines; None for a line without one, none for a blank one."""
    try:
        records = _KNOWN.decode_lines(block)
    except (MsgspecError, ValueError, RecursionError):
        pass
    else:
        # Otherwise a record is on several lines, or several are on one. Counted by splitting: a
        # search for each byte takes four times as long.
        if len(records) == len(BytesIO(block).readlines()):
            return records
    return [_decode(line) for line in block.split(b"\n") if line and not line.isspace()]


def _decode(line: bytes) -> Known | OtherRecord | None:
    try:
        return _KNOWN.decode(line)
    except ValidationError:
        pass
    except (MsgspecError, ValueError, RecursionError):
        return None
    return _decode_other(_as_ours(line))


def _decode_other(line: bytes) -> Known | OtherRecord | None:
    try:
        return _KNOWN.decode(line)
    except MsgspecError:
        pass
    try:
        # An event of the catalogue that does not fit its class is not a record.
        return None if _NAMED.decode(line).event in _WIRES else _OTHER.decode(line)
    except (MsgspecError, ValueError, RecursionError):
        return None


def _as_ours(line: bytes) -> bytes:
    """Return a line of PostHog's exports as one of ours: its properties may be JSON in a text."""
    try:
        exported = _EXPORTED.decode(line)
        if not isinstance(exported.properties, str):
            return line
        return json.encode(structs.replace(exported, properties=Raw(exported.properties.encode())))
    except (MsgspecError, ValueError, RecursionError):
        return line
