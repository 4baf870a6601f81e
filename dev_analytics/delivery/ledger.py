"""The ledger of delivery: what was delivered and dropped so far, and what happened last.

It survives restarts and is shared by all processes: each adds what it counted, under a lock. It
holds numbers, times, reasons and names of files, and nothing of any event. How far a file of the
spool is settled is written together with what that adds to the counts, so that a sender that is
killed sends some records again, and counts none of them twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct, json
from msgspec.structs import replace

from dev_analytics.delivery.locks import NoLocksError, locked
from dev_analytics.descriptors import open_above
from dev_analytics.native import open_file

NAME: Final = "ledger.json"
LOCK_SECONDS: Final = 1.0
"""How long a sender waits for a process that writes the ledger, in seconds."""


class Ledger(Struct, frozen=True, omit_defaults=True):
    """The content of the ledger.

    Attributes
    ----------
    delivered
        Records that a destination acknowledged.
    dropped
        Records that were not, by reason.
    delivered_at, failed_at
        When something was delivered, and when delivery failed, last; RFC 3339, UTC.
    failure
        Why it failed, in plain words; empty after a delivery to the same destination.
    not_before
        No request before this time, in seconds since the epoch: the destination asked for it.
    failing
        Which destination failed; a delivery to another one says nothing of it.
    settled
        By the name of a file of the spool: the offset up to which its records are in the counts.
    replacing
        By the name of a file of the spool: the checksum of what is about to take its place, where
        that is all that is left of it and the rest is in the counts.
    """

    delivered: int = 0
    dropped: dict[str, int] = {}
    delivered_at: str = ""
    failed_at: str = ""
    failure: str = ""
    not_before: int = 0
    failing: str = ""
    settled: dict[str, int] = {}
    replacing: dict[str, int] = {}

    def add_dropped(self, counts: Mapping[str, int]) -> Ledger:
        """Give the ledger with `counts` added."""
        names = {**self.dropped, **counts}
        sums = {name: self.dropped.get(name, 0) + counts.get(name, 0) for name in names}
        return replace(self, dropped=sums)


def read_ledger(data: Path) -> Ledger:
    """Read the ledger; one that is missing or damaged is empty."""
    try:
        return json.decode((data / NAME).read_bytes(), type=Ledger)
    except (OSError, ValueError, RecursionError):
        return Ledger()


def change_ledger(
    data: Path, change: Callable[[Ledger], Ledger], *, wait: float = LOCK_SECONDS
) -> None:
    """Replace the ledger by what `change` makes of it.

    Raises
    ------
    OSError
        It cannot be written, or another process held it for longer than `wait` seconds.
    """
    file = data / NAME
    # The lock would make it, for everybody to read.
    if not data.is_dir():
        raise FileNotFoundError("there is no data directory")
    with _exclusive(data, wait):
        new = file.with_name(f"{NAME}.new")
        with open_file(new, "wb", opener=open_above) as opened:
            opened.write(json.encode(change(read_ledger(data))))
        new.replace(file)


@contextmanager
def _exclusive(data: Path, wait: float) -> Iterator[None]:
    """Keep other processes from changing the ledger.

    Raises
    ------
    OSError
        Another process held it for longer than `wait` seconds, or there can be no lock.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(data / "ledger.lock", wait=wait))
        except NoLocksError:
            from filelock import SoftFileLock, Timeout

            # What was lost for the lack of locks has to be counted all the same.
            try:
                stack.enter_context(SoftFileLock(data / "ledger.held", timeout=wait))
            except Timeout as error:
                raise TimeoutError("another process holds the ledger") from error
        except TimeoutError as error:
            raise TimeoutError("another process holds the ledger") from error
        yield
