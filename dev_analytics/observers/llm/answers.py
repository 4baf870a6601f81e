"""The answers of SDKs in one common form: the model, the token counts, an error's status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from dev_analytics.catalogue.values import MAX_INTEGER
from dev_analytics.observers.plain import plain

_MODULE: Final = type.__dict__["__module__"].__get__


class Answer(NamedTuple):
    """The content of a whole answer or of a chunk; None for what it does not have.

    The token counts are those of the catalogue: the input includes cached tokens, and the output
    includes reasoning. A count that an SDK divides is a tuple of its parts, always in the same
    order, so that a chunk may have only some of them. `failed` is True if the answer says that it
    failed.
    """

    model: object = None
    input_tokens: object = None
    output_tokens: object = None
    cache_read_input_tokens: object = None
    cache_write_input_tokens: object = None
    reasoning_output_tokens: object = None
    failed: object = None

    def updated(self, later: Answer) -> Answer:
        """Return what is known after a `later` chunk.

        The later values win, except for counts that are all zero, as some servers send last.
        """
        is_zero = tokens(later.input_tokens) == tokens(later.output_tokens) == 0
        if is_zero and not any(map(tokens, later[1:6])):
            later = Answer(later.model, failed=later.failed)
        return Answer(*map(_latest, self, later))


class SDK(NamedTuple):
    """A client library.

    Attributes
    ----------
    name
        The member of the vocabulary ``sdks``.
    package
        The dotted name with which the modules of its classes begin: no other objects are read.
    read
        Returns the content of an answer or chunk, or None if there is none.
    provider
        The member of ``providers`` that always serves it; None if the address decides.
    plain
        Whether its answers are plain dictionaries, not objects of its own classes.
    errors
        Other packages with errors that its users get.
    """

    name: str
    package: str
    read: Callable[[Any], Answer | None]
    provider: str | None = None
    plain: bool = False
    errors: tuple[str, ...] = ()


def belongs(cls: type, package: str) -> bool:
    """Return whether the module of a class belongs to `package`."""
    module = _MODULE(cls)
    return type(module) is str and (module == package or module.startswith(f"{package}."))


def get(part: Any, name: str) -> Any:
    """Return a field; SDK versions without the field have a plain dictionary there."""
    if part is None:
        return None
    return plain(part).get(name) if type(part) is dict else getattr(part, name, None)


def text(value: object) -> str | None:
    """Return a text, including one of a subclass such as an enumeration's member; else None."""
    if type(value) is str:
        return value
    # No method of that class is called.
    return str.__str__(value) if issubclass(type(value), str) else None


def fields(thing: object) -> dict[str, Any]:
    """Return the fields of an object, without running what its class does instead."""
    found: dict[str, Any] = object.__getattribute__(thing, "__dict__")
    return found


def get_rare(part: Any, name: str) -> Any:
    """Return a rare field, as `get` does: pydantic is slow to report a missing one.

    Fields that are not declared in an answer's class are in a separate place.
    """
    beside = getattr(part, "__pydantic_extra__", part)
    if beside is part:
        return get(part, name)
    own = vars(part)
    return own[name] if name in own else get(beside, name)


def tokens(value: object) -> int | None:
    """Return a number of tokens, or the sum of its parts; None if it is no whole number from 0."""
    # The most frequent first: each of an answer's five counts is asked for here.
    if value is None:
        return None
    if type(value) is int:
        return value if 0 <= value <= MAX_INTEGER else None
    if type(value) is tuple:
        known = [number for number in map(tokens, value) if number is not None]
        return sum(known) if known else None
    if type(value) is float and value.is_integer():
        return tokens(int(value))
    return None


def _latest(old: object, new: object) -> object:
    if new is None:
        return old
    if type(old) is tuple and type(new) is tuple:
        return tuple(map(_latest, old, new))
    return new


def status(error: object) -> int | None:
    """Return the HTTP status of an SDK's error or of the response in it; else None."""
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
