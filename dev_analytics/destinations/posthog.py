"""PostHog as settings, policies and a yes name it; `posthog_requests` sends to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dev_analytics.destinations import Destination, Setting

if TYPE_CHECKING:
    from dev_analytics.destinations.transport import Transport

_LOOPBACK: Final = r"localhost|127(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}|\[::1\]"
ADDRESS: Final = (
    rf"(?:https://(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])|http://(?:{_LOOPBACK}))"
    r"(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~%+-]*)*"
)
"""An address of PostHog: plain ``http`` only if nothing leaves the machine, and no credentials,
query or fragment. It is so strict that all parsers of addresses find the same host in it."""

ADDRESS_ALLOWED: Final = (
    "an https address, or http on this machine (localhost, 127.0.0.1), "
    "without user, query or fragment"
)

PROJECT_KEY: Final = r"[!-~]{1,200}"
"""A project key, on one line, without characters that move the cursor where the question shows it.
It is in plain text in ``consent.json``, so that a user can compare it with a setting: it is public,
can write but not read, and is nobody's secret."""

HOST: Final = "https://us.i.posthog.com"
_TAKES_EVENTS: Final = {
    "https://app.posthog.com": HOST,
    "https://us.posthog.com": HOST,
    "https://eu.posthog.com": "https://eu.i.posthog.com",
}
"""The addresses at which PostHog's cloud takes events, by those of its pages."""


class PostHogDestination(Destination):
    """A project in PostHog's cloud or in a PostHog that somebody runs."""

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
        """Return the recipient, with the address that takes events, as a question shows it."""
        host = values.get("posthog_host", "")
        return super().recipient(
            {**values, "posthog_host": _TAKES_EVENTS.get(host.rstrip("/"), host)}
        )

    def in_words(self, fields: Sequence[str]) -> str:
        """Return a project and its host in words for people."""
        host, project_key = fields
        return f"PostHog at {host} (project {project_key})"

    def open(self, data: Path, fields: Sequence[str]) -> Transport:
        """Return the transport to a project at a host."""
        from dev_analytics.destinations.posthog_requests import PostHog

        host, project_key = fields
        return PostHog(project_key, host)
