"""Turns the URL of a request into the public provider that serves it, or ``"other"``.

A host counts as a provider's only if it is that provider's own or a subdomain of it, by whole
labels. The user's own machine is ``"local"``. No part of the URL is ever passed on.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from dev_analytics.catalogue import public_names
from dev_analytics.catalogue.events import PROVIDERS
from dev_analytics.catalogue.vocabulary import OTHER

MAX_URL: Final = 2048
MAX_LABELS: Final = 10

_PLAIN: Final = re.compile(r"[!-\[\]-~]+", re.ASCII)
"""Visible ASCII except the backslash, which some parsers take for a slash."""

_LOCAL: Final = re.compile(
    r"localhost|127(?:\.\d{1,3}){3}|0\.0\.0\.0|::1?"
    # What a container calls the machine that it runs on.
    r"|host\.docker\.internal|host\.containers\.internal",
    re.ASCII,
)


def name_provider(url: object) -> str:
    """Return the member of ``providers`` that serves `url`."""
    return _provider(url) if type(url) is str and len(url) <= MAX_URL else OTHER


@lru_cache(maxsize=64)
def _provider(url: str) -> str:
    if not _PLAIN.fullmatch(url):
        return OTHER
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return OTHER
    if not host or parts.scheme not in ("http", "https"):
        return OTHER
    if _LOCAL.fullmatch(host):
        return PROVIDERS.member("local")
    return PROVIDERS.member(_served_by(host.removesuffix("."), parts.path.strip("/")))


def _served_by(host: str, path: str) -> str | None:
    """Return the provider of the longest known host that `host` is, or is a subdomain of."""
    hosts = public_names.hosts()
    labels = host.split(".")
    if len(labels) > MAX_LABELS:
        return None
    folders = path.split("/")
    for first in range(len(labels) - 1):
        own = labels[first:]
        for name in (".".join(own), ".".join([own[0], "*", *own[2:]])):
            # A host that is shared by providers tells them apart by how the path begins.
            found = hosts.get(f"{name}/{folders[0]}") or hosts.get(name)
            if found is not None:
                return found
    return None
