"""The process of the sender: what it is given, and for which destinations it works.

`dev_analytics.process.entry` calls `begin` in a detached process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dev_analytics.consent.environment import place_of
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import files, spool_name
from dev_analytics.delivery.agreed import give_to_archive
from dev_analytics.delivery.attempts import FIRST_PAUSE
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.notes import Notes
from dev_analytics.delivery.sender import Sender
from dev_analytics.delivery.turns import lock_file, turn
from dev_analytics.destinations import ARCHIVE, destination_of
from dev_analytics.process.systems import give_way, leave_folder


def begin(options: Mapping[str, Any]) -> None:
    """Run the sender with the options that the launcher gives."""
    # This shows the launcher that it began, even if another sender is already at work.
    with contextlib.suppress(OSError):
        lock_file(Path(options["data"]), ARCHIVE).touch(0o600)
    run(**options)


def run(
    data: str,
    max_days: float,
    recipient: str = ARCHIVE,
    other: str | None = None,
    first_pause: float = FIRST_PAUSE,
) -> None:
    """Deliver what waits for the archive and for `recipient`; see `Sender` for the others."""
    folder = Path(data)
    elsewhere = None if other is None else Path(other)
    leave_folder(folder)
    give_way()
    give_to_archive(Backlog(folder), ConsentStore(folder, place_of(folder, elsewhere)))
    # The archive first: that is quick, and needs nothing from a session.
    for each in dict.fromkeys((ARCHIVE, recipient)):
        _deliver(folder, each, max_days=max_days, other=elsewhere, first_pause=first_pause)


def _deliver(data: Path, recipient: str, **options: Any) -> None:
    """Deliver the records that wait for `recipient`, if there are any."""
    name = spool_name(recipient)
    _, *fields = recipient.split(" ")
    if not files(data, name):
        return
    destination = destination_of(recipient)
    try:
        # Most senders find another one at work, and should end before the slow imports.
        with turn(data, name):
            transport = destination.open(data, fields)
        Sender(data, transport, recipient=recipient, **options).run()
    except TimeoutError:
        return
    except ImportError:
        Notes(data, name).failed(f"{destination.package} is not installed")
    except Exception as error:
        Notes(data, name).failed(f"the sender failed ({type(error).__name__})")
