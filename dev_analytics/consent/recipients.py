"""Recipients: to whom a yes is given, as text in ``consent.json`` and as words for people.

A recipient is ``archive``, the archive on this machine, which every yes covers, or
``posthog <host> <project key>``. The key stands there in clear so that a user can compare it with
what a setting names: it is public, can write and not read, and is no secret of anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_LOOPBACK: Final = r"localhost|127(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}|\[::1\]"
ADDRESS: Final = (
    rf"(?:https://(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])|http://(?:{_LOOPBACK}))"
    r"(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~%+-]*)*"
)
"""An address of PostHog: plain ``http`` only where nothing leaves the machine, and no credentials,
query or fragment. It is so strict that no two parsers of addresses find another host in it."""

ADDRESS_ALLOWED: Final = (
    "an https address, or http on this machine (localhost, 127.0.0.1), "
    "without user, query or fragment"
)

PROJECT_KEY: Final = r"[!-~]{1,200}"
"""A project key, on one line: nothing in it moves a cursor where the question names it."""

ARCHIVE: Final = "archive"
RECIPIENT: Final = rf"{ARCHIVE}|posthog (?:{ADDRESS}) {PROJECT_KEY}"


def posthog(host: str, project_key: str) -> str:
    """Return the recipient that is PostHog at `host` for a project.

    Raises
    ------
    ValueError
        The address or the key is not allowed.
    """
    recipient = f"posthog {host} {project_key}"
    if not re.fullmatch(RECIPIENT, recipient):
        raise ValueError(f"PostHog's host is {host!r}, allowed is {ADDRESS_ALLOWED}")
    return recipient


def in_words(recipient: str) -> str:
    """Return what a person reads for `recipient`."""
    if recipient == ARCHIVE:
        return "the archive on this machine"
    _, host, project_key = recipient.split(" ")
    return f"PostHog at {host} (project {project_key})"


def all_in_words(recipients: Iterable[str]) -> str:
    """Return what a person reads for the recipients of a yes, the archive first."""
    others = sorted(set(recipients) - {ARCHIVE})
    return ", ".join(map(in_words, (ARCHIVE, *others)))


def would_receive(recipient: str) -> str:
    """Return the line of a question that says who would receive the records."""
    if recipient == ARCHIVE:
        return "The records would be kept on this machine only (no server is set)."
    return f"The records would be sent to {in_words(recipient)}."
