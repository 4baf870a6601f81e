"""The process of the sender: what it is given, and for which destinations it works.

`dev_analytics.process.entry` calls `begin` in a detached process.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Mapping
from pathlib import Path

from dev_analytics.consent.environment import place_of
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import spool_name
from dev_analytics.delivery.agreed import give_to_archive
from dev_analytics.delivery.attempts import FIRST_PAUSE
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.notes import Notes
from dev_analytics.delivery.sender import Sender
from dev_analytics.delivery.turns import lock_file, turn
from dev_analytics.destinations import ARCHIVE, destination_of
from dev_analytics.process.systems import give_way, leave_folder


def begin(options: Mapping[str, object]) -> None:
    """Run the sender with the options that the launcher gives, by their names."""
    # This shows the launcher that it began, even if another sender is already at work.
    with contextlib.suppress(OSError):
        lock_file(Path(str(options["data"])), ARCHIVE).touch(0o600)
    # With an equals sign, a value may begin with a dash.
    arguments = [f"--{name}={value}" for name, value in options.items() if name != "data"]
    main([*arguments, "--", str(options["data"])])


def main(arguments: list[str] | None = None) -> None:
    """Run the sender with command-line arguments."""
    parser = argparse.ArgumentParser(description="Deliver what waits in the spool.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--recipient", default=ARCHIVE)
    parser.add_argument("--max-days", type=float, required=True)
    parser.add_argument("--first-pause", type=float, default=FIRST_PAUSE)
    parser.add_argument("--other", type=Path)
    options = parser.parse_args(arguments)
    leave_folder(options.data)
    give_way()
    place = place_of(options.data, options.other)
    give_to_archive(Backlog(options.data), ConsentStore(options.data, place))
    # The archive first: that is quick, and needs nothing from a session.
    for recipient in dict.fromkeys((ARCHIVE, options.recipient)):
        _deliver(recipient, options)


def _deliver(recipient: str, options: argparse.Namespace) -> None:
    """Deliver the records that wait for `recipient`, if there are any."""
    name = spool_name(recipient)
    _, *fields = recipient.split(" ")
    if not Backlog(options.data).files(name):
        return
    destination = destination_of(recipient)
    try:
        # Most senders find another one at work, and should end before the slow imports.
        with turn(options.data, name):
            transport = destination.open(options.data, fields)
        Sender(
            options.data,
            transport,
            max_days=options.max_days,
            recipient=recipient,
            first_pause=options.first_pause,
            other=options.other,
        ).run()
    except TimeoutError:
        return
    except ImportError:
        Notes(options.data, name).failed(f"{destination.package} is not installed")
    except Exception as error:
        Notes(options.data, name).failed(f"the sender failed ({type(error).__name__})")
