"""The tally: one pass over the lines of a log, which counts each exactly once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

from dev_analytics.views.report.forgotten import Forgotten
from dev_analytics.views.report.records import (
    CellRecord,
    CommandRecord,
    EmbeddingRecord,
    ErrorRecord,
    FeatureRecord,
    FileRecord,
    KernelRecord,
    LaunchedRecord,
    OtherRecord,
    RequestRecord,
    decode,
)
from dev_analytics.views.report.sessions import Sessions
from dev_analytics.views.report.source import Lines

MAX_NAMES: Final = 10_000
"""How many names of a kind are told apart: a log may be anybody's, and memory is not endless."""
MAX_HOURS: Final = 48
"""How many hours a log may span to be shown by the hour."""
FURTHER: Final = "further names"

_EVERY: Final = 5_000
_SECONDS: Final = range(253_402_300_800)
"""The seconds of the years 1970 to 9999."""


class Counts(dict[tuple[str, ...], int]):
    """How often each name came; the names beyond `MAX_NAMES` are counted as one."""

    def add(self, *names: str, number: int = 1) -> None:
        """Count a name, which may have parts."""
        before = self.get(names)
        if before is None and len(self) >= MAX_NAMES:
            names = (FURTHER,) * len(names)
            before = self.get(names)
        self[names] = (before or 0) + number


class Asked(Struct):
    """What was asked of one model."""

    requests: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached: int = 0
    reasoning: int = 0


class Moment(Struct):
    """What happened in an hour or on a day."""

    records: int = 0
    cells: int = 0
    errors: int = 0
    requests: int = 0


class Tally(Struct):
    """What was counted.

    Attributes
    ----------
    source
        What was read.
    own
        That is this machine's own archive.
    since
        What is older is left out, in seconds since the epoch.
    forgotten
        Whose records are left out.
    records, broken, earlier, of_forgotten
        How many records were counted, how many lines are none, how many were left out as older,
        and how many as records of those forgotten.
    first, last
        The earliest and the latest time, in seconds since the epoch.
    sessions, users, nobody
        The sessions, the hashes of the users' identifiers, the records without one.
    hours, days
        What happened in each, by its number since the epoch. There are few hours, or all.
    durations
        How many cells took how long, in ms, by outcome; they are rounded, so there are few.
    """

    source: Path
    own: bool = False
    since: float | None = None
    forgotten: Forgotten | None = None
    records: int = 0
    broken: int = 0
    earlier: int = 0
    of_forgotten: int = 0
    first: int | None = None
    last: int | None = None
    nobody: int = 0
    sessions: Sessions = field(default_factory=Sessions)
    users: set[int] = field(default_factory=set)
    hours: dict[int, Moment] = field(default_factory=dict)
    days: dict[int, Moment] = field(default_factory=dict)
    events: Counts = field(default_factory=Counts)
    launches: Counts = field(default_factory=Counts)
    features: Counts = field(default_factory=Counts)
    commands: Counts = field(default_factory=Counts)
    errors: Counts = field(default_factory=Counts)
    models: dict[tuple[str, str], Asked] = field(default_factory=dict)
    edit_formats: Counts = field(default_factory=Counts)
    outcomes: Counts = field(default_factory=Counts)
    durations: dict[tuple[str, int], int] = field(default_factory=dict)
    kernel_actions: Counts = field(default_factory=Counts)
    file_actions: Counts = field(default_factory=Counts)

    def add(self, line: bytes) -> None:
        """Count one line."""
        record = decode(line)
        if record is None:
            self.broken += 1
            return
        seconds = int(record.timestamp.timestamp())
        if seconds not in _SECONDS:
            self.broken += 1
        elif self.since is not None and seconds < self.since:
            self.earlier += 1
        elif self.forgotten and record.distinct_id in self.forgotten:
            self.of_forgotten += 1
        else:
            self._count(record, seconds)

    def _count(self, record: Any, seconds: int) -> None:
        self.records += 1
        if self.first is None or seconds < self.first:
            self.first = seconds
        if self.last is None or seconds > self.last:
            self.last = seconds
        said = record.properties
        if said.session_id is not None:
            self.sessions.add(said.session_id, said.seq)
        if record.distinct_id is None:
            self.nobody += 1
        else:
            self.users.add(hash(record.distinct_id))
        hour = seconds // 3600
        moments = [_moment(self.days, hour // 24)]
        if hour in self.hours or len(self.hours) <= MAX_HOURS:
            moments.append(_moment(self.hours, hour))
        for moment in moments:
            moment.records += 1
        kind = type(record)
        if kind is OtherRecord:
            self.events.add(record.event)
            return
        self.events.add(kind.__struct_config__.tag)
        count = _COUNT.get(kind)
        if count:
            count(self, said, moments)

    def _launched(self, said: Any, moments: list[Moment]) -> None:
        self.launches.add(said.frontend, said.version)

    def _cell(self, said: Any, moments: list[Moment]) -> None:
        self.outcomes.add(said.outcome)
        for moment in moments:
            moment.cells += 1
        if said.duration_ms is not None:
            key = said.outcome, _rounded(said.duration_ms)
            self.durations[key] = self.durations.get(key, 0) + 1

    def _feature(self, said: Any, moments: list[Moment]) -> None:
        self.features.add(said.kind, said.name)

    def _command(self, said: Any, moments: list[Moment]) -> None:
        self.commands.add(said.command)

    def _error(self, said: Any, moments: list[Moment]) -> None:
        self.errors.add(said.exception, said.package)
        for moment in moments:
            moment.errors += 1

    def _request(self, said: Any, moments: list[Moment]) -> None:
        for moment in moments:
            moment.requests += 1
        self.edit_formats.add(said.edit_format)
        name = said.provider, said.model
        if name not in self.models and len(self.models) >= MAX_NAMES:
            name = FURTHER, FURTHER
        asked = self.models.setdefault(name, Asked())
        asked.requests += 1
        asked.failed += said.failed
        asked.input_tokens += said.input_tokens
        asked.output_tokens += said.output_tokens
        asked.cached += said.cached
        asked.reasoning += said.reasoning

    def _kernel_action(self, said: Any, moments: list[Moment]) -> None:
        self.kernel_actions.add(said.action, said.status)

    def _file_action(self, said: Any, moments: list[Moment]) -> None:
        self.file_actions.add(said.action, said.kind)


_COUNT: Final[dict[type, Callable[[Tally, Any, list[Moment]], None]]] = {
    LaunchedRecord: Tally._launched,
    CellRecord: Tally._cell,
    FeatureRecord: Tally._feature,
    CommandRecord: Tally._command,
    ErrorRecord: Tally._error,
    RequestRecord: Tally._request,
    EmbeddingRecord: Tally._request,
    KernelRecord: Tally._kernel_action,
    FileRecord: Tally._file_action,
}


def tally(
    source: Lines,
    since: datetime | None = None,
    progress: Callable[[float | None, int], None] = lambda done, records: None,
    forgotten: Forgotten | None = None,
) -> Tally:
    """Count what `source` holds.

    Parameters
    ----------
    source
        What is read.
    since
        What is older is left out.
    progress
        Is told now and then how much was read, from 0 to 1, and how many records there were.

    forgotten
        Whose records are left out.

    Raises
    ------
    ReportError
        It cannot be read.
    """
    counted = Tally(source.path, source.own, since.timestamp() if since else None, forgotten)
    for number, line in enumerate(source.lines(), 1):
        counted.add(line)
        if not number % _EVERY:
            progress(source.done, number)
    return counted


def day(number: int) -> str:
    """Write a day by its number since the epoch."""
    return datetime.fromtimestamp(number * 86_400, UTC).strftime("%Y-%m-%d")


def _moment(moments: dict[int, Moment], number: int) -> Moment:
    moment = moments.get(number)
    if moment is None:
        moment = moments[number] = Moment()
    return moment


def _rounded(duration: int) -> int:
    """Keep two significant digits, as records have them: of anybody's there would be too many."""
    if duration < 100:
        return duration
    unit: int = 10 ** (len(str(duration)) - 2)
    return duration // unit * unit
