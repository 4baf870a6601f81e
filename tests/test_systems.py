"""What systems do differently stands in one module for each, and both have the same in them."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

import dev_analytics
from dev_analytics.process import systems

PACKAGE = Path(dev_analytics.__file__).parent
UNIX, WINDOWS = (PACKAGE / "process" / f"{name}.py" for name in ("unix", "windows"))


def functions(file: Path) -> dict[str, list[str]]:
    """Return the functions of a module with the names of what they take."""
    return {
        node.name: [each.arg for each in node.args.args]
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }


def test_both_systems_offer_the_same() -> None:
    """A function of one alone fails the other one's users, and no test that runs on this one."""
    offered = {
        node.value.attr
        for node in ast.parse(Path(systems.__file__).read_text("utf-8")).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Attribute)
    }
    assert len(offered) > 10
    unix, windows = functions(UNIX), functions(WINDOWS)
    for name in offered & unix.keys() & windows.keys():
        assert unix[name] == windows[name], name
    for name in offered:
        for file in (UNIX, WINDOWS):
            assert name in file.read_text("utf-8"), f"{file.name} lacks {name}"


# What these read is no file of ours that others rename or delete.
ELSEWHERE = {
    "consent/environment.py": "a policy",
    "delivery/locks.py": "/proc",
    "delivery/turns.py": "/proc",
}
READERS = {"open", "read_bytes", "read_text", "write_bytes", "write_text"}


@pytest.mark.parametrize("part", ["consent", "delivery", "destinations"])
def test_a_file_of_ours_is_opened_so_that_an_opt_out_can_delete_it(part: str) -> None:
    """On Windows what is opened in another way is in the way of who deletes or renames it."""
    for file in sorted((PACKAGE / part).rglob("*.py")):
        if file.relative_to(PACKAGE).as_posix() in ELSEWHERE:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            where = f"{file}:{node.lineno}"
            if isinstance(node.func, ast.Attribute) and node.func.attr in READERS:
                owner = ast.unparse(node.func.value)
                no_file = ("destination", "self", "self._open")
                assert owner in no_file or "dir_fd=" in ast.unparse(node), where
            if isinstance(node.func, ast.Name) and node.func.id in ("open", "open_file"):
                of = ast.unparse(node.args[0])
                how = {each.arg for each in node.keywords}
                assert "opener" in how or of in ("descriptor", "screen"), where


def test_a_deadline_ends_what_waits() -> None:
    class Late(Exception):  # noqa: N818
        """It is too late."""

    reading, writing = os.pipe()
    try:
        with pytest.raises(Late), systems.deadline(0.05, Late):
            os.read(reading, 1)
    finally:
        os.close(reading)
        os.close(writing)
