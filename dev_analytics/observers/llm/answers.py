"""What SDKs answer with, in one form: the model, the token counts, an error's status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from dev_analytics.catalogue.values import LARGEST

_MODULE: Final = type.__dict__["__module__"].__get__


class Answer(NamedTuple):
    """What a whole answer, or a chunk of one, tells; what it does not tell is None.

    The token counts are as the catalogue has them: cached tokens are part of the input, reasoning
    is part of the output. `total` adds up what an SDK counts apart. `id` is the answer's own, kept
    in memory for a while so that nobody counts it twice.
    """

    model: object = None
    input_tokens: object = None
    output_tokens: object = None
    cache_read_input_tokens: object = None
    cache_write_input_tokens: object = None
    reasoning_output_tokens: object = None
    id: object = None


class SDK(NamedTuple):
    """A client library.

    Attributes
    ----------
    name
        The member of the vocabulary ``sdks``.
    package
        The dotted name that the modules of its classes begin with: nothing else is read.
    read
        Tells what an answer or chunk says, or None for a chunk that says nothing.
    provider
        The member of ``providers`` that always serves it; None where the address decides.
    plain
        Its answers are plain dictionaries, and not of classes of its own.
    """

    name: str
    package: str
    read: Callable[[Any], Answer | None]
    provider: str | None = None
    plain: bool = False


def belongs(cls: type, package: str) -> bool:
    """Return whether a class says that it comes from `package`."""
    module = _MODULE(cls)
    return type(module) is str and (module == package or module.startswith(f"{package}."))


def get(part: Any, name: str) -> Any:
    """Give a field; a version older than the field has a plain dictionary in its place."""
    if part is None:
        return None
    return part.get(name) if type(part) is dict else getattr(part, name, None)


def tokens(value: object) -> int | None:
    """Give a number of tokens: a whole one that is not negative, else None."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= LARGEST else None


def total(*parts: object) -> object:
    """Add up what an SDK counts apart; None where none of it is a number of tokens."""
    known = [number for number in map(tokens, parts) if number is not None]
    return sum(known) if known else None


def status(error: object) -> int | None:
    """Give the HTTP status that an SDK's error carries, or the response in it; else None."""
    for name in ("status_code", "code", "status"):
        code = getattr(error, name, None)
        if type(code) is int and 100 <= code <= 599:
            return code
    response = getattr(error, "response", None)
    if type(response) is dict:  # as botocore has it
        code = get(response.get("ResponseMetadata"), "HTTPStatusCode")
    else:
        code = getattr(response, "status_code", None)
    return code if type(code) is int and 100 <= code <= 599 else None
