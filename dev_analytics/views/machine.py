"""The status of this machine, for the command line: what all sessions have left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dev_analytics import __version__
from dev_analytics.analytics import Analytics
from dev_analytics.consent.decision import Decision
from dev_analytics.consent.environment import PolicyError, read_policies
from dev_analytics.consent.policy import Policy
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.delivery.turns import turns
from dev_analytics.delivery.writers import Writer, writers
from dev_analytics.destinations import destinations
from dev_analytics.process.messages import plain
from dev_analytics.tools.installed import installed
from dev_analytics.views.obstacles import obstacles
from dev_analytics.views.status import aligned, sender_trouble, status_rows

_OF_A_SESSION = ("this session", "event log")


def machine(
    analytics: Analytics, decision: Decision, loaded_by: Sequence[Path], *, somebody: bool = True
) -> str:
    """Return the status as aligned lines of text.

    Parameters
    ----------
    analytics, decision
        Those of this process: the decision would hold for a session that begins now.
    loaded_by
        The start-up files that load the extension.
    somebody
        Whether a person reads it; see `dev_analytics.views.status.status_rows`.
    """
    data = analytics.gate.store.data
    shared = status_rows(analytics, decision, somebody=somebody)
    rows = {label: text for label, text in shared.items() if label not in _OF_A_SESSION}
    rows["waiting"] = str(Backlog(data).count() or "nothing")
    rows["processes"] = _processes(writers(data))
    rows["sender"] = _senders(data)
    rows["policy"] = _policy()
    rows["loaded by"] = ", ".join(map(plain, loaded_by)) or "%load_ext dev_analytics only"
    return aligned(rows)


def machine_fields(
    analytics: Analytics, decision: Decision, loaded_by: Sequence[Path]
) -> dict[str, object]:
    """Return the status as fields, for a script."""
    data = analytics.gate.store.data
    consent, ledger = analytics.gate.store.read(), read_ledger(data)
    return {
        "collecting": decision.collecting,
        "rule": int(decision.rule.partition(",")[0]),
        "reason": decision.reason,
        "notice": consent.notice,
        "recipients": sorted(consent.recipients),
        "opted_out": consent.opted_out,
        "policy": _policy(),
        "processes": [writer._asdict() for writer in writers(data)],
        "sender": _sender_fields(data),
        "waiting": Backlog(data).count(),
        "delivered": ledger.delivered,
        "delivered_at": ledger.delivered_at or None,
        "failure": ledger.failure or None,
        "dropped": ledger.dropped,
        "obstacles": obstacles(data),
        "tools": {
            each.name: {
                "package": each.package,
                "agreed": each.agreed(consent),
                "off": each.name in consent.tools_off,
                "fault": each.fault or None,
            }
            for each in installed()
        },
        "loaded_by": [plain(file) for file in loaded_by],
        "data": plain(data),
        "version": __version__,
    }


def waiting(analytics: Analytics) -> list[bytes]:
    """Return the exact records of all processes that wait to be sent."""
    return list(Backlog(analytics.gate.store.data).records())


def _processes(found: Sequence[Writer]) -> str:
    recording = [
        f"{_numbered('recording', writer.pid)}, {_records(writer.waiting)}"
        for writer in found
        if writer.state == "recording"
    ]
    ended = sum(writer.waiting for writer in found if writer.state != "recording")
    if ended:
        recording.append(f"handed over or ended, {_records(ended)}")
    return "; ".join(recording) or "none is recording (one that is off is not listed)"


def _senders(data: Path) -> str:
    working = [_numbered("running", each.pid) for each in turns(data) if not each.trouble]
    return "; ".join([*working, *sender_trouble(data)]) or "not running"


def _sender_fields(data: Path) -> dict[str, object]:
    found = turns(data)
    trouble = [{"trouble": each.trouble, "since": each.since} for each in found if each.trouble]
    pid = found[0].pid if found else None
    return {"held": bool(found), "pid": pid, "trouble": trouble}


def _numbered(what: str, pid: int | None) -> str:
    return what if pid is None else f"{what} (pid {pid})"


def _records(number: int) -> str:
    return f"{number} {'record' if number == 1 else 'records'} waiting"


def _policy() -> str:
    try:
        policies = read_policies()
    except PolicyError as error:
        return str(error)
    return "; ".join(_described(file, policy) for file, policy in policies.items()) or "none"


def _described(file: Path, policy: Policy) -> str:
    named = [f"{plain(file)}: analytics {policy.analytics}"]
    if policy.passed_over:
        named.append(
            "its destination is ignored, as not only an administrator can write to the file"
        )
    for setting in (each for one in destinations().values() for each in one.settings):
        if value := policy.settings.get(setting.name):
            named.append(setting.in_policy.format(value))
    return ", ".join(named)
