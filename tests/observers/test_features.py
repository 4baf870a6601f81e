"""Uses of magics, shell commands, help and debugger are seen, named from the vocabularies only."""

from __future__ import annotations

import time
import tracemalloc
import warnings
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from dev_analytics.catalogue.events import FeatureUsed, properties
from dev_analytics.observers.features import MAX_USES, automagic, features, transform

MARK = "zqxmark"
ASSIGNED = "x = !pip --version"
UNDERSTOOD = "getoutput" in TransformerManager().transform_cell(ASSIGNED)
"""IPython 7 takes it for an error on Python 3.12 and newer, so that no shell command is used."""


def used(log: Any) -> list[tuple[str, str]]:
    return [(feature["kind"], feature["name"]) for feature in log.of("feature used")]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("%pwd", [("line magic", "pwd")]),
        ("here = %pwd", [("line magic", "pwd")]),
        ("pwd", [("line magic", "pwd")]),
        ("if True:\n    %pwd", [("line magic", "pwd")]),
        ("ls", [("line magic", "ls")]),
        ("%%html\n<b>text</b>", [("cell magic", "html")]),
        ("%%bash\ntrue", [("cell magic", "bash")]),
        ("%%!\ntrue", [("cell magic", "!")]),
        ("%%sx\ntrue", [("cell magic", "sx")]),
        ("%sx true", [("line magic", "sx")]),
        ("!true", [("shell command", "other")]),
        ("!git --version", [("shell command", "git")]),
        (ASSIGNED, [("shell command", "pip")] if UNDERSTOOD else []),
        ("!!pwd", [("shell command", "pwd")]),
        ("x = 1\nx?", [("help", "pinfo")]),
        ("len?", [("help", "pinfo")]),
        ("?len", [("help", "pinfo")]),
        ("len??", [("help", "pinfo2")]),
        ("*int*?", [("help", "psearch")]),
        ("%pdb off", [("debugger", "pdb")]),
        (
            "%pwd\n%pwd\n!pwd",
            [("line magic", "pwd"), ("line magic", "pwd"), ("shell command", "pwd")],
        ),
        ("x = 1", []),
        ("'%pwd'", []),
    ],
)
def test_each_kind_of_use_is_seen(
    run: Any, log: Any, code: str, expected: list[tuple[str, str]]
) -> None:
    run(code)

    assert used(log) == expected


def test_a_use_of_the_debugger_is_seen(terminal: Any, log: Any) -> None:
    session = terminal("--DevAnalytics.sample_percent=0", env={"DEV_ANALYTICS_LOG": str(log.path)})
    session.prompt()
    session.run("%load_ext dev_analytics")
    session.run("1 / 0")
    session.type("%debug")
    session.until("ipdb> ")
    session.run("quit")

    assert used(log) == [("debugger", "debug")]


@pytest.mark.parametrize("outer", ["time", "timeit -n1 -r1", "capture", "prun -q"])
def test_what_a_cell_magic_runs_is_seen_once(run: Any, log: Any, outer: str) -> None:
    run(f"%%{outer}\nx = 1\n%pwd\n!git --version\nlen?")

    assert used(log) == [
        ("cell magic", outer.split()[0]),
        ("line magic", "pwd"),
        ("shell command", "git"),
        ("help", "pinfo"),
    ]


def test_nested_cell_magics_are_followed_three_deep(run: Any, log: Any) -> None:
    run("%%time\n%%capture\n%%time\n%pwd")
    assert used(log)[-1] == ("line magic", "pwd")
    assert len(used(log)) == 4

    run("%%time\n%%time\n%%time\n%%time\n%pwd")
    assert used(log)[4:] == [("cell magic", "time")] * 4


def test_the_text_of_a_cell_magic_that_runs_no_python_is_not_read(
    run: Any, log: Any, tmp_path: Path
) -> None:
    run(
        f"%%writefile {tmp_path / 'x.py'}\n"
        "get_ipython().system('git')\nget_ipython().run_line_magic('pwd', '')"
    )

    assert used(log) == [("cell magic", "writefile")]


CALL = "get_ipython().run_line_magic('pwd', '')"


@pytest.mark.parametrize(
    "code",
    [
        f"# {CALL}",
        f"x = 1  # {CALL}",
        f'x = "{CALL}"',
        f"x = r'\\' # {CALL}",
        f'"""Show where it is.\n\n{CALL}\n"""',
        f"help = '''\n{CALL}\n'''",
        f'print(f"{{1}} {CALL}")',
        f'x = rb"{CALL}"',
        f'x = "\\\n{CALL}"',
        f'x = """" {CALL} """',
        f"my_{CALL}",
        f"shell.{CALL}",
        f'x = """ never ends {CALL}',
    ],
)
def test_text_in_a_string_or_a_comment_is_not_a_use(code: str) -> None:
    assert list(features(code)) == []
    (used,) = features(f"{CALL}\n{code}")
    assert used == ("line magic", "pwd")


@pytest.mark.parametrize(
    "before",
    [
        "x = ''",
        'x = ""',
        "x = '''it's'''",
        "x = 'it\\'s'",
        "x = r'\\'",
        "# it's",
        "x = '",
        'f"{x!r}"',
    ],
)
def test_a_use_after_strings_and_comments_is_seen(before: str) -> None:
    assert list(features(f"{before}\n{CALL}")) == [("line magic", "pwd")]


@pytest.mark.parametrize(
    "text",
    [
        "x = f(1, 2) + y[3]\n",
        *("'", '"', "\\", "x = '\n", "get_ipython().", "get_ipython().system(' '", f"{CALL}\n"),
        *(f'"{CALL}"\n', "get_ipython().run_cell_magic('time', '', '"),
    ],
)
def test_the_time_grows_in_proportion_to_the_cell(text: str) -> None:
    def seconds(size: int) -> float:
        cell = text * (size // len(text)) + CALL
        begin = time.process_time()
        deque(features(cell), maxlen=0)
        return time.process_time() - begin

    small, large = min(seconds(5 * 10**4) for _ in range(3)), seconds(2 * 10**6)
    # Forty times as much; a quadratic one would take 1,600 times as long.
    assert large < 400 * max(small, 1e-4)


def test_a_loop_counts_once(run: Any, log: Any) -> None:
    run("for _ in range(10):\n    %pwd")

    assert used(log) == [("line magic", "pwd")]


def test_a_private_magic_is_other(shell: Any, run: Any, log: Any) -> None:
    shell.register_magic_function(lambda line: None, "line", MARK)
    shell.register_magic_function(lambda line, cell: None, "cell", MARK)

    run(f"%{MARK}")
    run(f"%%{MARK}\ntext")

    assert used(log) == [("line magic", "other"), ("cell magic", "other")]
    assert MARK not in log.path.read_text()


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ('echo "it\'s"', "echo"),
        ("echo 'it is'", "echo"),
        ("""echo "it's" 'and "that"'""", "echo"),
        ("  git status", "git"),
        ("git", "git"),
        ("git;true", "git"),
        ("git|cat", "git"),
        ("git&&true", "git"),
        (f"/usr/bin/{MARK}/git x", "other"),
        ("./git x", "other"),
        ("../git", "other"),
        (f"~/{MARK}", "other"),
        ("'git' x", "other"),
        ('"git" x', "other"),
        (f"{MARK}", "other"),
        (f"KEY={MARK} git", "other"),
        ("$git", "other"),
        ("{git}", "other"),
        (f"\\git {MARK}", "other"),
        (f"(cd {MARK})", "other"),
        ("gít", "other"),
        ("GIT", "other"),
    ],
)
def test_the_first_word_of_a_command_is_its_name(command: str, name: str) -> None:
    for code in (f"!{command}", f"x = !{command}"):
        (feature,) = features(transform(code))

        assert feature.kind == "shell command"
        assert properties(FeatureUsed)["name"].accept(feature.name) == name


def test_uses_beyond_the_limit_in_one_cell_are_counted_as_drops(
    shell: Any, analytics: Any, log: Any, cells: Any
) -> None:
    shell.run("if False:\n" + "    %pwd\n" * (MAX_USES + 7))

    assert len(used(log)) == MAX_USES
    assert analytics.drops.counts.pop("more than one cell may give") == 7


def test_an_input_transformer_of_the_user_is_not_called_by_us(
    shell: Any, cells: Any, log: Any
) -> None:
    calls: list[list[str]] = []

    def count(lines: list[str]) -> list[str]:
        calls.append(lines)
        return lines

    shell.input_transformers_cleanup.append(count)
    shell.input_transformers_post.append(count)
    cells.unregister()
    shell.run("%%time\n%pwd")
    without = len(calls)
    calls.clear()
    cells.register()
    shell.run("%%time\n%pwd")

    assert len(calls) == without
    assert used(log) == [("cell magic", "time"), ("line magic", "pwd")]


EXPANSIONS = """
def function(local):
    printed = !echo $local {local} ${local}
    listed = %sx echo $local {local}
    !echo $local {local.upper()} > $out
    return list(printed), list(listed)
result = repr(function("value")) + open(out).read()
"""


def test_names_in_commands_expand_in_functions_as_without_the_extension(
    kernel: Any, tmp_path: Path
) -> None:
    shown = []
    for load in ("pass", "%load_ext dev_analytics"):
        notebook = kernel()
        notebook.run(load)
        notebook.run(f"out = {str(tmp_path / 'out')!r}")
        notebook.run(EXPANSIONS)
        shown.append(notebook.run("print(result)").text)
        shown.append(
            notebook.run(
                "def g(local):\n    !echo $local {local}\n    %time !echo $local\ng('value')"
            ).text.splitlines()[0]
        )

    assert shown[:2] == shown[2:]
    assert "value value" in shown[0]
    assert "value VALUE" in shown[0]
    assert "$local" not in shown[0]
    assert shown[1] == "value value"


WORDS = st.sampled_from(
    [
        *"% %% ! !! ? ?? = ' \" \\ ( ) { } $ # ; time capture timeit prun pwd git x".split(),
        *(" ", "\n", "\t", "\0", "\ud800", "', '", "')", MARK, "get_ipython()"),
        *(".run_cell_magic('", ".run_line_magic('", ".system('", '.getoutput("'),
    ]
)


@given(st.one_of(st.text(), st.lists(WORDS).map("".join)))
@example("%%time\n%%time\n%%time\n%%time\n%pwd")
@example("get_ipython().run_cell_magic('time', '', '%%time\\n')")
@example("get_ipython().run_cell_magic('time', " + "(" * 500)
@example("get_ipython().run_cell_magic('time', '', '!\\x00')")
@example("get_ipython().run_cell_magic('time', '', '\\d')")
@example("%%time\n%pwd\u2028%pwd\n%pwd")
def test_any_cell_only_yields_words_of_the_vocabularies(cell: str) -> None:
    kinds: Any = properties(FeatureUsed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            transformed = transform(cell)
        except Exception:
            # IPython itself refuses it, so that it never runs.
            transformed = cell
    for code in (cell, transformed):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = list(features(code))
        for feature in found:
            assert kinds["kind"].accept(feature.kind) == feature.kind
            name = kinds["name"].accept(feature.name)
            assert any(name in vocabulary.members for vocabulary in kinds["name"].vocabularies)
            assert MARK not in name


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "pwd",
            "pwd  ",
            "ls -l",
            "ls *.py",
            "cd a.b",
            "pwd()",
            "ls == 1",
            "ls = 1",
            "ls, a = 1, 2",
        ),
        *("pwd.x", "pwd*2", "x", "len", "if", "taken", "pwd\nls", "x = 1", "%pwd", "not_a_magic"),
    ],
)
def test_a_magic_called_by_its_bare_name_is_recognised_as_ipython_does(
    shell: Any, cell: str
) -> None:
    """What IPython does with it while it runs is told only from version 9.4 on."""
    shell.user_ns["taken"] = 1
    shell.magics_manager.magics["line"]["taken"] = lambda line: None

    ours = [feature.name for feature in features(automagic(transform(cell), shell))]
    assert ours == [feature.name for feature in features(shell.transform_cell(cell))]
    shell.automagic = False
    assert automagic(transform(cell), shell) == transform(cell)


# Large cells


LONG = 500_000
LARGE = {
    "data in a body that runs": "%%capture\nx = '" + "a" * LONG + "'\n",
    "lines in a body that runs": "%%time\n" + "x = [1, 2, 'three']\n" * (LONG // 20),
    "bodies in each other": "%%time\n%%time\n%%capture\n" + "x = [1, 2]\n" * (LONG // 11),
    "escapes in a body": "%%writefile file\n" + "\\'\"\n" * (LONG // 4),
    "a call in front": "%%time\n!ls\n" + "x = [1, 2, 'three']\n" * (LONG // 20),
}


@pytest.mark.parametrize("cell", LARGE.values(), ids=LARGE)
def test_a_large_cell_takes_time_and_memory_in_the_order_of_the_cell(cell: str) -> None:
    """Compared with what it takes to read the cell's letters once, and with its own size."""
    code = transform(cell)
    began = time.process_time()
    letters = sum(map(code.count, "abcdefghijklmnopqrstuvwxyz%!?'\"\\\n")) and len(repr(code))
    once = time.process_time() - began
    assert letters
    tracemalloc.start()
    try:
        found = list(features(code))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    began = time.process_time()
    list(features(code))
    assert time.process_time() - began < 20 * once + 0.05
    assert most < 4 * len(code)
    assert found[0].kind == "cell magic"


def test_a_body_without_ipython_syntax_is_not_transformed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = transform("%%time\nx = 1 % 2\ny = x != 3  # why\n")
    monkeypatch.setattr("dev_analytics.observers.features.transform", None)
    assert [feature.name for feature in features(code)] == ["time"]


@pytest.mark.parametrize("line", ["!ls", "  %pwd", "x = !ls", "x =%pwd", "len?", "?len"])
def test_a_body_with_ipython_syntax_is_transformed(line: str) -> None:
    body = f"if True:\n{line}\n" if line.startswith(" ") else f"y = 1\n{line}\n"
    assert len(list(features(transform(f"%%time\n{body}")))) == 2


def test_a_cell_magic_body_that_is_no_python_literal_is_skipped() -> None:
    """Python refuses the cell, too; so long as it is only looked at, it is any text."""
    code = r"get_ipython().run_cell_magic('time', '', '!ls \xzz')"
    assert [feature.name for feature in features(code)] == ["time"]
    assert len(list(features(code.replace("zz", "41")))) == 2
