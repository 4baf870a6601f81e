"""PostHog as a destination. No other module imports ``posthog``, ``requests`` or ``ssl``.

A batch goes through ``posthog.request.batch_post``, over a session of our own: it reads no
``.netrc`` and keeps no cookie, follows no redirect, trusts the system's certificates too, honours
proxies, and has one deadline for all of a request. Only a status 200 whose body is PostHog's own
acknowledgement counts: the 200 of a captive portal does not.
"""

from __future__ import annotations

import logging
import signal
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from types import FrameType
from typing import Any, Final

import requests
from msgspec import json
from posthog.request import batch_post, determine_server_host
from requests.adapters import HTTPAdapter

from dev_analytics.delivery.destination import Refused, Unacceptable, Unreachable

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 15.0
DEADLINE_SECONDS: Final = 30.0
"""How long a request may take from its first byte to its last, in seconds."""

_UNACCEPTABLE: Final = frozenset({400, 413})
_AGAIN: Final = frozenset({408, 425, 429})
_ACKNOWLEDGED: Final = frozenset({"1", "ok"})


class PostHog:
    """PostHog's cloud, or one that somebody runs.

    Parameters
    ----------
    project_key
        The project's public key, which can write and not read.
    host
        Its address; the app's own addresses are turned into those that take events.
    deadline
        How long a request may take from its first byte to its last, in seconds.
    """

    most = 500

    def __init__(self, project_key: str, host: str, deadline: float = DEADLINE_SECONDS) -> None:
        self._key = project_key
        self._host = determine_server_host(host)
        self._deadline = deadline
        self._session = _Session()
        # Plain http is for this machine alone: a proxy would read it, and nobody named one.
        self._session.trust_env = not self._host.startswith("http://")
        # What the SDK would print goes nowhere: this process has no terminal, and its log no text.
        logging.getLogger("posthog").addHandler(logging.NullHandler())

    def deliver(self, records: Sequence[bytes]) -> None:
        """Send `records` in one request.

        Raises
        ------
        Unreachable, Refused, Unacceptable
            PostHog did not acknowledge them.
        """
        events = [json.decode(record) for record in records]
        # PostHog may refuse a batch in which a uuid stands twice.
        batch = list({event["uuid"]: event for event in events}.values())
        try:
            with _deadline(self._deadline):
                response = batch_post(
                    self._key,
                    self._host,
                    gzip=True,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),  # type: ignore[arg-type]
                    batch=batch,
                    historical_migration=False,
                    session=self._session,
                )
        except _Late:
            raise Unreachable("the server took too long") from None
        except (OSError, ValueError) as error:
            # requests' own exceptions are OSErrors, as is one for certificates that do not exist.
            raise Unreachable(f"the server could not be reached ({type(error).__name__})") from None
        _check(response)


def _check(response: requests.Response) -> None:
    """Raise unless the body is an acknowledgement: ``{"status": 1}`` or ``"Ok"``, by version."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or str(body.get("status")).lower() not in _ACKNOWLEDGED:
        raise Unreachable("something else than PostHog answered")
    limited = body.get("quota_limited")
    if isinstance(limited, list) and "events" in limited:
        raise Refused("the project's quota of events is used up")


def _refusal(response: requests.Response) -> Exception:
    status = response.status_code
    why = f"the server answered {status}"
    if status in _UNACCEPTABLE:
        return Unacceptable(why)
    if status in _AGAIN or status >= 500 or status < 400:
        return Unreachable(why, _seconds(response.headers.get("Retry-After")))
    return Refused(why)


class _Session(requests.Session):
    """A session that takes nothing of the user's with it."""

    def __init__(self) -> None:
        super().__init__()
        # Any auth keeps requests from looking into .netrc.
        self.auth = lambda request: request
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.mount("https://", _Adapter())
        self.mount("http://", HTTPAdapter(max_retries=0))

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Make one request, follow no redirect, and raise unless the status is 200.

        Here and not in the SDK, which in its older versions keeps no Retry-After, and in all of
        them stumbles over a refusal whose body is JSON but no object.
        """
        response = super().request(*args, **{**kwargs, "allow_redirects": False})
        if response.status_code != 200:
            raise _refusal(response)
        return response


class _Adapter(HTTPAdapter):
    """Trusts the system's certificates and ``SSL_CERT_FILE`` beside those of requests."""

    def __init__(self) -> None:
        self._context = ssl.create_default_context()
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)


def _seconds(retry_after: str | None) -> float:
    """Read a Retry-After in seconds or as a date."""
    if not retry_after:
        return 0.0
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


class _Late(Exception):  # noqa: N818
    """The deadline has passed. No OSError: urllib3 would go on with the host's next address."""


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise `_Late` after `seconds`: a timeout of the SDK begins anew with each byte."""

    def ring(signum: int, frame: FrameType | None) -> None:
        raise _Late

    before = signal.signal(signal.SIGALRM, ring)
    try:
        # Again every second, should the first be lost in a finalizer, which can raise nothing.
        signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        # It may ring in the finally above too.
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
