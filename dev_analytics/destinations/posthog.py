"""PostHog: what a setting, a policy and a yes say of it. What it sends is in `posthog_requests`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dev_analytics.destinations.destination import Destination, Setting

if TYPE_CHECKING:
    from dev_analytics.destinations.transport import Transport

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
"""A project key, on one line: nothing in it moves a cursor where the question names it. It stands
in clear in ``consent.json``, so that a user can compare it with what a setting names: it is public,
can write and not read, and is no secret of anybody."""

HOST: Final = "https://us.i.posthog.com"
_TAKES_EVENTS: Final = {
    "https://app.posthog.com": HOST,
    "https://us.posthog.com": HOST,
    "https://eu.posthog.com": "https://eu.i.posthog.com",
}
"""Where PostHog's cloud takes events, by the addresses of its pages."""


class PostHogDestination(Destination):
    """PostHog's cloud, or one that somebody runs, for a project."""

    name = "posthog"
    title = "PostHog"
    package = "posthog"
    settings = (
        Setting(
            "posthog_host",
            pattern=ADDRESS,
            help="PostHog's address: its cloud in the US or the EU, or one that you run.",
            allowed=ADDRESS_ALLOWED,
            in_policy="records go to {}",
            default=HOST,
        ),
        Setting(
            "posthog_project_key",
            pattern=PROJECT_KEY,
            help="PostHog's public project key; empty: records go to the archive on this machine.",
            allowed="a project key, of visible ASCII characters",
            in_policy="names the project key",
        ),
    )

    def recipient(self, values: Mapping[str, str]) -> str:
        """Return the recipient, at the address that takes events: the one that a question names."""
        host = values.get("posthog_host", "")
        return super().recipient(
            {**values, "posthog_host": _TAKES_EVENTS.get(host.rstrip("/"), host)}
        )

    def in_words(self, fields: Sequence[str]) -> str:
        """Return what a person reads for a project at a host."""
        host, project_key = fields
        return f"PostHog at {host} (project {project_key})"

    def open(self, data: Path, fields: Sequence[str]) -> Transport:
        """Return what sends to a project at a host."""
        from dev_analytics.destinations.posthog_requests import PostHog

        host, project_key = fields
        return PostHog(project_key, host)
