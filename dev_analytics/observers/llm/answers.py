"""What SDKs answer with, in one form: the model, the token counts, an error's status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from dev_analytics.catalogue.values import MAX_INTEGER

_MODULE: Final = type.__dict__["__module__"].__get__


class Answer(NamedTuple):
    """What a whole answer, or a chunk of one, tells; what it does not tell is None.

    The token counts are as the catalogue has them: cached tokens are part of the input, reasoning
    is part of the output. What an SDK counts apart is a tuple of its parts, always in one order, so
    that a chunk may tell some of them. `failed` is True where the answer says that there is none.
    """

    model: object = None
    input_tokens: object = None
    output_tokens: object = None
    cache_read_input_tokens: object = None
    cache_write_input_tokens: object = None
    reasoning_output_tokens: object = None
    failed: object = None

    def updated(self, later: Answer) -> Answer:
        """Return what is known once a `later` chunk has told its part.

        Its word counts; only counts that are all zero, as some servers send last, say nothing.
        """
        says_nought = tokens(later.input_tokens) == tokens(later.output_tokens) == 0
        if says_nought and not any(map(tokens, later[1:6])):
            later = Answer(later.model, failed=later.failed)
        return Answer(*map(_latest, self, later))


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
    errors
        Other packages whose errors its users get as its own.
    """

    name: str
    package: str
    read: Callable[[Any], Answer | None]
    provider: str | None = None
    plain: bool = False
    errors: tuple[str, ...] = ()


def belongs(cls: type, package: str) -> bool:
    """Return whether a class says that it comes from `package`."""
    module = _MODULE(cls)
    return type(module) is str and (module == package or module.startswith(f"{package}."))


def get(part: Any, name: str) -> Any:
    """Return a field; a version older than the field has a plain dictionary in its place."""
    if part is None:
        return None
    return part.get(name) if type(part) is dict else getattr(part, name, None)


def text(value: object) -> str | None:
    """Return a text, also of a class of its own as a member of an enumeration is, else None."""
    if type(value) is str:
        return value
    # No method of that class is asked.
    return str.__str__(value) if issubclass(type(value), str) else None


def get_rare(part: Any, name: str) -> Any:
    """Return a field that few have, as `get` does: pydantic takes long to say that it is not there.

    What an answer has beside the fields of its class stands in one place of its own.
    """
    beside = getattr(part, "__pydantic_extra__", part)
    if beside is part:
        return get(part, name)
    own = vars(part)
    return own[name] if name in own else get(beside, name)


def tokens(value: object) -> int | None:
    """Return a number of tokens: a whole one that is not negative, else None; the sum of parts."""
    if isinstance(value, tuple):
        known = [number for number in map(tokens, value) if number is not None]
        return sum(known) if known else None
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else None


def total(*parts: object) -> object:
    """Add up what an SDK counts apart; None where none of it is a number of tokens."""
    return tokens(parts)


def _latest(old: object, new: object) -> object:
    if new is None:
        return old
    if type(old) is tuple and type(new) is tuple:
        return tuple(map(_latest, old, new))
    return new


def status(error: object) -> int | None:
    """Return the HTTP status that an SDK's error carries, or the response in it; else None."""
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
