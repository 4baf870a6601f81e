"""A PostHog project, accessed with a personal key."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Generic, TypeVar
from uuid import UUID, uuid5

from msgspec import Struct

from dev_analytics.maintainer.http import RequestError, Server

KEY_VARIABLE: Final = "POSTHOG_PERSONAL_API_KEY"
PROJECT_VARIABLE: Final = "POSTHOG_PROJECT_ID"
HOST_VARIABLE: Final = "POSTHOG_HOST"
HOST: Final = "https://us.posthog.com"

_PERSONS: Final = UUID("932979b4-65c3-4424-8467-0b66ec27bc22")
_CLOUD: Final = re.compile(r"https://(us|eu)\.posthog\.com")
MAX_PAGES: Final = 1_000


Each = TypeVar("Each")


class _Own(Struct):
    api_token: str


class _Numbered(Struct):
    id: int


class _Page(Struct, Generic[Each]):
    results: list[Each]
    next: str | None = None


class _Rows(Struct):
    results: list[list[Any]]


class NoProjectError(Exception):
    """The project or the key is not given; the message says what to set."""


class Project:
    """A project, by its number, at a host, accessed with a personal key."""

    def __init__(
        self, host: str, number: int, key: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.server = Server(host, {"Authorization": f"Bearer {key}"}, key, sleep)
        self.number = number
        self.sleep = sleep
        # The cloud takes events at a separate address.
        cloud = _CLOUD.fullmatch(self.server.address)
        events = f"https://{cloud[1]}.i.posthog.com" if cloud else self.server.address
        self._events = Server(events, {}, "", sleep)

    def get(self, path: str, form: Any = Any) -> Any:
        """Return an object of the project in the expected form."""
        return self.server.ask("GET", self._path(path), form=form)

    def post(self, path: str, body: Mapping[str, Any], form: Any = Any) -> Any:
        """Create an object of the project, and return the answer in the expected form."""
        return self.server.ask("POST", self._path(path), body, form)

    def patch(self, path: str, body: Mapping[str, Any], form: Any = Any) -> Any:
        """Change an object of the project, and return the answer in the expected form."""
        return self.server.ask("PATCH", self._path(path), body, form)

    def every(self, path: str, form: Any = dict[str, Any]) -> Iterator[Any]:
        """Return everything in a list, from all of its pages, in the expected form.

        Raises
        ------
        RequestError
            The next page is at another address, or there are too many pages.
        """
        following: str | None = self._path(path)
        for _ in range(MAX_PAGES):
            page: _Page[Any] = self.server.ask("GET", str(following), form=_Page[form])
            yield from page.results
            following = page.next
            if following is None:
                return
            if not following.startswith(f"{self.server.address}/"):
                raise RequestError(f"{self.server.address} continues {path} at another address")
            following = following.removeprefix(self.server.address)
        raise RequestError(f"{self.server.address} has more than {MAX_PAGES:,} pages of {path}")

    def query(self, hogql: str) -> list[list[Any]]:
        """Run a query, and return the rows of its answer."""
        # Not a cached answer.
        query = {"kind": "HogQLQuery", "query": hogql}
        body = {"query": query, "refresh": "force_blocking"}
        answer: _Rows = self.post("query/", body, _Rows)
        return answer.results

    def myself(self) -> int:
        """Return the number of the key's owner."""
        owner: _Numbered = self.server.ask("GET", "/api/users/@me/", form=_Numbered)
        return owner.id

    def capture(self, event: Mapping[str, Any]) -> None:
        """Send an event as an application does, with the project's public key."""
        own: _Own = self.get("", _Own)
        body = {"api_key": own.api_token, "batch": [event]}
        self._events.ask("POST", "/batch/", body)

    def person_of(self, user: str) -> str:
        """Return the uuid of the person that PostHog has, or would create, for an identifier."""
        return str(uuid5(_PERSONS, f"{self.number}:{user}"))

    def _path(self, path: str) -> str:
        # Alerts belong to an environment, which has the number of its project.
        kind = "environments" if path.startswith("alerts/") else "projects"
        return f"/api/{kind}/{self.number}/{path}"


def project(host: str | None, number: int | None) -> Project:
    """Return the project that the arguments name, or else the environment.

    Raises
    ------
    NoProjectError
        The number or the key is missing, or the address is not allowed.
    """
    default = os.environ.get(PROJECT_VARIABLE, "")
    if number is None and default.isdecimal():
        number = int(default)
    if number is None:
        raise NoProjectError(f"no project is given: use --project, or set {PROJECT_VARIABLE}")
    key = os.environ.get(KEY_VARIABLE, "")
    if not re.fullmatch(r"[!-~]{1,400}", key):
        raise NoProjectError(
            f"there is no personal key in {KEY_VARIABLE}: create one in PostHog's settings"
        )
    try:
        return Project(host or os.environ.get(HOST_VARIABLE) or HOST, number, key)
    except ValueError as error:
        raise NoProjectError(str(error)) from None
