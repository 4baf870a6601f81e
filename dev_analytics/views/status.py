"""The status: whether analytics are on, the rule, the notice, and the fate of the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from dev_analytics import __version__
from dev_analytics.analytics import Analytics
from dev_analytics.consent.decision import Consent, Decision
from dev_analytics.consent.gate import Gate
from dev_analytics.delivery import Delivery
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import Ledger, read_ledger
from dev_analytics.delivery.turns import turns
from dev_analytics.destinations import ARCHIVE, all_in_words, destinations, in_words
from dev_analytics.observers.hooks import INSTALL, State
from dev_analytics.process.descriptors import read_content
from dev_analytics.process.entry import FAILED
from dev_analytics.process.messages import from_home, printable
from dev_analytics.tools.installed import Installed, installed, offers
from dev_analytics.views.markup import table, view
from dev_analytics.views.obstacles import obstacles

_TROUBLE: Mapping[str, str] = {"stopped": "stopped", "hanging": "hangs"}
_ASK_MORE = "%dev_analytics on (asks about what is withheld)"


def status(analytics: Analytics, decision: Decision, *, somebody: bool = True) -> str:
    """Return the status as aligned lines of text."""
    return aligned(status_rows(analytics, decision, somebody=somebody))


def aligned(rows: Mapping[str, str]) -> str:
    """Return labels and texts as lines, with the texts aligned."""
    width = max(map(len, rows))
    return "\n".join(f"{label:{width}}  {text}" for label, text in rows.items())


def status_html(analytics: Analytics, decision: Decision, *, somebody: bool = True) -> str:
    """Return the status as a table."""
    rows = status_rows(analytics, decision, somebody=somebody).items()
    return view([table("Status of analytics", (), rows)])


def status_rows(
    analytics: Analytics, decision: Decision, *, somebody: bool = True
) -> dict[str, str]:
    """Return the status as labels and texts, in the order in which they are shown.

    The identifier is only shown if there is `somebody` to read it: a notebook that runs by itself
    is saved with its outputs.
    """
    log, data = analytics.log, analytics.gate.store.data
    consent = analytics.gate.store.read()
    ledger = read_ledger(data)
    dropped = Counter(ledger.dropped)
    dropped.update(dict[str, int](analytics.drops.unstored().items()))
    rows = {
        "analytics": f"{'on' if decision.collecting else 'off'}: {decision.reason}",
        "notice": _notice(consent, analytics.gate.notice),
        "recipients": _recipients(consent),
        **({"identifier": consent.user_id} if consent.user_id and somebody else {}),
        "to change": _to_change(decision, consent, analytics.gate),
        "this session": _counted(analytics.recording.recorded) or "no events",
        **({"LLM calls": f"not seen; to see them: {INSTALL}"} if State.unhooked else {}),
        **{f"tool {each.name}": _tool(each, consent, decision) for each in installed()},
        "waiting": _waiting(Backlog(data).count(), analytics.pipeline.launcher.trouble),
        **obstacles(data),
        **_sender(data),
        "delivered": _delivered(ledger, analytics.delivery, consent),
        **({"last failure": f"{ledger.failed_at}: {ledger.failure}"} if ledger.failure else {}),
        **_destinations(data),
        "dropped": _counted(dropped) or "nothing",
        "event log": "none" if log is None else _log(log.path, analytics.pipeline.unlogged),
        "data": from_home(data),
        "version": __version__,
    }
    # The ledger may say anything, as any program of the user can write it.
    return {label: printable(text) for label, text in rows.items()}


def _notice(consent: Consent, newest: int) -> str:
    """Return in words which notice the user agreed to, and whether there is a newer one."""
    if consent.user_id is None:
        return f"none agreed to, the newest is {newest}"
    agreed = f"{consent.notice} agreed to"
    if consent.notice == newest:
        return f"{agreed}, the newest"
    if consent.notice > newest:
        return f"{agreed}, the newest of this version is {newest}"
    kept = ", as you chose" if consent.kept_notice >= newest else ""
    return f"{agreed}, the newest is {newest}: what it adds is withheld{kept}"


def _recipients(consent: Consent) -> str:
    """Return in words which recipients the user agreed to."""
    if consent.user_id is None:
        return "none agreed to"
    kept = ", ".join(map(in_words, sorted(consent.kept_recipients)))
    return all_in_words(consent.recipients) + (f"; not {kept}, as you chose" if kept else "")


def _log(file: Path, unlogged: int) -> str:
    missing = f"; records that may be missing in it: {unlogged}" if unlogged else ""
    return f"{from_home(file)}{missing}"


def _to_change(decision: Decision, consent: Consent, gate: Gate) -> str:
    withheld = consent.notice < gate.notice or not consent.names(gate.recipient)
    more = decision.rule == "5, agreed" and (withheld or offers(consent))
    return f"{_ASK_MORE}, {decision.to_change}" if more else decision.to_change


def _tool(each: Installed, consent: Consent, decision: Decision) -> str:
    if each.tool is None:
        return f"not used, {each.fault} (package {each.package})"
    whose = f"{each.tool.title}, by the package {each.package}"
    agreed = each.agreed(consent)
    if each.name in consent.tools_off:
        return f"off: you switched it off; %dev_analytics on {each.name} undoes that ({whose})"
    if not decision.collecting:
        return f"off, like all analytics ({whose})"
    if not agreed and each.key in consent.tools:
        return f"off: it wants more than you agreed to, %dev_analytics on asks ({whose})"
    if not agreed:
        return f"off: withheld until you agree to it, %dev_analytics on asks ({whose})"
    if agreed < each.tool.notice:
        return f"on: you agreed to its notice {agreed}, what is newer is withheld ({whose})"
    how = f"%dev_analytics disable {each.name} switches it off"
    return f"on: you agreed to its notice {agreed}; {how} ({whose})"


def _sender(data: Path) -> dict[str, str]:
    trouble = [*sender_trouble(data), *_could_not_begin(data)]
    return {"sender": "; ".join(trouble)} if trouble else {}


def sender_trouble(data: Path) -> list[str]:
    """Return what is wrong with each sender that does nothing, since when, and what to do."""
    return [
        f"{_TROUBLE[each.trouble]}{'' if each.pid is None else f' (pid {each.pid})'}, no sign of"
        f" life since {each.since}: what waits for"
        f" {_title(each.destination)} is sent when it"
        f" {'is continued' if each.trouble == 'stopped' else 'goes on'}, or by the next one"
        " once it has ended"
        for each in turns(data)
        if each.trouble
    ]


def _could_not_begin(data: Path) -> list[str]:
    """Return why the last sender ended before it could write to its log."""
    try:
        return [f"could not begin: {read_content(data / FAILED)[:200].decode('utf-8', 'replace')}"]
    except OSError:
        return []


def _waiting(number: int, failure: str) -> str:
    if failure and number:
        return f"{number}, as no sender could be started: {failure}"
    return str(number) if number else "nothing"


def _delivered(ledger: Ledger, delivery: Delivery | None, consent: Consent) -> str:
    if delivery is None:
        where = "the records of each session go where its settings say, if you agreed to that"
    elif consent.user_id is not None and not consent.names(delivery.recipient):
        where = (
            f"records of this session go to {in_words(ARCHIVE)}, as you did not agree to "
            f"{in_words(delivery.recipient)}, which the settings name"
        )
    else:
        where = f"records of this session go to {in_words(delivery.recipient)}"
    if not ledger.delivered:
        return f"nothing yet; {where}"
    return f"{ledger.delivered}, last at {ledger.delivered_at}; {where}"


def _destinations(data: Path) -> dict[str, str]:
    """Return the further lines of each destination."""
    return {
        label: text for each in destinations().values() for label, text in each.status(data).items()
    }


def _title(spool_name: str) -> str:
    """Return the title of a destination in the spool, as far as its name there tells it."""
    archive, *others = (each.title for each in destinations().values())
    return archive if spool_name == ARCHIVE else " or ".join(others)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(
        f"{n} {name}" for name, n in sorted(counts.items(), key=lambda c: (-c[1], c[0]))
    )
