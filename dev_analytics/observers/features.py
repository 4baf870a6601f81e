"""Magics, shell commands, help and debugger in a cell, read from its transformed source.

IPython rewrites each of these to a call on ``get_ipython()``. Reading that text has no effect for
the user, whereas a wrapped ``run_line_magic`` or ``system`` would break ``$name`` in commands. A
use counts once however often a loop runs it, and even in a branch that is not run; one in a
function that an earlier cell defined does not count. Text in strings and comments is not a use.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from functools import cache
from keyword import iskeyword
from typing import Any, Final, NamedTuple

from dev_analytics.observers.plain import plain

MAX_USES: Final = 50
"""How many uses in one cell are recorded."""

MAX_DEPTH: Final = 3
"""How deep nested cell magics are followed that run their body."""

MAX_BODY: Final = 100_000
"""The length of the longest body that is followed, in characters: transforming one needs a hundred
times its memory, and perhaps as much time as running it."""

_TOKEN: Final = re.compile(
    r"""
        \"{3}(?:[^"\\]++|\\.?|"(?!""))*+(?:"{3})?  # strings, also those that do not end
      | '{3}(?:[^'\\]++|\\.?|'(?!''))*+(?:'{3})?
      | "(?:[^"\\\n]++|\\.?)*+"?
      | '(?:[^'\\\n]++|\\.?)*+'?
      | \#[^\n]*+
      | get_ipython(?<![\w.]get_ipython)\(\)\.(?:
            run_(?P<kind>line|cell)_magic\((?='(?P<magic>[^'\\]+))
          | (?:system|getoutput)\((?=['"]\s*(?P<command>[^\s'"\\;|&<>()]*))
        )
    """,
    re.VERBOSE | re.DOTALL,
)
"""Python's strings and comments, and IPython's calls: such a text in a string is not a call.

The standard library's tokenizer takes seconds for a cell of some megabytes; this passes through it
once, without backtracking.
"""

# What IPython writes for a cell magic. Only its own escapes: a wrong one would warn in the session.
_TEXT: Final = r"""(?:'(?:[^'\\]++|\\[\\'"nrtxuU])*+'|"(?:[^"\\]++|\\[\\'"nrtxuU])*+")"""
_CELL_MAGIC: Final = re.compile(
    rf"get_ipython\(\)\.run_cell_magic\({_TEXT}, {_TEXT}, (?P<body>{_TEXT})\)\s*"
)
_BARE: Final = re.compile(r"\s*(?P<name>[^\W\d]\w*)(?![\w.*])[^\S\n]*+(?![=,])[^\n]*\n?")
_SEPARATORS: Final = re.compile("[\x1c-\x1e\x85\u2028\u2029]")
"""Characters at which Python splits lines, and about which IPython warns."""

_SPECIAL: Final = re.compile(r"^[ \t]*[%!?]|=[ \t]*[%!]|\?[ \t;]*$", re.MULTILINE)
"""Where a body may have something that IPython would transform."""

_HELP: Final = frozenset({"pinfo", "pinfo2", "psearch"})
_DEBUGGER: Final = frozenset({"debug", "pdb"})
_RUN_BODY: Final = frozenset({"time", "timeit", "capture", "prun"})


class Feature(NamedTuple):
    """A use of a feature: its kind, and the name to look up in the vocabulary."""

    kind: str
    name: str


def transform(cell: str) -> str:
    """Transform a cell as IPython does, without the transformers that the user added.

    Raises
    ------
    SyntaxError
        IPython's own transformers refuse it.
    """
    return str(_transformer().transform_cell(cell))


def _has(names: dict[str, object], name: str) -> bool:
    return dict.__contains__(plain(names), name)


def automagic(cell: str, shell: Any) -> str:
    """Return the transformed `cell`; a magic that was called by its bare name becomes explicit.

    IPython does that for a single line, if no variable has the name and nothing is assigned to it.
    Here only names are compared, as IPython's own way looks into the user's objects.
    """
    bare = _BARE.fullmatch(cell)
    if bare is None or not shell.automagic:
        return cell
    name = bare["name"]
    # Magics first: few cells are the name of one, and a namespace may have many names.
    if iskeyword(name) or not _has(shell.magics_manager.magics["line"], name):
        return cell
    if any(_has(names, name) for names in (shell.user_ns, shell.user_global_ns, vars(builtins))):
        return cell
    return f"get_ipython().run_line_magic('{name}', '')"


def features(code: str, deeper: int = MAX_DEPTH) -> Iterator[Feature]:
    """Yield each use in a cell, given as IPython transformed it.

    Names in it are the user's words, which are only looked up in the vocabularies. Magics that run
    their body are followed as many levels `deeper`.
    """
    if "get_ipython()" not in code:
        return
    whole = _CELL_MAGIC.fullmatch(code)
    for call in _TOKEN.finditer(code):
        magic, command = call["magic"], call["command"]
        if magic is None:
            if command is not None:
                yield Feature("shell command", command)
            continue
        if magic in _HELP:
            yield Feature("help", magic)
        elif magic in _DEBUGGER:
            yield Feature("debugger", magic)
        else:
            yield Feature(f"{call['kind']} magic", magic)
        if whole:
            if magic in _RUN_BODY and deeper:
                yield from features(_body(whole["body"]), deeper - 1)
            return  # it takes the whole cell, so the rest is its body's text


def _body(text: str) -> str:
    """Return the transformed body of a cell magic; `text` is the body as a Python literal.

    It is empty if nothing in the body is transformed, or the body is too long.
    """
    if len(text) > MAX_BODY:
        return ""
    try:
        body = _SEPARATORS.sub(" ", ast.literal_eval(text))
        return transform(body) if _SPECIAL.search(body) else ""
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


@cache
def _transformer() -> Any:
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager()
