"""The status of delivery in plain words: what waits, what went, what failed, what was dropped."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from fake_posthog import to_posthog

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.consent.decision import Switch
from dev_analytics.delivery import Delivery
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import change_ledger, read_ledger
from dev_analytics.destinations.posthog import HOST
from dev_analytics.views.status import status_html, status_rows


def rows(analytics: Analytics) -> dict[str, str]:
    return status_rows(analytics, analytics.gate.decision(can_answer=True))


def agreed(data: Path) -> Analytics:
    analytics = Analytics(data)
    analytics.gate.store.agree(NOTICE, date.today())
    return analytics


def test_the_notice_is_shown_in_every_state(data: Path) -> None:
    analytics = Analytics(data)
    store, gate = analytics.gate.store, analytics.gate
    gate.notice = 3

    def notice() -> str:
        return rows(analytics)["notice"]

    assert notice() == "none agreed to, the newest is 3"
    store.agree(1, date.today())
    assert notice() == "1 agreed to, the newest is 3: what it adds is withheld"
    store.keep(3)
    assert notice() == "1 agreed to, the newest is 3: what it adds is withheld, as you chose"
    store.agree(3, date.today())
    assert notice() == "3 agreed to, the newest"
    gate.switch = Switch(False, "a test")
    assert notice() == "3 agreed to, the newest", "also where the session is off"
    gate.notice = 2
    assert notice() == "3 agreed to, the newest of this version is 2"
    store.opt_out()
    assert notice() == "none agreed to, the newest is 2"


def test_the_status_says_how_to_be_asked_about_what_is_withheld(data: Path) -> None:
    analytics = agreed(data)
    usual = rows(analytics)["to change"]
    assert "asks" not in usual
    more = f"%dev_analytics on (asks about what is withheld), {usual}"
    analytics.gate.notice = NOTICE + 1
    assert rows(analytics)["to change"] == more
    analytics.gate.store.keep(NOTICE + 1)
    assert rows(analytics)["to change"] == more, "also after it was kept as it is"
    analytics.gate.store.agree(NOTICE + 1, date.today())
    assert rows(analytics)["to change"] == usual
    analytics.gate.notice = NOTICE + 2
    analytics.gate.switch = Switch(False, "a test")
    assert "asks" not in rows(analytics)["to change"]


def test_what_waits_and_what_was_delivered(data: Path, until: Callable[..., None]) -> None:
    analytics = agreed(data)
    analytics.event("command_run", command="log")
    assert rows(analytics)["waiting"] == "1"
    analytics.pipeline.sink.close(at_exit=False)
    until(lambda: read_ledger(data).delivered == 1)
    until(lambda: not Backlog(data).files())
    shown = rows(analytics)
    assert shown["waiting"] == "nothing"
    assert shown["delivered"] == (
        f"1, last at {read_ledger(data).delivered_at}; "
        "records of this session go to the archive on this machine"
    )


def test_the_last_failure_in_plain_words(data: Path) -> None:
    analytics = agreed(data)
    analytics.delivery = Delivery(recipient=to_posthog(HOST, "phc_of_a_test"))
    assert "last failure" not in rows(analytics)
    change_ledger(
        data,
        lambda ledger: ledger._replace(
            failure="the server answered 503", failed_at="2026-11-22T10:00:00+00:00"
        ),
    )
    shown = rows(analytics)
    assert shown["last failure"] == "2026-11-22T10:00:00+00:00: the server answered 503"
    assert shown["delivered"] == (
        "nothing yet; records of this session go to the archive on this machine, as you did not "
        "agree to PostHog at https://us.i.posthog.com (project phc_of_a_test), which the settings "
        "name"
    )


def test_the_recipients_are_named_and_where_records_go_now(data: Path) -> None:
    analytics = Analytics(data)
    us = Delivery(recipient=to_posthog(HOST, "phc_of_a_test"))
    elsewhere = Delivery(recipient=to_posthog("https://posthog.example.org", "phc_of_a_test"))
    assert rows(analytics)["recipients"] == "none agreed to"
    analytics.gate.store.agree(NOTICE, date.today(), recipients=[us.recipient])
    analytics.delivery = us
    shown = rows(analytics)
    named = "PostHog at https://us.i.posthog.com (project phc_of_a_test)"
    assert shown["recipients"] == f"the archive on this machine, {named}"
    assert shown["delivered"] == f"nothing yet; records of this session go to {named}"
    assert shown["analytics"].endswith(f"(notice {NOTICE})")
    assert "asks" not in shown["to change"]
    analytics.delivery = elsewhere
    shown = rows(analytics)
    other = "PostHog at https://posthog.example.org (project phc_of_a_test)"
    assert shown["recipients"] == f"the archive on this machine, {named}"
    assert f"as you did not agree to {other}" in shown["delivered"]
    assert shown["analytics"].endswith(f"nothing goes to {other} until you agree to it")
    assert "asks about what is withheld" in shown["to change"]
    analytics.gate.store.keep(NOTICE, recipients=[elsewhere.recipient])
    assert rows(analytics)["recipients"].endswith(f"{named}; not {other}, as you chose")


def test_drops_of_this_session_and_of_earlier_ones_are_one_sum(
    data: Path, until: Callable[..., None]
) -> None:
    analytics = agreed(data)
    change_ledger(data, lambda ledger: ledger.add_dropped({"expired": 2, "invalid": 1}))
    analytics.event("cell_executed", secret=1)
    analytics.drops.count("disk error", 5)
    assert rows(analytics)["dropped"] == "5 disk error, 2 expired, 2 invalid"
    analytics.event("command_run", command="log")
    analytics.pipeline.sink.close(at_exit=False)
    until(lambda: not analytics.drops.unstored())
    assert rows(analytics)["dropped"] == "5 disk error, 2 expired, 2 invalid"
    later = Analytics(data)
    assert rows(later)["dropped"] == "5 disk error, 2 expired, 2 invalid", "it survives restarts"


def test_records_wait_where_no_sender_can_be_started(data: Path) -> None:
    analytics = agreed(data)
    analytics.event("command_run", command="log")
    analytics.pipeline.launcher.failure = "Permission denied"
    assert rows(analytics)["waiting"] == "1, as no sender could be started: Permission denied"


def test_a_notebook_shows_the_same_rows(data: Path, read_view: Callable[..., Any]) -> None:
    analytics = agreed(data)
    analytics.event("command_run", command="log")
    change_ledger(data, lambda ledger: ledger._replace(delivered=3, failure="a failure"))
    decision = analytics.gate.decision(can_answer=True)
    view = read_view(status_html(analytics, decision))
    assert view.rows == [list(row) for row in status_rows(analytics, decision).items()]
    assert view.scopes == ["row"] * len(view.rows)
    assert view.labels == ["Status of analytics"]
    analytics.pipeline.sink.purge()


def test_nothing_that_is_shown_is_read_as_html(
    data: Path, tmp_path: Path, read_view: Callable[..., Any]
) -> None:
    analytics = agreed(data)
    log = tmp_path / "<script>alert(1)<b title='\" &amp; $x$.jsonl"
    analytics.log_to(log)
    change_ledger(data, lambda ledger: ledger._replace(failure="<img src=x onerror=alert(1)>"))
    analytics.gate.switch = Switch(False, "<i>somebody</i>")
    decision = analytics.gate.decision(can_answer=True)
    shown = dict(read_view(status_html(analytics, decision)).rows)
    assert shown == status_rows(analytics, decision)
    assert shown["event log"] == str(log)
    analytics.stop_log()


def test_nothing_that_is_shown_moves_the_cursor_or_cannot_be_encoded(data: Path) -> None:
    analytics = agreed(data)
    put = {"failure": "\x1b[2J", "failed_at": "\u202e", "dropped": {"\ud800": 1}}
    (data / "ledger.json").write_text(json.dumps(put))
    (data / "sender.failed").write_bytes(b"\x1b]0;\xff\x07")
    shown = rows(analytics)
    assert (shown["last failure"], shown["dropped"]) == ("?: ?[2J", "1 ?")
    assert shown["sender"] == "could not begin: ?]0;\ufffd?"


def test_files_in_the_user_s_home_are_shown_from_there(data: Path) -> None:
    analytics = agreed(data)
    analytics.log_to(Path("~/events.jsonl"))
    assert rows(analytics)["event log"] == "~/events.jsonl"
    assert rows(Analytics(Path.home() / "d"))["data"] == "~/d"
    analytics.stop_log()
