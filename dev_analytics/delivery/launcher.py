"""Starts senders, as processes that the kernel has nothing more to do with.

``python -P -m``: nothing in the notebook's folder is imported, and the package is found however
this process found it: virtual environment, user site, ``PYTHONPATH``, editable install.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import change_ledger
from dev_analytics.drops import Drop, DropLedger

MODULE: Final = "dev_analytics.delivery.sender"
_PACKAGE_FOLDER: Final = Path(__file__).parent.parent.parent
_NEEDED: Final = frozenset(
    {"CI", "CURL_CA_BUNDLE", "DO_NOT_TRACK", "HOME", "LANG", "LANGUAGE", "PATH"}
    | {"REQUESTS_CA_BUNDLE", "TMPDIR", "TZ", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}
)
_NEEDED_BEGINNINGS: Final = (
    *("PYTHON", "CONDA_PREFIX", "GUIX_", "NIX_", "LD_", "DYLD_", "LC_"),
    *("DEV_ANALYTICS", "XDG_", "SSL_", "OPENSSL_"),
)
"""Variables that a sender is given: to find Python and the package, a proxy, certificates, the
system's folders, and what has a say in consent."""

_LATER: Final = ("/bin/sh", "-c", 'sleep 0.5; unset PWD OLDPWD; exec "$0" "$@"')
"""A sender's imports beside a process that ends would make its end twice as long. A shell would
tell it the notebook's folder."""


class Delivery(Struct, frozen=True):
    """Where records go, and how long they may wait.

    Attributes
    ----------
    flush_seconds
        How long a record waits for others before a sender is started, in seconds.
    project_key
        PostHog's public project key; empty for the embedded archive.
    host
        PostHog's address.
    most_mib
        How large the spool may become, in MiB.
    most_days
        How old a record may become in it, in days.
    """

    flush_seconds: float = 60.0
    project_key: str = ""
    host: str = "https://us.i.posthog.com"
    most_mib: float = 50.0
    most_days: float = 30.0


class Launcher:
    """Starts senders for one data directory.

    Parameters
    ----------
    data
        The data directory.
    drops
        What this process dropped; stored before a sender is started.

    Attributes
    ----------
    delivery
        What a sender is told. None in a process that knows no settings, as a worker of a pool: it
        starts none, and leaves what it writes to a process that does.
    failure
        Why the last one could not be started, in words; empty if it was.
    """

    def __init__(self, data: Path, drops: DropLedger, delivery: Delivery | None) -> None:
        self.delivery = delivery
        self.failure = ""
        self._data = data
        self._drops = drops

    def start(self) -> None:
        """Start a sender without waiting for it; never raises."""
        if self.delivery is None:
            return
        try:
            threading.Thread(target=self._start_and_reap, daemon=True).start()
        except RuntimeError:
            # At the end of a process there are no new threads, and nobody left to reap for.
            self._start()

    def start_at_exit(self) -> None:
        """Start a sender at the end of this process, whose children then are init's."""
        self._start(_LATER)

    def _start_and_reap(self) -> None:
        process = self._start()
        if process is not None:
            # It ends at once, as its child is the sender. Somebody else may have waited for it.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, 0)

    def _start(self, before: Sequence[str] = ()) -> int | None:
        delivery = self.delivery
        if delivery is None:
            return None
        self._trim(delivery)
        self.store_drops()
        try:
            if not sys.executable:
                raise OSError("no Python to start")
            quiet = [
                (os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_RDWR, 0)
                for descriptor in (0, 1, 2)
            ]
            if not os.access(sys.executable, os.X_OK):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            command = [*before, *self._arguments(delivery)]
            process = os.posix_spawn(
                command[0],
                command,
                environment(),
                file_actions=quiet,
                setsid=True,
            )
        except (OSError, ValueError, AttributeError, NotImplementedError) as error:
            self.failure = getattr(error, "strerror", None) or str(error)
            return None
        self.failure = ""
        return process

    def _trim(self, delivery: Delivery) -> None:
        most_bytes = int(delivery.most_mib * 2**20)
        if dropped := Backlog(self._data).trim(most_bytes):
            self._drops.count(Drop.SPOOL_FULL, dropped)

    def store_drops(self) -> None:
        """Add what this process dropped to the ledger on disk."""
        counts = self._drops.unstored()
        if counts:
            named = {drop.value: number for drop, number in counts.items()}
            # Where the ledger cannot be written now, the counts stay for the next time.
            with contextlib.suppress(OSError):
                change_ledger(self._data, lambda ledger: ledger.add_dropped(named), wait=0.1)
                self._drops.stored(counts)

    def _arguments(self, delivery: Delivery) -> list[str]:
        options = [str(self._data), f"--most-days={delivery.most_days}"]
        if delivery.project_key:
            options += [f"--project-key={delivery.project_key}", f"--host={delivery.host}"]
        return [sys.executable, "-P", "-m", MODULE, *options]


def environment() -> dict[str, str]:
    """Give a sender's environment: of this one, what Python, the network and consent need.

    The keys and words that a user keeps in others, or a notebook puts there, are no business of
    its. The notebook's folder is not on its path, unless the package itself is there: a checkout
    that is worked in.
    """
    own = {name: value for name, value in os.environ.items() if _is_needed(name)}
    named = filter(None, own.pop("PYTHONPATH", "").split(os.pathsep))
    kept = [entry for entry in named if _is_safe(Path(entry))]
    if kept:
        own["PYTHONPATH"] = os.pathsep.join(str(Path(entry).absolute()) for entry in kept)
    return own


def _is_needed(name: str) -> bool:
    if name == "PYTHONINSPECT":
        return False
    return name in _NEEDED or name.startswith(_NEEDED_BEGINNINGS) or name.lower().endswith("_proxy")


def _is_safe(entry: Path) -> bool:
    try:
        return not entry.samefile(Path.cwd()) or entry.samefile(_PACKAGE_FOLDER)
    except OSError:
        # A folder does not exist: if it is the one that this process stands in, "." is lost.
        return entry.is_absolute()
