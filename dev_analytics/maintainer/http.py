"""HTTP requests for the maintainers' commands: standard library only, no redirects, no proxy.

Error messages are one line, and never contain the key.
"""

from __future__ import annotations

import http.client
import re
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import DecodeError, ValidationError, json

from dev_analytics import __version__
from dev_analytics.destinations.posthog import ADDRESS_ALLOWED, is_address
from dev_analytics.process.messages import printable

SECONDS: Final = 60
"""How long a server may be silent."""
MAX_BYTES: Final = 64 * 2**20
MAX_TRIES: Final = 5
MAX_PAUSE: Final = 60
MAX_DETAIL: Final = 300
"""How many characters of a server's error message are shown."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PARTS: Final = re.compile(r"(https?)://(\[[^]]+\]|[^:/]+)(?::(\d+))?(/.*)?")
_MEANS: Final = {
    401: "it does not know this key",
    403: "the key lacks the permission",
    404: "it has no such object, or the key may not see it",
    429: "there were too many requests",
}


class RequestError(Exception):
    """A request failed; the message says how in one line, without the key.

    `status` is that of the answer; 0 if there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """A server that is accessed with a secret.

    Parameters
    ----------
    address
        Its URL.
    headers
        The headers of every request, among them the one with the secret.
    secret
        The secret, which is cut out of every message.

    Raises
    ------
    ValueError
        The address is not allowed, or a header has several lines.
    """

    def __init__(
        self,
        address: str,
        headers: Mapping[str, str],
        secret: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = _PARTS.fullmatch(address)
        if parts is None or not is_address(address):
            raise ValueError(f"the address must be {ADDRESS_ALLOWED}, got {printable(address)!r}")
        self.address = address.rstrip("/")
        self._scheme, self._host, port, path = parts.groups()
        self._port = int(port) if port else None
        self._prefix = (path or "").rstrip("/")
        if any(_CONTROL.search(value) for value in headers.values()):
            # http.client would show the value in its message.
            raise ValueError("a user or a password has a line break or another control character")
        sent = {"User-Agent": f"dev-analytics/{__version__}", **headers}
        self._headers = {
            name: value.encode("utf-8", "surrogateescape") for name, value in sent.items()
        }
        self._secret = secret
        self._sleep = sleep

    def ask(self, method: str, path: str, body: object = None, form: Any = Any) -> Any:
        """Send JSON, and return the answer's JSON in the expected form.

        Raises
        ------
        RequestError
            The request failed, or the answer has another form.
        """
        sent = None if body is None else json.encode(body)
        answer = self.send(method, path, sent, "application/json")
        where = f"{self.address} answers {method} {path.partition('?')[0]}"
        try:
            return json.decode(answer or b"null", type=form)
        except ValidationError as error:
            raise RequestError(
                f"{where} in an unexpected form: {self._plain(str(error))}"
            ) from None
        except (DecodeError, ValueError, RecursionError):
            raise RequestError(f"{where} with something that is not JSON") from None

    def send(self, method: str, path: str, body: bytes | None, kind: str) -> bytes:
        """Send a request, repeated if the server is busy, and return the body of the answer.

        Raises
        ------
        RequestError
            The request failed.
        """
        where = f"{method} {path.partition('?')[0]}"
        for _ in range(MAX_TRIES):
            status, answer, pause = self._once(method, path, body, kind)
            if status != 429:
                break
            self._sleep(pause)
        if 200 <= status < 300:
            return answer
        if 300 <= status < 400:
            raise RequestError(
                f"{self.address} answers {where} with a redirect ({status}): "
                "give the address that it redirects to",
                status,
            )
        meaning = _MEANS.get(status, "it failed")
        detail = self._detail(answer)
        if detail:
            meaning = f"{meaning} ({detail})"
        raise RequestError(f"{self.address} answers {where} with {status}: {meaning}", status)

    def _once(
        self, method: str, path: str, body: bytes | None, kind: str
    ) -> tuple[int, bytes, float]:
        connection: http.client.HTTPConnection
        if self._scheme == "https":
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=SECONDS, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=SECONDS)
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = kind.encode()
        try:
            connection.request(method, f"{self._prefix}{path}", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(MAX_BYTES), _pause(answer.getheader("Retry-After"))
        except (OSError, http.client.HTTPException) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
            raise RequestError(f"{self.address} cannot be reached: {self._plain(why)}") from None
        finally:
            connection.close()

    def _detail(self, answer: bytes) -> str:
        """Return the server's own error message, shortened to one line."""
        try:
            content = json.decode(answer)
        except (DecodeError, ValueError, RecursionError):
            return ""
        detail = (
            content.get("detail") or content.get("error") if isinstance(content, dict) else None
        )
        return self._plain(detail) if isinstance(detail, str) else ""

    def _plain(self, text: str) -> str:
        return printable(text.replace(self._secret, "…") if self._secret else text)[:MAX_DETAIL]


def _pause(retry_after: str | None) -> float:
    seconds = int(retry_after) if retry_after and retry_after.isdecimal() else 1
    return min(seconds, MAX_PAUSE)
