"""The ledger of delivery: what was delivered and dropped so far, and what happened most recently.

It survives restarts and is shared by all processes: each adds its counts under a lock, or by way of
`dev_analytics.delivery.pending` if another process holds the lock for long. It holds numbers,
times, reasons and names of files, and nothing of any event. The progress in a file of the spool is
written together with the counts, so that after the end of a killed sender some records are sent
again, but none is counted twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from dev_analytics.delivery import folder_of, pending
from dev_analytics.delivery.locks import locked
from dev_analytics.delivery.pending import Change, content_of, with_content
from dev_analytics.process.descriptors import NoLocksError, read_content, replace_content
from dev_analytics.process.handlers import pass_on

NAME: Final = "ledger.json"
LOCK_SECONDS: Final = 1.0
"""How long a sender waits for a process that writes the ledger, in seconds."""

MAX_SETTLED: Final = 32
"""How many deleted files the ledger still names: a writer may ask what became of its own."""

MAX_MERGED: Final = 64
"""How many of the pending changes that are in the ledger now it still names."""


class UnreadableError(OSError):
    """The ledger cannot be read, perhaps only now."""


class Ledger(NamedTuple):
    """The content of the ledger.

    Attributes
    ----------
    delivered
        Records that a destination acknowledged.
    dropped
        Records that were dropped, by reason.
    delivered_at, failed_at
        When something was last delivered, and when delivery last failed; RFC 3339, UTC.
    failure
        Why it failed, in plain words; empty after a successful delivery to the same destination.
    not_before
        The time before which the destination wants no request, in seconds since the epoch.
    failing
        The destination that failed; a delivery to another one does not clear `failure`.
    settled
        By the name of a file of the spool: the offset up to which its records are in the counts.
    replacing
        By the name of a file of the spool: the checksum of the file that is about to replace it,
        with all that is left of it; the rest is in the counts.
    merged
        The newest files of pending changes that are in this ledger, so that they are counted once
        even if a process is killed before it deletes them.
    """

    delivered: int = 0
    dropped: Mapping[str, int] = {}
    delivered_at: str = ""
    failed_at: str = ""
    failure: str = ""
    not_before: int = 0
    failing: str = ""
    settled: Mapping[str, int] = {}
    replacing: Mapping[str, int] = {}
    merged: Sequence[str] = []

    def add_dropped(self, counts: Mapping[str, int]) -> Ledger:
        """Return the ledger with `counts` added."""
        names = {**self.dropped, **counts}
        sums = {name: self.dropped.get(name, 0) + counts.get(name, 0) for name in names}
        return self._replace(dropped=sums)


def read_ledger(data: Path) -> Ledger:
    """Return the ledger with its pending changes; it is empty if missing, damaged or unreadable."""
    # Read before the ledger, which names what has just been merged into it.
    changes = pending.waiting(data)
    try:
        ledger = _stored(data)
    except UnreadableError:
        ledger = Ledger()
    return _with(ledger, changes, data)


def change_ledger(
    data: Path, change: Callable[[Ledger], Ledger], *, wait: float = LOCK_SECONDS
) -> None:
    """Replace the ledger by what `change` makes of it.

    Raises
    ------
    OSError
        It cannot be read or written, or another process held it for longer than `wait` seconds.
    """
    # The lock would create it, readable for everybody.
    if not data.is_dir():
        raise FileNotFoundError("there is no data directory")
    with _exclusive(data, wait):
        changes = pending.waiting(data)
        ledger = _with(_stored(data), changes, data)
        merged = list(dict.fromkeys([*ledger.merged[-MAX_MERGED:], *changes]))
        replace_content(data / NAME, content_of(change(ledger)._replace(merged=merged)))
        pending.delete(data, changes)


def add_to_ledger(data: Path, change: Change, *, wait: float = LOCK_SECONDS) -> bool:
    """Add `change` to the ledger, or keep it pending; return whether it was added.

    Raises
    ------
    OSError
        It can be neither added nor kept.
    """
    try:
        change_ledger(data, lambda ledger: changed(ledger, change, data), wait=wait)
    except (TimeoutError, UnreadableError) as error:
        pass_on(error)
        pending.put(data, change)
        return False
    return True


def changed(ledger: Ledger, change: Change, data: Path) -> Ledger:
    """Return the ledger of the data directory `data` with `change` added."""
    if change.delivered:
        ledger = ledger._replace(delivered_at=max(ledger.delivered_at, change.at))
        # What a file is replaced for has failed after that was delivered.
        if change.checksum is None and ledger.failing in ("", change.destination):
            ledger = ledger._replace(failure="", not_before=0, failing="")
    ledger = ledger.add_dropped(change.dropped) if change.dropped else ledger
    if not change.file:
        return ledger
    settled, replacing = dict(ledger.settled), dict(ledger.replacing)
    for known in (settled, replacing):
        known.pop(change.file, None)
        for name in list(known):
            if len(known) < MAX_SETTLED:
                break
            if not (folder_of(data) / name).exists():
                del known[name]
    if change.checksum is None:
        settled[change.file] = change.end
    else:
        replacing[change.file] = change.checksum
    delivered = ledger.delivered + change.delivered
    return ledger._replace(delivered=delivered, settled=settled, replacing=replacing)


@contextmanager
def _exclusive(data: Path, wait: float) -> Iterator[None]:
    """Keep other processes from changing the ledger."""
    with ExitStack() as stack:
        try:
            try:
                stack.enter_context(locked(data / "ledger.lock", wait=wait))
            except NoLocksError:
                from filelock import SoftFileLock

                from dev_analytics.process.library_log import unlogged

                # What was lost because there are no locks must be counted nevertheless.
                stack.enter_context(unlogged("filelock"))
                stack.enter_context(SoftFileLock(data / "ledger.held", timeout=wait))
        except TimeoutError as error:
            pass_on(error)
            raise TimeoutError("another process holds the ledger") from error
        yield


def _stored(data: Path) -> Ledger:
    """Return the ledger without its pending changes; a missing or damaged one counts as empty.

    Raises
    ------
    UnreadableError
        It is there, and to replace it would lose what it counts.
    """
    try:
        return with_content(Ledger(), read_content(data / NAME))
    except (FileNotFoundError, ValueError) as error:
        pass_on(error)
        return Ledger()
    except OSError as error:
        pass_on(error)
        raise UnreadableError(error.errno, error.strerror) from error


def _with(ledger: Ledger, changes: Mapping[str, Change], data: Path) -> Ledger:
    """Return the ledger with the pending `changes` that are not in it yet."""
    for name, change in changes.items():
        if name not in ledger.merged:
            ledger = changed(ledger, change, data)
    return ledger
