"""Distinguishes a request that was refused before it went out from one that failed on its way.

Where no method of the SDK shows which, the error of a lower layer does: HTTP clients and gRPC
refuse a wrong address or header, and every request once they are closed; json refuses what it
cannot write. Only an error's type and traceback are read, so that nothing of the user's runs.
"""

from __future__ import annotations

from typing import Any, Final

from dev_analytics.observers.llm.answers import belongs
from dev_analytics.observers.plain import module_of
from dev_analytics.process.handlers import traceback_of

_HTTPX: Final = frozenset({"InvalidURL", "LocalProtocolError", "UnsupportedProtocol"})
_CLASSES: Final = {
    "httpx": _HTTPX,
    "httpx2": _HTTPX,
    "aiohttp": frozenset({"InvalidURL", "InvalidUrlClientError", "NonHttpUrlClientError"}),
    "requests": frozenset(
        {"InvalidHeader", "InvalidJSONError", "InvalidSchema", "InvalidURL", "MissingSchema"}
    ),
    "grpc": frozenset({"ExecuteBatchError", "UsageError"}),
}
"""The errors that mean a refusal, by the package that raises them."""

_SENDING: Final = frozenset({("httpx._client", "send"), ("httpx2._client", "send")})
_CLOSED: Final = _SENDING | {("aiohttp.client", "_request")}
"""The functions that raise a `RuntimeError` if their client is closed."""

_BUILDING: Final = frozenset(
    {
        ("httpx._client", "build_request"),
        ("httpx2._client", "build_request"),
        ("aiohttp.http_writer", "write_headers"),
        ("http.client", "putheader"),
        ("http.client", "putrequest"),
    }
)
"""The functions that put a request together, before any of it is sent."""

_SIGNING: Final = "_prepare_request"
"""The method of Stainless's SDKs that gets the credentials of a request."""

_ENCODERS: Final = ("json.encoder", "cohere.core.jsonable_encoder")
_REFUSING: Final = (TypeError, ValueError, UnicodeEncodeError)
_CAUSE: Final = vars(BaseException)["__cause__"].__get__
_CONTEXT: Final = vars(BaseException)["__context__"].__get__


def is_refused(error: BaseException) -> bool:
    """Return whether `error`, or the one it was raised from, means that no request went out."""
    if _is_refusal(error) or _is_refusal(_CAUSE(error)):
        return True
    # botocore names no cause.
    return belongs(type(error), "botocore") and _is_refusal(_CONTEXT(error))


def _is_refusal(error: Any) -> bool:
    if error is None:
        return False
    kind = type(error)
    for package, names in _CLASSES.items():
        # A class of the user's may have a metaclass that runs when its name is asked for.
        if belongs(kind, package):
            return kind.__name__ in names
    functions = _functions(error)
    if any(name == _SIGNING for _, name in functions):
        return True
    if kind is RuntimeError:
        return functions[-1] in _CLOSED
    if kind not in _REFUSING:
        return False
    if not _BUILDING.isdisjoint(functions):
        return True
    module = functions[-1][0] or ""
    # The user's own code may fail to write JSON when an answer is there.
    written = module in _ENCODERS and _SENDING.isdisjoint(functions)
    return written or module.startswith("grpc.")


def _functions(error: BaseException) -> list[tuple[str | None, str]]:
    """Return modules and names of the functions that `error` passed, the raising one last."""
    traceback = traceback_of(error)
    functions: list[tuple[str | None, str]] = [(None, "")]
    while traceback is not None:
        frame = traceback.tb_frame
        functions.append((module_of(frame), frame.f_code.co_name))
        traceback = traceback.tb_next
    return functions
