"""PostHog as a destination. No other module imports ``posthog``, ``requests`` or ``ssl``.

A batch goes through ``posthog.request.post``, over a session of our own: it reads no ``.netrc``,
keeps no cookie, follows no redirect, also trusts the system's certificates, honours proxies, and
has one deadline for a whole request. The SDK makes the envelope, and the session inserts the bytes
of the spool as they are. Consent is checked again when the connection is established. No more of an
answer is read than an acknowledgement needs, and only PostHog's own acknowledgement counts.

The newer endpoint is asked first, as it answers for each record. It takes our records as they are:
it ignores unknown fields of the envelope and of an event, and passes the properties on unchanged.
If its header named an SDK and a version, these would replace the record's own, so ours names no
version. For a server without it, ``/batch/`` is used.
"""

from __future__ import annotations

import gzip
import logging
import ssl
import time
from collections.abc import Callable, Sequence
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from uuid import uuid4

import requests
from msgspec import Raw, Struct, json
from posthog.request import post
from requests.adapters import HTTPAdapter

from dev_analytics.catalogue.record import iso
from dev_analytics.destinations.posthog_answers import (
    ANSWER_BYTES,
    RESULT_BYTES,
    NotThereError,
    raise_for_newer_status,
    raise_for_status,
    raise_unless_acknowledged,
    receipt,
    unpacked,
)
from dev_analytics.destinations.transport import Receipt, Unreachable, no_question
from dev_analytics.process.systems import deadline

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 15.0
DEADLINE_SECONDS: Final = 30.0
"""How long a request may take from its first byte to its last, in seconds: the SDK's timeout begins
anew with each byte. On Windows, a wait for a byte ends first."""

BATCH: Final = "/batch/"
NEWER: Final = "/i/v1/analytics/events"
_CLIENT: Final = "dev-analytics"
_HEADERS: Final = {"User-Agent": _CLIENT, "Accept-Encoding": "identity", "Accept": "*/*"}
"""The same for everybody: by default they would name the versions of what is installed."""


class PostHog:
    """PostHog's cloud, or a PostHog that somebody runs.

    Parameters
    ----------
    project_key, host
        Where the records go, as a yes names it; requests go to no other address.
    deadline
        How long a request may take from its first byte to its last, in seconds.
    """

    batch_size = 500

    def __init__(self, project_key: str, host: str, deadline: float = DEADLINE_SECONDS) -> None:
        self.confirm = no_question
        self._key = project_key
        self._host = host
        self._deadline = deadline
        self._has_newer = True
        self._session = _Session(lambda: self.confirm())
        # Plain http is only for this machine: a proxy could read it, and the yes named none.
        self._session.trust_env = not self._host.startswith("http://")
        # The SDK must print nothing: this process has no terminal, and its log holds no text.
        logging.getLogger("posthog").addHandler(logging.NullHandler())

    def deliver(self, records: Sequence[bytes]) -> Receipt | None:
        """Send `records` in one request, or in a second one if the server has no newer endpoint.

        Raises
        ------
        Unreachable, Refused, Unacceptable
            PostHog did not acknowledge them.
        """
        uuids = [json.decode(record, type=_Named).uuid for record in records]
        # PostHog may refuse a batch that contains a uuid twice.
        batch = list(dict(zip(uuids, records, strict=True)).values())
        if self._has_newer:
            try:
                return self._deliver_to_newer(batch, uuids)
            except NotThereError as error:
                self._has_newer = not error.for_good
        answer = self._post(BATCH, batch)
        raise_for_status(answer.status, answer.retry_after)
        raise_unless_acknowledged(answer.body)
        return None

    def _deliver_to_newer(self, batch: list[bytes], uuids: list[str]) -> Receipt | None:
        """Send `batch` to the endpoint that answers for each record."""
        answer = self._post(
            NEWER,
            batch,
            **{
                "Authorization": f"Bearer {self._key}",
                "PostHog-Sdk-Info": _CLIENT,
                "PostHog-Attempt": "1",
                "PostHog-Request-Id": str(uuid4()),
                "PostHog-Request-Timestamp": iso(int(time.time())),
            },
        )
        raise_for_newer_status(answer.status, answer.retry_after)
        return receipt(answer.body, uuids, answer.retry_after)

    def _post(self, path: str, batch: list[bytes], **headers: str) -> _Answer:
        self._session.prepare(batch, headers)
        try:
            with deadline(self._deadline, _Late):
                post(
                    self._key,
                    self._host,
                    path,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),  # type: ignore[arg-type]
                    session=self._session,
                    batch=[],
                    historical_migration=False,
                )
        except _Late:
            raise Unreachable("the server took too long") from None
        except (OSError, ValueError) as error:
            # The exceptions of requests are OSErrors, and so is the one for missing certificates.
            raise Unreachable(f"the server could not be reached ({type(error).__name__})") from None
        return self._session.answer


class _Named(Struct):
    uuid: str


class _Answer(Struct, frozen=True):
    """An answer, as far as it was read."""

    status: int
    retry_after: str | None
    body: bytes


class _Session(requests.Session):
    """A session that sends nothing of the user's, and reads little of the answer.

    Attributes
    ----------
    answer
        The latest answer.
    """

    def __init__(self, confirm: Callable[[], None]) -> None:
        super().__init__()
        self.answer = _Answer(0, None, b"")
        self._batch: list[bytes] = []
        self._own: dict[str, str] = {}
        # Any auth keeps requests from reading .netrc.
        self.auth = lambda request: request
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.mount("https://", _Adapter(confirm, ssl.create_default_context()))
        self.mount("http://", _Adapter(confirm))

    def prepare(self, batch: list[bytes], headers: dict[str, str]) -> None:
        """Set the records and the additional headers of the next request."""
        self._batch, self._own = batch, headers

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send the SDK's envelope with the records as they are in the spool, and read the answer.

        No redirect is followed. The time of the request is in whole seconds, as all our times are.
        """
        envelope = json.decode(kwargs["data"])
        envelope.pop("sentAt", None)
        now = iso(int(time.time()))
        # Each endpoint ignores the name that the other one wants.
        envelope |= {"sent_at": now, "created_at": now}
        envelope["batch"] = Raw(b"[" + b", ".join(self._batch) + b"]")
        packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        response = super().request(
            *args,
            **{
                **kwargs,
                "data": gzip.compress(json.encode(envelope), compresslevel=4, mtime=0),
                "headers": {**_HEADERS, **packed, **self._own},
                "allow_redirects": False,
                "stream": True,
            },
        )
        with response:
            self.answer = self._read(response)
        return response

    def _read(self, response: requests.Response) -> _Answer:
        """Read no more of an answer than an acknowledgement needs."""
        limit = ANSWER_BYTES + RESULT_BYTES * len(self._batch)
        body = b""
        if response.status_code == 200:
            packed = response.raw.read(limit, decode_content=False)
            body = unpacked(packed, response.headers.get("Content-Encoding"), limit)
        return _Answer(response.status_code, response.headers.get("Retry-After"), body)


class _Adapter(HTTPAdapter):
    """Makes connections, and calls `confirm` when one is established, before anything is sent.

    `context` is what HTTPS trusts: besides requests' own certificates those of the system and
    ``SSL_CERT_FILE``.
    """

    def __init__(self, confirm: Callable[[], None], context: ssl.SSLContext | None = None) -> None:
        self._confirm = confirm
        self._options: dict[str, Any] = {} if context is None else {"ssl_context": context}
        super().__init__(max_retries=0)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **kwargs: Any
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **self._options, **kwargs)
        _confirm_connections(self.poolmanager, self._confirm)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        is_new = proxy not in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **self._options, **kwargs)
        if is_new:
            _confirm_connections(manager, self._confirm)
        return manager


def _confirm_connections(manager: Any, confirm: Callable[[], None]) -> None:
    """Call `confirm` before anything that the connections of `manager` send."""

    def confirmed(pool: Any) -> Any:
        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            def send(self, data: Any) -> None:
                if self.sock is None:
                    self.connect()
                confirm()
                super().send(data)

        return type(pool.__name__, (pool,), {"ConnectionCls": Connection})

    manager.pool_classes_by_scheme = {
        scheme: confirmed(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
    }


class _Late(Exception):  # noqa: N818
    """The deadline has passed. As an OSError it would make urllib3 try the host's next address."""
