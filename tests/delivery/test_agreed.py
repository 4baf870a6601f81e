"""Nothing reaches a recipient whom the yes does not name: neither a record nor a connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_posthog import KEY, FakePostHog, to_posthog
from hypothesis import given
from hypothesis import strategies as st
from processes import archived

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import Delivery, spool_name
from dev_analytics.delivery.agreed import allowed, give_to_archive
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import add_to_ledger, read_ledger
from dev_analytics.delivery.locks import holding
from dev_analytics.delivery.pending import Change
from dev_analytics.delivery.sender import Sender
from dev_analytics.destinations import ARCHIVE
from dev_analytics.destinations.archive_file import Archive

Until = Callable[[Callable[[], bool]], None]

pytestmark = pytest.mark.usefixtures("agreed")

PROJECTS = [
    Delivery(recipient=to_posthog("https://a.test", key)) for key in ("phc_a", "phc_b", "phc_c")
]
NAMES = [ARCHIVE, *(project.recipient for project in PROJECTS)]


def spooled(data: Path, destination: str) -> list[str]:
    """Return the commands in the spool's files for a destination."""
    return [
        json.loads(line)["properties"]["command"]
        for file in Backlog(data).files(destination)
        for line in file.read_bytes().splitlines()
    ]


def agree(data: Path, *named: Delivery) -> None:
    ConsentStore(data).agree(NOTICE, date.today(), recipients=[one.recipient for one in named])


@given(st.lists(st.sampled_from(NAMES)), st.sampled_from(NAMES))
def test_a_file_goes_where_it_says_only_if_the_yes_names_that(
    agreed: list[str], recipient: str
) -> None:
    goes = allowed(spool_name(recipient), agreed)
    assert goes == (spool_name(recipient) if recipient in agreed else ARCHIVE)


@given(st.text(max_size=12), st.lists(st.sampled_from(NAMES)))
def test_whatever_a_name_says_it_leads_to_an_agreed_recipient(said: str, agreed: list[str]) -> None:
    assert allowed(said, agreed) in {ARCHIVE, *map(spool_name, agreed)}


@given(st.sampled_from(PROJECTS))
def test_a_recipient_has_the_name_that_its_settings_have(delivery: Delivery) -> None:
    assert spool_name(delivery.recipient) == delivery.destination
    assert spool_name(ARCHIVE) == Delivery().destination == ARCHIVE


def test_each_record_is_spooled_for_the_archive_until_the_yes_names_the_destination(
    data: Path,
) -> None:
    there = PROJECTS[0]
    analytics = Analytics(data, delivery=there, strict=True)
    analytics.event("command_run", command="status")
    assert spooled(data, ARCHIVE) == ["status"]
    agree(data, there)
    analytics.event("command_run", command="log")
    assert spooled(data, there.destination) == ["log"]
    analytics.delivery = PROJECTS[1]
    analytics.event("command_run", command="on")
    assert spooled(data, ARCHIVE) == ["status", "on"]
    analytics.delivery = there
    analytics.event("command_run", command="report")
    ConsentStore(data).reset()
    ConsentStore(data).agree(NOTICE, date.today())
    analytics.event("command_run", command="preview")
    assert spooled(data, "") == ["preview"], "who was agreed to before is nobody now"
    assert spooled(data, ARCHIVE) == ["preview"]
    analytics.pipeline.sink.purge()


def test_a_sender_is_not_even_told_who_is_not_agreed_to(data: Path) -> None:
    analytics = Analytics(data, delivery=PROJECTS[0], strict=True)
    assert analytics.agreed_delivery() == PROJECTS[0].replace(recipient=ARCHIVE)
    assert analytics.pipeline.launcher.delivery() is analytics.agreed_delivery()
    agree(data, PROJECTS[0])
    analytics.gate.now()
    assert analytics.pipeline.launcher.delivery() is analytics.delivery is PROJECTS[0]
    analytics.delivery = None
    assert analytics.agreed_delivery() is None


def left_by_an_older_version(data: Path, delivery: Delivery, number: int = 3) -> Path:
    """Leave records for a destination that the yes does not name."""
    analytics = Analytics(data, delivery=None, strict=True)
    for _ in range(number):
        analytics.event("command_run", command="log")
    analytics.pipeline.sink.close(at_exit=False)
    (file,) = Backlog(data).ready()
    return file.rename(file.with_name(f"0123456789abcdef-{delivery.destination}.jsonl"))


def test_what_waits_for_a_recipient_that_is_not_agreed_to_goes_to_the_archive(
    data: Path, posthog: FakePostHog, start_sender: Any
) -> None:
    left_by_an_older_version(data, Delivery(recipient=to_posthog(posthog.url, KEY)))
    assert start_sender(posthog.url).wait(240) == 0
    assert posthog.connections == 0
    assert archived(data) == ["log"] * 3
    assert read_ledger(data).delivered == 3
    assert read_ledger(data).dropped == {}
    agree(data, Delivery(recipient=to_posthog(posthog.url, KEY)))
    assert start_sender(posthog.url).wait(240) == 0
    assert posthog.connections == 0, "a later yes sends nothing from before it"


def test_what_another_yes_covered_is_counted_and_goes_nowhere(
    data: Path, posthog: FakePostHog, spool_events: Any, start_sender: Any
) -> None:
    spool_events(5, posthog.url)
    content = {file.name: file.read_bytes() for file in (data / "spool").iterdir()}
    ConsentStore(data).reset()
    ConsentStore(data).agree(NOTICE, date.today())
    for name, lines in content.items():
        (data / "spool" / name).write_bytes(lines)
    assert start_sender(posthog.url).wait(240) == 0
    assert posthog.connections == 0
    assert archived(data) == []
    assert read_ledger(data).dropped == {"consent withdrawn": 5}


def test_files_are_given_only_by_whoever_holds_them_and_only_under_a_yes(data: Path) -> None:
    file, store = left_by_an_older_version(data, PROJECTS[0]), ConsentStore(data)
    with holding(file) as held:
        assert held
        give_to_archive(Backlog(data), store)
        assert file.exists(), "somebody reads it now"
    store.folder.rename(data / "away")
    give_to_archive(Backlog(data), store)
    assert file.exists(), "without a yes nothing is anybody's"
    (data / "away").rename(store.folder)
    agree(data, PROJECTS[0])
    give_to_archive(Backlog(data), store)
    assert file.exists(), "it is agreed to"
    store.file.write_bytes(
        store.file.read_bytes().replace(PROJECTS[0].recipient.encode(), b"archive")
    )
    give_to_archive(Backlog(data), store)
    assert [each.name for each in Backlog(data).files()] == ["0123456789abcdef-archive.jsonl"]


def test_what_was_delivered_before_is_not_given_to_the_archive(data: Path) -> None:
    file = left_by_an_older_version(data, PROJECTS[0])
    first = file.read_bytes().index(b"\n") + 1
    add_to_ledger(data, Change(file=file.name, end=first, delivered=1))
    give_to_archive(Backlog(data), ConsentStore(data))
    Sender(data, Archive(data), max_days=30).run()
    assert archived(data) == ["log"] * 2
    assert read_ledger(data).delivered == 3


class Watching:
    """A destination that takes away, after the first batch, what the yes named."""

    batch_size = 2
    confirm: Callable[[], None]

    def __init__(self, store: ConsentStore) -> None:
        self.batches: list[list[bytes]] = []
        self._store = store

    def deliver(self, records: Sequence[bytes]) -> None:
        self.batches.append(list(records))
        content = json.loads(self._store.file.read_bytes())
        self._store.file.write_text(json.dumps({**content, "recipients": [ARCHIVE]}))


def test_the_consent_is_read_before_each_request(data: Path) -> None:
    agree(data, PROJECTS[0])
    analytics = Analytics(data, delivery=PROJECTS[0], strict=True)
    for _ in range(6):
        analytics.event("command_run", command="log")
    analytics.delivery = None
    analytics.pipeline.sink.close(at_exit=False)
    destination = Watching(ConsentStore(data))
    Sender(data, destination, max_days=30, recipient=PROJECTS[0].recipient).run()
    assert [len(batch) for batch in destination.batches] == [2]
    give_to_archive(Backlog(data), ConsentStore(data))
    assert spooled(data, ARCHIVE) == ["log"] * 4, "the rest waits, and is the archive's now"


def test_a_name_that_another_project_has_by_chance_opens_no_door(
    data: Path, posthog: FakePostHog, start_sender: Any
) -> None:
    """Eight digits can be met on purpose: a sender asks for its own recipient, whole."""
    agreed_to = Delivery(recipient=to_posthog("https://agreed.test", "phc_agreed"))
    agree(data, agreed_to)
    other = Delivery(recipient=to_posthog(posthog.url, KEY))
    file = left_by_an_older_version(data, other)
    destination = Watching(ConsentStore(data))
    Sender(data, destination, max_days=30, recipient=other.recipient).run()
    assert destination.batches == []
    assert file.exists()
