"""What an entry point names is read or refused, and no broken package reaches anybody else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from dev_analytics.tools import installed as registry
from dev_analytics.tools.declaration import Tool
from dev_analytics.tools.entry_points import GROUP, entries_by_tool, import_tool, package_of

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package with these entry points and this metadata."""

    def made(entries: bytes, metadata: bytes = b"Metadata-Version: 2.1\nName: toy\n") -> Path:
        info = tmp_path / "toy-1.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_bytes(b"[%s]\n%s" % (GROUP.encode(), entries))
        (info / "METADATA").write_bytes(metadata)
        monkeypatch.syspath_prepend(str(tmp_path))
        return tmp_path

    return made


def test_an_entry_point_whose_name_no_tool_may_have_is_left_out(install: Install) -> None:
    install(b"toy = toy:TOOL\nA Toy! = toy:TOOL\n")
    assert {entry.name for entry in entry_points(group=GROUP)} >= {"toy", "A Toy!"}
    assert "toy" in entries_by_tool()
    assert "A Toy!" not in entries_by_tool()


def test_entry_points_that_are_no_text_break_nothing(install: Install) -> None:
    install(b"toy = \xff\n")
    with pytest.raises(UnicodeDecodeError):
        entry_points(group=GROUP)
    assert "toy" not in entries_by_tool()
    assert "toy" not in [each.name for each in registry.installed()]


def test_a_package_whose_metadata_is_no_text_is_unnamed(install: Install) -> None:
    install(b"toy = toy:TOOL\n", b"Name: \xff\n")
    (entry,) = entries_by_tool()["toy"]
    assert package_of(entry) == "unnamed"
    assert package_of(EntryPoint("toy", "toy:TOOL", GROUP)) == "unnamed"


def test_an_interrupt_during_a_tool_s_import_is_the_user_s(install: Install) -> None:
    install(b"").joinpath("toy_interrupted.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        import_tool(EntryPoint("toy", "toy_interrupted:TOOL", GROUP))


def test_a_declaration_without_source_is_refused(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(b"").joinpath("toy_without.py").write_text(
        "from dev_analytics.tools import Event, Tool, Why\n"
        "class Made(Event):\n"
        "    '''It was made.'''\n"
        "    wire = 'toy: made'\n"
        "    why = Why('To know it.')\n"
        "TOOL = Tool(name='toy', title='Toy', about='To know it.', events=(Made,))\n"
    )
    entry = EntryPoint("toy", "toy_without:TOOL", GROUP)
    tool, fault = import_tool(entry)
    assert isinstance(tool, Tool)
    assert fault == ""
    monkeypatch.setattr(sys.modules["toy_without"].__spec__, "loader", None)
    assert import_tool(entry) == (None, "the source of its declaration cannot be read")
    del sys.modules["toy_without"]
