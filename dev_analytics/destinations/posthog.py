"""PostHog as settings, policies and a yes name it; `posthog_requests` sends to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dev_analytics.destinations import Destination, Setting

if TYPE_CHECKING:
    from dev_analytics.destinations.transport import Transport

_ALPHANUMERIC: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LONGEST_KEY: Final = 200

ADDRESS_ALLOWED: Final = (
    "an https address, or http on this machine (localhost, 127.0.0.1), "
    "without user, query or fragment"
)


def is_address(text: str) -> bool:
    """Return whether `text` is an address of PostHog.

    Plain ``http`` only if nothing leaves the machine, and no credentials, query or fragment. It is
    so strict that all parsers of addresses find the same host in it.

    No regular expression says so: compiling one takes a tenth of the time that loading takes.
    """
    scheme, _, rest = text.partition("://")
    place, _, path = rest.partition("/")
    # A colon in brackets is part of the host.
    colon = place.find(":", place.find("]") + 1)
    host, port = (place, "") if colon < 0 else (place[:colon], place[colon:])
    is_safe = scheme == "https" or (scheme == "http" and _is_this_machine(host))
    return is_safe and _is_host(host) and _is_port(port) and _has_only(path, "/._~%+-")


def is_project_key(text: str) -> bool:
    """Return whether `text` may be a project key.

    It is on one line, without characters that move the cursor where the question shows it. It is in
    plain text in ``consent.json``, so that a user can compare it with a setting: it is public, can
    write but not read, and is nobody's secret.
    """
    is_visible = text.isascii() and text.isprintable() and " " not in text
    return is_visible and 0 < len(text) <= _LONGEST_KEY


def _has_only(text: str, allowed: str) -> bool:
    """Return whether `text` has only letters and digits of ASCII and the `allowed` characters."""
    # `strip` leaves what is between the first and the last other character.
    return not text.strip(_ALPHANUMERIC + allowed)


def _is_host(host: str) -> bool:
    if host[:1] == "[":
        inside = host[1:-1]
        return host[-1] == "]" and inside != "" and not inside.strip("0123456789ABCDEFabcdef:.")
    return host[:1] not in ("", ".", "_", "-") and _has_only(host, "._-")


def _is_port(port: str) -> bool:
    """Return whether `port` is empty, or a colon with a number of up to five digits."""
    return not port or (1 < len(port) <= 6 and not port[1:].strip("0123456789"))


def _is_this_machine(host: str) -> bool:
    first, *others = host.split(".")
    if first == "127":
        return len(others) == 3 and all(map(_is_byte, others))
    return host in ("localhost", "[::1]")


def _is_byte(text: str) -> bool:
    return len(text) <= 3 and text.isdecimal() and int(text) < 256 and text == str(int(text))


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
            takes=is_address,
            help="PostHog's address: its cloud in the US or the EU, or one that you run.",
            allowed=ADDRESS_ALLOWED,
            in_policy="records go to {}",
            default=HOST,
        ),
        Setting(
            "posthog_project_key",
            takes=is_project_key,
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
