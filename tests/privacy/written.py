"""Notebooks that hypothesis writes: cells of every sort, with a mark wherever somebody writes.

A cell holds ``@{place}`` where the user's own words stand. The marks themselves are put in later:
they are new in every test, and nothing of them is drawn.
"""

from __future__ import annotations

import re

from hypothesis import strategies as st

from dev_analytics.proof.marks import DISGUISES, Marks

PUBLIC: tuple[str, ...] = (
    "requests.exceptions:ConnectionError",
    "pandas.errors:ParserError",
    "json.decoder:JSONDecodeError",
    "builtins:ValueError",
    "openai:RateLimitError",
    "dev_analytics.catalogue.events:UndeclaredError",
)
BASES = ("ValueError", "KeyError", "OSError", "BaseException", "UnicodeError", "StopIteration")
MAGICS = ("time", "timeit -n1 -r1", "prun -q", "env", "alias", "who", "pinfo", "macro", "store")
CELL_MAGICS = ("time", "capture", "writefile", "script true", "html", "timeit -n1 -r1", "latex")
_PLACE = re.compile(r"@\{([^}]*)\}")
_HIDDEN = ("as it is", "upper case", "percent", "hex", "base64", "apart", "escaped", "backwards")


def planted(cell: str, marks: Marks) -> str:
    """Give a cell with its marks, as ``@{place}`` or, in a disguise, as ``@{place|disguise}``."""

    def mark(found: re.Match[str]) -> str:
        place, _, disguise = found[1].partition("|")
        return DISGUISES[disguise or "as it is"](marks(place))

    return _PLACE.sub(mark, cell)


def name(place: str) -> st.SearchStrategy[str]:
    """Write an identifier."""
    decorated = st.sampled_from(["{}", "_{}", "é{}", "{}_ß2", "变量{}", "my_{}"])
    return decorated.map(lambda form: form.replace("{}", f"@{{{place}}}"))


def text(place: str) -> st.SearchStrategy[str]:
    """Write a string literal: any text with a mark in it, in a disguise or as it is."""
    around = st.text(st.characters(exclude_characters="@{}", codec="utf-8"), max_size=8)
    hidden = st.sampled_from(_HIDDEN).map(lambda disguise: f"@{{{place}|{disguise}}}")
    return st.tuples(around, hidden, around).map(lambda parts: repr("".join(parts)))


def plain(place: str) -> st.SearchStrategy[str]:
    """Write words that no quotes are around: an argument, a comment."""
    forms = ("{}", "--{}=1", "'{} {}'", "-x {}")
    return st.sampled_from(forms).map(lambda form: form.replace("{}", f"@{{{place}}}"))


def cell(form: str, **parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Write cells of a form whose ``<part>`` are drawn."""
    return st.fixed_dictionaries(parts).map(
        lambda drawn: re.sub(r"<(\w+)>", lambda found: drawn[found[1]], form)
    )


CODE = st.one_of(
    cell("<name> = <text>  # @{comment}", name=name("variable"), text=text("string")),
    cell("<text>", text=text("expression")),
    cell("def <name>(<arg>, *, @{keyword}=<text>): return <arg>\n<name>(<text>)",
         name=name("function"), arg=name("argument"), text=text("default")),
    cell("print(<text>, f'{<text>}')", text=text("printed")),
    cell("import @{module}\n@{module}.@{attribute}"),
    cell("from <module> import @{name of nothing}", module=st.sampled_from(["os", "pandas"])),
    cell("await @{coroutine}()"),
    cell("<name> = '@{huge}' * 20_000; <name>.@{attribute of a text}", name=name("long")),
)  # fmt: skip

ERRORS = st.one_of(
    cell("raise <base>(<text>)", base=st.sampled_from(BASES), text=text("message")),
    cell("class <name>(<base>): ...\nraise <name>(<text>, {'@{key}': <text>})",
         name=name("class"), base=st.sampled_from(BASES), text=text("message of a class")),
    cell("try:\n    open('/@{folder}/@{file}.csv')\nexcept OSError as error:\n"
         "    error.add_note(<text>)\n    error.@{attribute of an error} = <text>\n    <raise>",
         text=text("note"), **{"raise": st.sampled_from(
             ["raise", "raise KeyError('@{cause}') from error", "raise KeyError('@{context}')"])}),
    cell("raise <group>(<text>, [OSError(<text>), ExceptionGroup('@{in}', [KeyError('@{part}')])])",
         group=st.sampled_from(["ExceptionGroup", "BaseExceptionGroup"]), text=text("group")),
    cell("@{undefined} + 1"),
    cell("{'@{missing key}': 1}[<text>]", text=text("key")),
    cell("import threading\ndef @{in a thread}(): raise OSError(<text>)\n"
         "t = threading.Thread(target=@{in a thread}, name='@{thread}'); t.start(); t.join()",
         text=text("message of a thread")),
    cell("exec(compile('1/0', '/@{compiled}/site-packages/@{package}.py', 'exec'), "
         "{'__name__': '<module>'})",
         module=st.sampled_from(["@{claimed}", "pandas", "dev_analytics.@{ours}"])),
    cell("import sys; sys.exit(<text>)", text=text("exit")),
    cell("if <text>", text=text("syntax")),
    cell("@{bad} @{syntax}\u2028 = '@{unclosed}"),
    cell("  @{indented}\n @{dedented}"),
)  # fmt: skip

HOSTILE = st.one_of(
    cell("""
import sys, types
<module> = types.ModuleType("<public>".split(":")[0])
<module>.__file__ = "/@{user folder}/site-packages/@{user module}.py"
Claimed = type("<public>".split(":")[1], (<base>,), {"@{member}": 1})
Claimed.__module__ = <module>.__name__
setattr(<module>, Claimed.__name__, Claimed)
_kept = sys.modules.get(<module>.__name__)
if <replaced> and "." in <module>.__name__ and not <module>.__name__.startswith("dev_analytics"):
    sys.modules[<module>.__name__] = <module>
try:
    raise Claimed(<text>)
finally:
    def _back(_):
        sys.modules.update({<module>.__name__: _kept} if _kept else {})
        _kept or sys.modules.pop(<module>.__name__, None)
        get_ipython().events.unregister("post_run_cell", _back)
    get_ipython().events.register("post_run_cell", _back)
""", module=name("module object"), public=st.sampled_from(PUBLIC), base=st.sampled_from(BASES),
         text=text("message of a claim"), replaced=st.sampled_from(["True", "False"])),
    cell("""
class @{metaclass}(type):
    <lie>
class <name>(<base>, metaclass=@{metaclass}):
    __module__, __qualname__ = <claim>
raise <name>(<text>)
""", name=name("hostile class"), base=st.sampled_from(["ValueError", "OSError"]),
         text=text("hostile message"),
         claim=st.sampled_from([
             "'@{claimed module}', '@{claimed name}'", "'builtins', 'ValueError'",
             "'pandas.errors', 'ParserError'",
         ]),
         lie=st.sampled_from([
             "__mro__ = property(lambda cls: ['@{lie}'])",
             "__name__ = property(lambda cls: '@{lie}')",
             "__eq__ = lambda cls, other: True; __hash__ = lambda cls: hash('KeyError')",
             "def __getattribute__(cls, name): return type.__getattribute__(cls, name)",
             "__instancecheck__ = __subclasscheck__ = lambda cls, other: True",
         ])),
    cell("""
class <name>:
    def <method>(self, *args): raise <base>(<text>)
_ = <name>()
<use>
""", name=name("hostile object"), text=text("message of a method"),
         method=st.sampled_from(["__repr__", "__str__", "__eq__", "__getattr__", "__bool__",
                                 "_repr_html_", "_ipython_display_"]),
         base=st.sampled_from(BASES),
         use=st.sampled_from(["_", "raise ValueError(_)", "del _", "1"])),
)  # fmt: skip

LINES = st.one_of(
    cell("%<magic> <args>", magic=st.sampled_from(MAGICS), args=plain("argument of a magic")),
    cell("%@{own line magic} <args>", args=plain("argument of an unknown magic")),
    cell("%%<magic> <args>\n@{body} = <text>", magic=st.sampled_from(CELL_MAGICS),
         args=plain("argument of a cell magic"), text=text("body of a cell magic")),
    cell("%%@{own cell magic} <args>\n@{body of an unknown magic}", args=plain("cell argument")),
    cell("def @{own magic}(line, cell=''): raise KeyError(line)\n"
         "get_ipython().register_magic_function(@{own magic}, <kind>)",
         kind=st.sampled_from(["'line'", "'cell'", "'line_cell'"])),
    cell("%@{own magic} <args>", args=plain("argument of own magic")),
    cell("%%time\n%%capture @{captured}\n%%@{inner magic} <args>\n!true @{inner argument}",
         args=plain("argument of an inner magic")),
    cell("@{wanted}?"), cell("?@{wanted}*"), cell("@{wanted}??"),
    cell("%dev_analytics @{word}"),
)  # fmt: skip

SHELL = st.one_of(
    cell("!true <args> # @{shell comment}", args=plain("argument of a command")),
    cell("!@{command} <args>", args=plain("argument of no command")),
    cell("@{output} = !/@{folder of a command}/@{command there} 2>/dev/null"),
    cell("!!@{VARIABLE}=@{value} true"),
    cell("%sx true {'@{shell variable}'}"),
    cell("!true $@{shell name}"),
)

CALLS = st.one_of(
    cell("get_analytics().event('<event>', <property>=<text>)",
         event=st.sampled_from(["command_run", "message_send", "feature_used", "@{event}"]),
         property=st.sampled_from(["command", "model", "provider", "name", "kind", "@{property}"]),
         text=text("value")),
    cell("with get_analytics().edit_format(<text>):\n"
         "    get_analytics().event('message_send', model=<text>, provider=<text>, tool=<text>)",
         text=text("words of a tool")),
).map(lambda code: f"from dev_analytics import get_analytics\n{code}")  # fmt: skip


def notebooks(*, shell: bool) -> st.SearchStrategy[list[str]]:
    """Write notebooks of a few cells, with shell lines or without them."""
    sorts = (CODE, ERRORS, HOSTILE, LINES, CALLS) + ((SHELL,) if shell else ())
    return st.lists(st.one_of(*sorts), min_size=1, max_size=5)
