"""The spool's writer: one file for each process, one ``write`` for each record.

A process locks the file that it writes, so that whoever gets the lock knows that the writer is
gone: ``kill -9`` loses nothing. When a file is due, it is renamed and belongs to the sender. A
forked child has a file of its own. There is no mmap and no database, so it works on NFS too.

A process that is recording always has a file, even an empty one, which shows others that it is.

If somebody has deleted or moved the file, the writer notices before the next record, begins another
one, and counts what was lost. Where machines do not share locks, a sender on another machine may
have taken it: what came too late for that sender is written again.

A file is for one destination, which is in its name: the one in the settings when it is begun. When
the settings change, another file is begun. A process that knows no settings names no destination.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dev_analytics.delivery import LIVE, READY, Delivery, files, folder_of
from dev_analytics.delivery.launcher import Launcher
from dev_analytics.delivery.lines import FileClosedError, FileGoneError, LineFile
from dev_analytics.process.descriptors import NoLocksError, lock, make_folder, open_above
from dev_analytics.process.handlers import Refusals, pass_on
from dev_analytics.process.native import Clock, RLock, open_file, urandom
from dev_analytics.process.systems import unlock_now

MAX_BYTES: Final = 4 * 2**20
"""How large a file becomes before it is handed to the sender, due or not."""

NO_LOCKS_SECONDS: Final = 60.0
"""How long to wait before trying again on a file system without locks, in seconds."""


LOOKED_AT: Final = 2**16
"""How much at the end of a file is looked at for a record that was just written, in bytes."""


class RevokedError(OSError):
    """The user of these records does not agree any longer."""


class Spool:
    """Keeps accepted records on disk until a sender has delivered them.

    Parameters
    ----------
    data
        The data directory.
    launcher
        Starts a sender when something is due, and at the end of the process.
    agrees
        Returns whether the user with this identifier agrees now.
    """

    def __init__(
        self,
        data: Path,
        launcher: Launcher,
        agrees: Callable[[str], bool] = lambda user_id: True,
    ) -> None:
        self._agrees = agrees
        self._data = data
        self._folder = folder_of(data)
        self._launcher = launcher
        self._lock = RLock()
        self._file: LineFile | None = None
        self._user_id = ""
        self._delivery: Delivery | None = None
        self._size = 0
        self._max_size: float = MAX_BYTES
        self._due = 0.0
        self._no_locks_until = 0.0
        self._handed_over: Path | None = None

    def accept(self, record: bytes, user_id: str, recipient: str) -> None:
        """Keep the bytes of one record; it is dropped where the user no longer agrees.

        So is one for another recipient than that of now: a record that an event in another thread
        has overtaken tells a new recipient nothing of the time before.

        Raises
        ------
        OSError
            The disk takes no more; the record is lost.
        """
        try:
            with self._lock:
                file, delivery = self._file, self._launcher.delivery()
                if recipient != (delivery or Delivery).recipient:
                    raise RevokedError("the recording has ended")
                if file is None or user_id != self._user_id or delivery is not self._delivery:
                    file = self._file_for(user_id, delivery)
                now = Clock.monotonic()
                if not self._size:
                    self._due = now + self._flush_seconds()
                try:
                    file.append_held(record, now)
                except FileGoneError:
                    file = self._find(file, user_id)
                    file.append_held(record, now)
                except FileClosedError:
                    # A signal handler has just recorded an event in this thread, and handed the
                    # file over.
                    return self.accept(record, user_id, recipient)
                self._size += len(record) + 1
                due, large = now >= self._due, self._size >= self._max_size
                if due or large:
                    self._begin_next(user_id, also_beside_another=large)
        except RevokedError:
            self._launcher.drops.count("consent withdrawn")
        else:
            if due or self._launcher.gave_way:
                self._launcher.start()
            if large:
                self._launcher.bound_spool()

    def has(self, record: bytes) -> bool:
        """Return whether a record is the last one in a file, or a signal handler's is after it."""
        file, ready = self._file, self._handed_over
        # One that is being handed over may have either name.
        handed_over = () if ready is None else (ready, _live(ready))
        for path in (*((file.path,) if file else ()), *handed_over):
            with Refusals(), open_file(path, "rb", opener=open_above) as opened:
                opened.seek(-min(LOOKED_AT, opened.seek(0, os.SEEK_END)), os.SEEK_END)
                if record in opened.read():
                    return True
        return False

    def resume(self) -> None:
        """Start a sender if earlier processes left anything for it here."""
        delivery = self._launcher.delivery()
        if delivery is not None and files(self._data, delivery.destination):
            self._launcher.start()

    def rest(self) -> None:
        """Hand over what there is to the next sender, which starts at the end at the latest."""
        if self._file is not None:
            with self._lock:
                self._hand_over(also_beside_another=True)

    def close(self, *, at_exit: bool) -> None:
        """Hand over the rest, and start a sender for it."""
        with self._lock:
            waits = (self._file is not None and self._size > 0) or self._is_waiting()
            self._hand_over(also_beside_another=True)
        if waits and at_exit:
            self._launcher.start_at_exit()
        elif waits:
            self._launcher.start_at_unload()
        elif self._user_id:
            self._launcher.store_drops()

    def purge(self) -> None:
        """Delete what this process has not handed over."""
        with self._lock:
            self._user_id = ""
            if self._file is not None:
                self._discard(self._file)

    def after_fork(self) -> None:
        """Release the parent's file, and the lock in case one of its threads held it.

        The descriptor is closed: otherwise the parent's lock would last as long as the child.
        """
        file, self._file = self._file, None
        self._lock = RLock()
        self._handed_over = None
        self._launcher.after_fork()
        if file is not None:
            file.abandon()

    def _file_for(self, user_id: str, delivery: Delivery | None) -> LineFile:
        """Return the file for records of this user to this destination, a new one if need be.

        Raises
        ------
        OSError
            It cannot be begun.
        """
        file = self._file
        if file is not None and delivery is not self._delivery:
            file = self._follow(delivery)
        if file is None or user_id != self._user_id:
            file = self._open(user_id, delivery)
        return file

    def _begin_next(self, user_id: str, *, also_beside_another: bool) -> None:
        """Hand over the file, and begin another one."""
        self._hand_over(also_beside_another=also_beside_another)
        if self._file is None:
            with Refusals():
                self._open(user_id, self._launcher.delivery())

    def _open(self, user_id: str, delivery: Delivery | None) -> LineFile:
        """Begin a file. It gets its name only once it is locked, so that no process adopts it.

        Raises
        ------
        RevokedError
            The user does not agree any longer; there is no file.
        OSError
            It cannot be begun.
        """
        if not self._agrees(user_id):
            # A record that comes late deletes none of a later user's.
            if user_id == self._user_id:
                self.purge()
            raise RevokedError("the user does not agree")
        if self._file is not None:
            if user_id == self._user_id:
                # A signal handler has just recorded an event in this thread.
                return self._file_for(user_id, delivery)
            self._discard(self._file)
        self._user_id = user_id
        if Clock.monotonic() < self._no_locks_until:
            raise NoLocksError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        self._delivery = delivery
        self._limit()
        make_folder(self._folder)
        name = urandom(8).hex()
        if delivery is not None:
            name = f"{name}-{delivery.destination}"
        new, live = self._folder / f"{name}.new", self._folder / f"{name}{LIVE}"
        file: LineFile | None = None
        try:
            file = LineFile(new)
            lock(file.descriptor)
            new.rename(live)
            file.path = live
            if self._file is None or user_id != self._user_id:
                self._file, self._size = file, 0
        except BaseException as error:
            if file is not None:
                self._discard(file)
            with Refusals():
                new.unlink()
            if issubclass(type(error), NoLocksError):
                self._no_locks_until = Clock.monotonic() + NO_LOCKS_SECONDS
            raise
        if self._file is not file:
            # A signal handler again.
            self._discard(file)
            return self._file_for(user_id, delivery)
        # This process may have been stopped since it last checked. From now on an opt-out sees the
        # file.
        if not self._agrees(user_id):
            self.purge()
            raise RevokedError("the user does not agree")
        if delivery is None:
            # It starts no sender, and may end before a thread gets to run.
            self._launcher.bound_spool(at_once=True)
        return file

    def _discard(self, file: LineFile) -> None:
        """Close and delete a file."""
        if self._file is file:
            self._file = None
        file.close()
        with Refusals():
            file.path.unlink()

    def _limit(self) -> None:
        """Set the maximum size of a file, which leaves most of a small spool to others."""
        self._max_size = min(MAX_BYTES, (self._delivery or Delivery).max_mib * 2**20 / 8)

    def _find(self, file: LineFile, user_id: str) -> LineFile:
        """Return a file that is not where it was, or one that replaces it.

        Raises
        ------
        OSError
            No file can be begun.
        """
        if file.is_at(_ready(file.path)):
            # A sender on another machine has it, and will read it to its end.
            file.path = _ready(file.path)
            if file.find():
                return file
        return self._replace(file, user_id)

    def _replace(self, gone: LineFile, user_id: str) -> LineFile:
        """Begin a file that replaces a lost one, and account for the records that were in that.

        Raises
        ------
        OSError
            No file can be begun.
        """
        counts = self._launcher.drops.counts
        before = counts["deleted from the spool by somebody"]
        try:
            if self._file is gone:
                # At once, so that an event of a signal handler does not count it again.
                self._file = None
            late = self._count_gone(gone)
        except BaseException:
            # After an interrupt the next event counts what was lost, if this one has not.
            if counts["deleted from the spool by somebody"] == before:
                self._file = self._file or gone
            raise
        gone.close()
        try:
            file = self._open(user_id, self._delivery)
        except RevokedError:
            self._launcher.drops.count("consent withdrawn", len(late))
            raise
        for line in late:
            file.append_held(line, Clock.monotonic())
            self._size += len(line) + 1
        return file

    def _count_gone(self, gone: LineFile) -> list[bytes]:
        """Count what was lost with a file, and return what came too late for its sender."""
        if gone.is_at(gone.path):
            # Only its descriptor was closed, as daemons do it: a sender will take the file as it
            # is.
            return []
        # Loaded here, as the first event would have to wait for it.
        from dev_analytics.delivery.ledger import read_ledger

        settled = read_ledger(self._data).settled.get(_ready(gone.path).name)
        with Refusals():
            late = gone.tail(settled or 0)
            if settled is not None:
                return late
            self._launcher.drops.count("deleted from the spool by somebody", len(late))
        return []

    def _follow(self, delivery: Delivery | None) -> LineFile | None:
        """Follow changed settings; what was recorded under the former ones is handed over."""
        if _destination(self._delivery) != _destination(delivery):
            self._hand_over(also_beside_another=True)
            # Its sender may not come soon, and must not delay the records for the new one.
            self._handed_over = None
        self._delivery = delivery
        self._limit()
        # A shorter interval holds for what already waits, too.
        self._due = min(self._due, Clock.monotonic() + self._flush_seconds())
        return self._file

    def _hand_over(self, *, also_beside_another: bool) -> None:
        """Hand the file over, but no second small one while the sender has not taken the first."""
        self._due = Clock.monotonic() + self._flush_seconds()
        if self._file is None or (self._is_waiting() and not also_beside_another):
            return
        if self._size and not self._file.find():
            try:
                self._find(self._file, self._user_id)
            except OSError as error:
                pass_on(error)
                self._file = None
                return
        ready = _ready(self._file.path)
        if self._size:
            # First, as `has` looks there after an interrupt.
            self._handed_over = ready
        file, size, self._file = self._file, self._size, None
        with Refusals():
            if size:
                file.path.rename(ready)
            else:
                file.path.unlink()
        # A child that was just forked may have the descriptor, and thus the lock.
        with Refusals():
            unlock_now(file.descriptor)
        file.close()

    def _is_waiting(self) -> bool:
        return self._handed_over is not None and self._handed_over.exists()

    def _flush_seconds(self) -> float:
        delivery = self._launcher.delivery()
        return (delivery or Delivery).flush_seconds


def _destination(delivery: Delivery | None) -> str:
    return "" if delivery is None else delivery.destination


def _live(ready: Path) -> Path:
    """Return the name that a file had before it was handed to the sender."""
    return ready.with_name(ready.name.removesuffix(READY) + LIVE)


def _ready(file: Path) -> Path:
    """Return the name of a live file after it is handed to the sender; it may have it already."""
    return file.with_name(file.name.removesuffix(LIVE).removesuffix(READY) + READY)
