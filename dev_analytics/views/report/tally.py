"""The tally: one pass over the lines of a log, which counts each exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

from dev_analytics.views.report.forgotten import Forgotten
from dev_analytics.views.report.records import (
    LIB,
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
    decode_lines,
)
from dev_analytics.views.report.sessions import Sessions
from dev_analytics.views.report.source import Lines

MAX_NAMES: Final = 10_000
"""How many names of a kind are told apart: a log may be anybody's, and memory is not endless."""
MAX_HOURS: Final = 48
"""How many hours a log may span to be shown by the hour."""
FURTHER: Final = "further names"

_OURS: Final = frozenset({LIB, None})
"""What a record may say that it is of; one that does not say may be anybody's log."""
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

    def add_all(self, names: Sequence[tuple[str, ...]]) -> None:
        """Count each name."""
        for each, number in Counter(names).items():
            self.add(*each, number=number)


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
    records, broken, earlier, of_forgotten, of_others
        How many records were counted, how many lines are none, how many were left out as older,
        how many as records of those forgotten, and how many as records of another library.
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
    of_others: int = 0
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

    def add(self, block: bytes) -> int:
        """Count the lines of a block, and give how many there were."""
        # By columns, not record by record: what is the same for many is gathered first.
        lines = decode_lines(block)
        records, times = self._kept(lines)
        if not records:
            return len(lines)
        self.records += len(records)
        low, high = min(times), max(times)
        self.first = low if self.first is None else min(self.first, low)
        self.last = high if self.last is None else max(self.last, high)
        users = [each.distinct_id for each in records if each.distinct_id is not None]
        self.nobody += len(records) - len(users)
        self.users.update(map(hash, users))
        said = [each.properties for each in records]
        self.sessions.add_all(
            zip([each.session_id for each in said], [each.seq for each in said], strict=True)
        )
        by_kind: dict[type, tuple[list[Any], list[int]]] = {}
        for record, of_record, seconds in zip(records, said, times, strict=True):
            kind = type(record)
            if kind not in by_kind:
                by_kind[kind] = [], []
            of_kind, hours = by_kind[kind]
            of_kind.append(of_record)
            hours.append(seconds // 3600)
        for kind, (of_kind, hours) in by_kind.items():
            for hour, number in Counter(hours).items():
                self._spread(kind, hour, number)
            if kind is not OtherRecord:
                self.events.add(kind.__struct_config__.tag, number=len(of_kind))
            if kind in _COUNT:
                _COUNT[kind](self, of_kind)
        if OtherRecord in by_kind:
            others = [each for each in records if isinstance(each, OtherRecord)]
            self.events.add_all([(each.event,) for each in others])
        return len(lines)

    def _kept(self, lines: Sequence[Any]) -> tuple[list[Any], list[int]]:
        """Return the records that count, and their times; count the others by why they do not."""
        records = [each for each in lines if each is not None]
        self.broken += len(lines) - len(records)
        times = [int(each.timestamp.timestamp()) for each in records]
        of = {each.properties.lib for each in records}
        in_time = records and min(times) in _SECONDS and max(times) in _SECONDS
        if self.since is None and not self.forgotten and in_time and of <= _OURS:
            return records, times
        kept = [both for both in zip(records, times, strict=True) if self._counts(*both)]
        return [each for each, _ in kept], [seconds for _, seconds in kept]

    def _counts(self, record: Any, seconds: int) -> bool:
        if seconds not in _SECONDS:
            self.broken += 1
        elif record.properties.lib not in _OURS:
            self.of_others += 1
        elif self.since is not None and seconds < self.since:
            self.earlier += 1
        elif self.forgotten and record.distinct_id in self.forgotten:
            self.of_forgotten += 1
        else:
            return True
        return False

    def _spread(self, kind: type, hour: int, number: int) -> None:
        """Count how much of a kind there was in an hour."""
        moments = [_moment(self.days, hour // 24)]
        if hour in self.hours or len(self.hours) <= MAX_HOURS:
            moments.append(_moment(self.hours, hour))
        for moment in moments:
            moment.records += number
            if kind is CellRecord:
                moment.cells += number
            elif kind is ErrorRecord:
                moment.errors += number
            elif kind in (RequestRecord, EmbeddingRecord):
                moment.requests += number

    def _launched(self, said: Sequence[Any]) -> None:
        self.launches.add_all([(each.frontend, each.version) for each in said])

    def _cells(self, said: Sequence[Any]) -> None:
        for (outcome, ms), number in Counter([(c.outcome, c.duration_ms) for c in said]).items():
            self.outcomes.add(outcome, number=number)
            if ms is not None:
                name = outcome if (outcome,) in self.outcomes else FURTHER
                key = name, _rounded(ms)
                self.durations[key] = self.durations.get(key, 0) + number

    def _features(self, said: Sequence[Any]) -> None:
        self.features.add_all([(each.kind, each.name) for each in said])

    def _commands(self, said: Sequence[Any]) -> None:
        self.commands.add_all([(each.command,) for each in said])

    def _errors(self, said: Sequence[Any]) -> None:
        self.errors.add_all([(each.exception, each.package) for each in said])

    def _requests(self, said: Sequence[Any]) -> None:
        self.edit_formats.add_all([(each.edit_format,) for each in said])
        for each in said:
            name = each.provider, each.model
            if name not in self.models and len(self.models) >= MAX_NAMES:
                name = FURTHER, FURTHER
            asked = self.models.get(name)
            if asked is None:
                asked = self.models[name] = Asked()
            asked.requests += 1
            asked.failed += each.failed
            asked.input_tokens += each.input_tokens
            asked.output_tokens += each.output_tokens
            asked.cached += each.cached
            asked.reasoning += each.reasoning

    def _kernel_actions(self, said: Sequence[Any]) -> None:
        self.kernel_actions.add_all([(each.action, each.status) for each in said])

    def _file_actions(self, said: Sequence[Any]) -> None:
        self.file_actions.add_all([(each.action, each.kind) for each in said])


_COUNT: Final[dict[type, Callable[[Tally, Sequence[Any]], None]]] = {
    LaunchedRecord: Tally._launched,
    CellRecord: Tally._cells,
    FeatureRecord: Tally._features,
    CommandRecord: Tally._commands,
    ErrorRecord: Tally._errors,
    RequestRecord: Tally._requests,
    EmbeddingRecord: Tally._requests,
    KernelRecord: Tally._kernel_actions,
    FileRecord: Tally._file_actions,
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
    number = 0
    for block in source.blocks():
        number += counted.add(block)
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
    """Return two significant digits, as records have them: a log may have any number of values."""
    if duration < 100:
        return duration
    unit: int = 10 ** (len(str(duration)) - 2)
    return duration // unit * unit
