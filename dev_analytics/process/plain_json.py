"""JSON as Python's own functions in C read and write it, whatever the user has made of `json`.

Users replace `json` in `sys.modules` by a faster library, functions and classes in it, and what
these use inside. None of that changes what a file of ours says, or runs in the middle of our code,
with one exception: the error for a damaged file is made by what stands for `json.decoder` then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from dev_analytics.process.handlers import pass_on
from dev_analytics.process.native import fresh_copy

_JSON: Final = fresh_copy("_json")
_SPACES: Final = " \t\n\r"
_Pairs: TypeAlias = list[tuple[str, object]]


class _Rules:
    """What the scanner asks of a decoder."""

    strict = True
    object_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float

    def __init__(self, pairs: Callable[[_Pairs], object] | None) -> None:
        self.object_pairs_hook = pairs


def decoder(pairs: Callable[[_Pairs], object] | None = None) -> Callable[[str], Any]:
    """Return a function that decodes one JSON value, and raises ValueError if there is none.

    `pairs` makes an object of its names and values; None makes a dictionary.
    """
    scan = _JSON.make_scanner(_Rules(pairs))

    def decode(text: str) -> Any:
        try:
            found, end = scan(text, len(text) - len(text.lstrip(_SPACES)))
        except Exception as error:
            # Of any class: `json.decoder` may be missing, or have another one for its errors.
            pass_on(error)
            raise ValueError("no JSON") from None
        if text[end:].strip(_SPACES):
            raise ValueError("more than one value")
        return found

    return decode


def encoder(
    item_separator: str = ", ", key_separator: str = ": ", *, sort_keys: bool = False
) -> Callable[[object], str]:
    """Return a function that encodes plain values as ``json.dumps`` does, and refuses others."""
    # The second argument would encode what is no plain value: calling None refuses it.
    parts = _JSON.make_encoder(
        *(None, None, _JSON.encode_basestring_ascii, None),
        *(key_separator, item_separator, sort_keys, False, True),
    )

    def encode(content: object) -> str:
        return "".join(parts(content, 0))

    return encode


decode: Final = decoder()
encode: Final = encoder()
