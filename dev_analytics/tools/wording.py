"""What a tool may be called and may say about itself, so that it cannot pass for anybody else.

Our question contains its title and the names of its events, which could ask for an answer or pass
for the program that asks. So all of it is ASCII, on one line, and short.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

MAX_TITLE: Final = 30
MAX_TITLE_WORDS: Final = 4
MAX_TEXT: Final = 160
MAX_WORD: Final = 40

FOREIGN_NAMES: Final = frozenset(
    {"dev", "devs", "devchat", "jupyter", "jupyterlab", "jupyterhub", "ipython", "ipykernel"}
    | {"python", "cpython", "pypi", "anaconda", "conda", "posthog", "openai", "anthropic"}
    | {"system", "security", "admin", "administrator", "root", "official", "warning", "police"}
    | {"microsoft", "windows", "apple", "macos", "google", "colab", "kaggle", "amazon", "aws"}
    | {"linux", "ubuntu", "debian", "github", "vscode", "spyder", "pycharm", "databricks"}
)
"""Names that a tool must not use, as it would seem to speak for them."""

INSTRUCTIONS: Final = frozenset(
    {"press", "enter", "answer", "confirm", "agree", "accept", "allow", "approve", "consent"}
    | {"yes", "please", "must", "password", "visit", "http", "https", "www"}
)
"""Words that could tell the reader of a question what to do."""

INSTRUCTIONS_IN_A_NAME: Final = INSTRUCTIONS - {"password", "visit", "http", "https", "www"}
"""Those of them that a package's name has no reason to contain."""

_TITLE: Final = re.compile(r"[A-Za-z0-9]+([ .+-][A-Za-z0-9]+)*")
_TEXT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ,.;'()+/_-]*")
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]*")
_PARTS: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")
_LOOK_ALIKE: Final = str.maketrans("013457i", "oleastl")
_LONG: Final = 6
"""A name with at least so many letters is found inside of other words, too."""


def is_title(text: object) -> bool:
    """Return whether `text` has the shape of a tool's title: up to four words."""
    if type(text) is not str or len(text) > MAX_TITLE or not _TITLE.fullmatch(text):
        return False
    words = text.split()
    return len(words) <= MAX_TITLE_WORDS and all(len(each) > 1 or each.isdigit() for each in words)


def is_text(text: object, most: int = MAX_TEXT) -> bool:
    """Return whether `text` is one short line of letters, digits and plain punctuation."""
    return (
        type(text) is str
        and len(text) <= most
        and _TEXT.fullmatch(text) is not None
        and text == " ".join(text.split())
    )


def is_word(text: object) -> bool:
    """Return whether `text` may be a word of a vocabulary."""
    return (
        type(text) is str
        and len(text) <= MAX_WORD
        and _WORD.fullmatch(text) is not None
        and text == " ".join(text.split())
    )


def foreign_name(text: str) -> str:
    """Return somebody else's name in `text`, which a tool must not use; empty if there is none.

    Characters that look alike count as the same: ``Jupyt3r`` is Jupyter.
    """
    return _found(text, FOREIGN_NAMES)


def instruction(text: str, words: frozenset[str] = INSTRUCTIONS) -> str:
    """Return the word in `text` that tells its reader what to do; empty if there is none."""
    return _found(text, words)


def improper(text: str) -> str:
    """Return in words how `text` would mislead its reader; empty if it would not."""
    if name := foreign_name(text):
        return f"speaks as {name}"
    word = instruction(text)
    return word and f"tells its reader what to do ({word})"


def shown(value: object) -> str:
    """Return a value as one short line for the tool's maker."""
    try:
        text = repr(value)
        text = text if text.isprintable() else ascii(text)
    except Exception:
        # A broken object, or a number with too many digits to print.
        text = f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _found(text: str, names: frozenset[str]) -> str:
    skeletons = {_skeleton(name): name for name in sorted(names)}
    for part in _parts(text):
        if part in skeletons:
            return skeletons[part]
    together = _skeleton(text)
    inside = (name for each, name in skeletons.items() if len(each) >= _LONG and each in together)
    return next(inside, "")


def _parts(text: str) -> Iterator[str]:
    """Return the words of `text`, including those in CamelCase and split ones like ``d.e.v``."""
    pieces = _PARTS.findall(text)
    for first in range(len(pieces)):
        for part in accumulate(pieces[first:]):
            if len(part) > MAX_WORD:
                break
            yield _skeleton(part)
            yield _skeleton(part.rstrip("0123456789"))


def _skeleton(text: str) -> str:
    letters = "".join(filter(str.isalnum, text.lower())).translate(_LOOK_ALIKE)
    return letters.replace("rn", "m").replace("vv", "w").replace("cl", "d")
