"""The tally: one pass over the lines of a log that counts each exactly once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

from dev_analytics.views.report.activity import Activity
from dev_analytics.views.report.forgotten import Forgotten
from dev_analytics.views.report.numbering import Numbering
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
"""How many names of a kind are counted separately: a log may have any number of them."""
FURTHER: Final = "further names"

_OURS: Final = frozenset({LIB, None})
"""The libraries whose records count; a record that names none may be anybody's."""
_SECONDS: Final = range(253_402_300_800)
"""The seconds of the years 1970 to 9999."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Counts(dict[tuple[str, ...], int]):
    """How often each name occurred; names beyond `MAX_NAMES` are counted as one."""

    def add(self, *names: str, number: int = 1) -> None:
        """Count a name, which may consist of parts."""
        before = self.get(names)
        if before is None and len(self) >= MAX_NAMES:
            names = (FURTHER,) * len(names)
            before = self.get(names)
        self[names] = (before or 0) + number

    def add_all(self, names: Iterable[tuple[str, ...]]) -> None:
        """Count each name."""
        for each, number in Counter(names).items():
            self.add(*each, number=number)


class Requests(Struct):
    """The sums of the requests to one model."""

    requests: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached: int = 0
    reasoning: int = 0


class Tally(Struct):
    """The counts.

    Attributes
    ----------
    source, own
        What was read, and whether that is this machine's own archive.
    since, forgotten
        Which records are left out: older ones, and those of these identifiers.
    records, broken, earlier, of_forgotten, of_others
        How many records were counted, how many lines are no records, and how many records were left
        out: as too old, of forgotten users, of other libraries.
    users, nobody
        The identifiers of users, and the number of records without one.
    durations
        The durations of cells in ms, by outcome; as they are rounded, there are few different ones.
    """

    source: Path
    own: bool = False
    since: datetime | None = None
    forgotten: Forgotten | None = None
    records: int = 0
    broken: int = 0
    earlier: int = 0
    of_forgotten: int = 0
    of_others: int = 0
    nobody: int = 0
    sessions: Sessions = field(default_factory=Sessions)
    users: Numbering = field(default_factory=Numbering)
    activity: Activity = field(default_factory=Activity)
    events: Counts = field(default_factory=Counts)
    launches: Counts = field(default_factory=Counts)
    features: Counts = field(default_factory=Counts)
    commands: Counts = field(default_factory=Counts)
    errors: Counts = field(default_factory=Counts)
    models: dict[tuple[str, str], Requests] = field(default_factory=dict)
    edit_formats: Counts = field(default_factory=Counts)
    outcomes: Counts = field(default_factory=Counts)
    durations: dict[tuple[str, int], int] = field(default_factory=dict)
    kernel_actions: Counts = field(default_factory=Counts)
    file_actions: Counts = field(default_factory=Counts)

    def add(self, block: bytes) -> int:
        """Count the lines of a block, and return how many there were."""
        # By column, not by record: equal values of many records are gathered first.
        lines = decode_lines(block)
        records, times = self._kept(lines)
        if not records:
            return len(lines)
        self.records += len(records)
        users = {each.distinct_id for each in records}
        if None in users:
            users.discard(None)
            self.nobody += sum(each.distinct_id is None for each in records)
        for user in users:
            self.users.number(user)
        said = [each.properties for each in records]
        self.sessions.add_all([(each.session_id, each.seq) for each in said])
        self.activity.span(times)
        by_kind: defaultdict[Any, list[Any]] = defaultdict(list)
        for kind, record in zip(map(type, records), records, strict=True):
            by_kind[kind].append(record)
        for kind, of_kind in by_kind.items():
            self.activity.add(kind, [_utc(each.timestamp) for each in of_kind])
            if kind is OtherRecord:
                self.events.add_all([(each.event,) for each in of_kind])
            else:
                self.events.add(kind.__struct_config__.tag, number=len(of_kind))
            said = [each.properties for each in of_kind]
            if kind in _NAMED:
                counts, *names = _NAMED[kind]
                columns = [map(attrgetter(name), said) for name in names]
                getattr(self, counts).add_all(zip(*columns, strict=True))
            if kind is CellRecord:
                self._add_cells(said)
            elif kind in (RequestRecord, EmbeddingRecord):
                self._add_requests(said)
        return len(lines)

    def _kept(self, lines: Sequence[Any]) -> tuple[list[Any], list[datetime]]:
        """Return the records that count, and their times; count the others by reason."""
        records = [each for each in lines if each is not None]
        self.broken += len(lines) - len(records)
        times = [each.timestamp for each in records]
        # If nothing is to be left out, records are not looked at one by one.
        if (
            records
            and not self.forgotten
            and {each.properties.lib for each in records} <= _OURS
            and {each.tzinfo for each in times} == {UTC}
            and min(times) >= max(_EPOCH, self.since or _EPOCH)
        ):
            return records, times
        kept = [each for each in records if self._counts(each)]
        return kept, [_utc(each.timestamp) for each in kept]

    def _counts(self, record: Any) -> bool:
        if int(record.timestamp.timestamp()) not in _SECONDS:
            self.broken += 1
        elif record.properties.lib not in _OURS:
            self.of_others += 1
        elif self.since is not None and record.timestamp < self.since:
            self.earlier += 1
        elif self.forgotten and record.distinct_id in self.forgotten:
            self.of_forgotten += 1
        else:
            return True
        return False

    def _add_cells(self, said: Sequence[Any]) -> None:
        for (outcome, ms), number in Counter([(c.outcome, c.duration_ms) for c in said]).items():
            self.outcomes.add(outcome, number=number)
            if ms is not None:
                name = outcome if (outcome,) in self.outcomes else FURTHER
                key = name, _rounded(ms)
                self.durations[key] = self.durations.get(key, 0) + number

    def _add_requests(self, said: Sequence[Any]) -> None:
        by_model: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
        for each in said:
            by_model[each.provider, each.model].append(each)
        for name, requests in by_model.items():
            if name not in self.models and len(self.models) >= MAX_NAMES:
                name = FURTHER, FURTHER
            sums = self.models.get(name)
            if sums is None:
                sums = self.models[name] = Requests()
            sums.requests += len(requests)
            sums.failed += sum([each.failed for each in requests])
            sums.input_tokens += sum([each.input_tokens for each in requests])
            sums.output_tokens += sum([each.output_tokens for each in requests])
            sums.cached += sum([each.cached for each in requests])
            sums.reasoning += sum([each.reasoning for each in requests])


_NAMED: Final[Mapping[type, tuple[str, ...]]] = {
    LaunchedRecord: ("launches", "frontend", "version"),
    FeatureRecord: ("features", "kind", "name"),
    CommandRecord: ("commands", "command"),
    ErrorRecord: ("errors", "exception", "package"),
    RequestRecord: ("edit_formats", "edit_format"),
    EmbeddingRecord: ("edit_formats", "edit_format"),
    KernelRecord: ("kernel_actions", "action", "status"),
    FileRecord: ("file_actions", "action", "kind"),
}
"""The counts in the tally that records of a kind add to, and the properties that name what."""


def tally(
    source: Lines,
    since: datetime | None = None,
    progress: Callable[[float | None, int], None] = lambda done, records: None,
    forgotten: Forgotten | None = None,
) -> Tally:
    """Count the records of `source`.

    Parameters
    ----------
    source
        What is read.
    since, forgotten
        Which records are left out: older ones, and those of these identifiers.
    progress
        Called now and then with the part that was read, from 0 to 1, and the number of records.

    Raises
    ------
    ReportError
        It cannot be read.
    """
    counted = Tally(source.path, source.own, since, forgotten)
    number = 0
    for block in source.blocks():
        number += counted.add(block)
        progress(source.done, number)
    return counted


def _utc(time: datetime) -> datetime:
    """Return a time of the years 1970 to 9999 in UTC, as nearly all records have it."""
    return time if time.tzinfo is UTC else datetime.fromtimestamp(int(time.timestamp()), UTC)


def _rounded(duration: int) -> int:
    """Return two significant digits, as in records: a log may have any number of values."""
    if duration < 100:
        return duration
    unit: int = 10 ** (len(str(duration)) - 2)
    return duration // unit * unit
