"""Installed tools are looked for when they are needed, and a broken one breaks nothing else."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import pytest
from scopes import scopes

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.catalogue.events import UndeclaredError
from dev_analytics.process import things
from dev_analytics.tools import Event, Flag, Tool, Why
from dev_analytics.tools import installed as registry
from dev_analytics.tools.literals import unwritten
from dev_analytics.views.reading import read
from dev_analytics.views.status import status_rows

KEY = "acme@acme-charts"
MADE: dict[str, Any] = {"kind": "bar", "seconds": 0.4, "titled": True}
BROKEN = ("broken", "leaving", "missing", "open_text", "renamed", "wrong")


@pytest.fixture
def agreed(tools: Path, data: Path, kept: Any) -> Analytics:
    """Analytics whose user agreed to the core and to acme."""
    analytics = Analytics(data, sink=kept)
    analytics.gate.store.agree(NOTICE, date.today(), scopes("acme"))
    period = analytics.gate.now()[2]
    assert period is not None
    period.started_monotonic -= 60  # the yes is a minute old
    return analytics


def test_a_tool_cannot_report_a_time_span_from_before_the_yes(agreed: Analytics, kept: Any) -> None:
    """What a tool says of a time that nobody saw begin is no longer than the recording is old."""
    for seconds in (7.5, 3600.0, "an hour"):
        agreed.event("acme.chart_made", **{**MADE, "seconds": seconds})
    agreed.event("message_send", latency_s=86_400, time_to_first_chunk_s=2.0)
    first, second, call = map(json.loads, kept.records)
    assert first["properties"]["seconds"] == 7.5
    assert 59 <= second["properties"]["seconds"] <= 2 * 60
    assert 59 <= call["properties"]["$ai_latency"] <= 2 * 60
    assert call["properties"]["$ai_time_to_first_token"] == 2.0
    assert agreed.drops.counts == {"invalid": 1}


def test_a_tool_s_event_is_recorded_like_the_core_s(agreed: Analytics, kept: Any) -> None:
    agreed.event("cell_executed", outcome="ok", duration_ms=10)
    agreed.event("acme.chart_made", **MADE)
    core, acme = map(json.loads, kept.records)
    assert acme["event"] == "acme: chart made"
    assert list(acme) == list(core)
    assert list(acme["properties"])[3:] == list(core["properties"])[2:]
    assert {k: v for k, v in acme["properties"].items() if k in MADE} == MADE
    assert acme["properties"]["seq"] == 2
    assert acme["distinct_id"] == core["distinct_id"]
    assert agreed.recording.recorded["acme: chart made"] == 1


def test_an_event_is_taken_as_its_tool_declares_it_now(data: Path, kept: Any) -> None:
    class Opened(Event):
        """Something was opened."""

        wire = "toy: done"
        why = Why("To know it.", opened="Whether.")
        opened: Annotated[bool, Flag("Whether it was opened.")]

    class Closed(Event):
        """Something was closed."""

        wire = "toy: done"
        why = Why("To know it.", closed="Whether.")
        closed: Annotated[bool, Flag("Whether it was closed.")]

    analytics = Analytics(data, sink=kept, strict=True)
    for event, given, other in ((Opened, "opened", "closed"), (Closed, "closed", "opened")):
        toy = Tool(name="toy", title="Toy", about="To know it.", events=(event,))
        with registry.declared(toy):
            for _ in range(2):
                analytics.event("toy.done", **{given: True})
            with pytest.raises(UndeclaredError, match=other):
                analytics.event("toy.done", **{other: True})


def test_what_is_forgotten_ends_the_recording_of_a_tool_s_events_too(
    agreed: Analytics, data: Path, kept: Any
) -> None:
    os.utime(data / "consent", (0, 0))  # what was changed just now is read at every event
    for _ in range(3):
        agreed.event("acme.chart_made", **MADE)
    agreed.pipeline.forget()
    agreed.event("acme.chart_made", **MADE)
    sessions = [json.loads(record)["properties"]["$session_id"] for record in kept.records]
    assert sessions[1] == sessions[2] != sessions[3]


def test_an_undeclared_event_raises_if_strict_and_is_a_drop_otherwise(
    agreed: Analytics, kept: Any, tmp_path: Path
) -> None:
    strict = Analytics(tmp_path / "strict", sink=kept, strict=True)
    for name in ("acme.nothing", "nobody.event", ".", "acme.", "acme", *map("{}.x".format, BROKEN)):
        with pytest.raises(UndeclaredError):
            strict.event(name)
        agreed.event(name)
    with pytest.raises(UndeclaredError):
        strict.event("acme.chart_made", title="mine", **MADE)
    assert agreed.drops.counts == {"invalid": 11}
    assert kept.records == []


def test_the_status_says_how_to_be_asked_about_a_tool(tools: Path, data: Path) -> None:
    analytics = Analytics(data)
    store = analytics.gate.store
    store.agree(NOTICE, date.today())
    asks = "%dev_analytics on (asks about what is withheld), "

    def to_change() -> str:
        return status_rows(analytics, analytics.gate.now()[0])["to change"]

    assert to_change().startswith(asks)
    store.agree(NOTICE, date.today(), scopes("acme"))
    assert asks not in to_change()


def test_each_broken_tool_is_one_line_of_ours_and_the_other_works(
    agreed: Analytics, kept: Any, recwarn: pytest.WarningsRecorder, capfd: Any
) -> None:
    rows = status_rows(agreed, agreed.gate.now()[0])
    told = {name.removeprefix("tool "): text for name, text in rows.items() if "tool " in name}
    assert set(told) == {"acme", *BROKEN}
    assert told["acme"].startswith("on: you agreed to its notice 1")
    for name in BROKEN:
        assert told[name].startswith("not used, ")
        assert told[name].endswith("(package broken-tool)")
    assert "fails when it is imported" in told["broken"]
    assert "ends the process" in told["leaving"]
    assert "cannot be imported" in told["missing"]
    assert "declaration is refused" in told["open_text"]
    assert "another name" in told["renamed"]
    assert "no Tool" in told["wrong"]
    assert "secret" not in str(rows)
    assert [str(each.message) for each in recwarn if "secret" in str(each.message)] == []
    assert capfd.readouterr() == ("", "")
    agreed.event("acme.chart_made", **MADE)
    assert len(kept.records) == 1


def test_a_name_that_two_packages_use_belongs_to_neither(
    agreed: Analytics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "more" / "evil-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(
        "[dev_analytics.events]\nacme = broken_tool.renamed:TOOL\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "more"))
    registry._forget("acme")
    registry._Known.entries = None
    agreed.event("acme.chart_made", **MADE)
    assert agreed.drops.counts == {"invalid": 1}
    (row,) = [text for name, text in status_rows(agreed, agreed.gate.now()[0]).items()
              if name == "tool acme"]  # fmt: skip
    assert "taken by several packages: acme-charts, evil" in row


@pytest.mark.parametrize(
    ("name", "content"),
    [("METADATA", b"\xff"), ("entry_points.txt", b"\xff"),
     ("entry_points.txt", b"[dev_analytics.events]\nNot a name = acme:TOOL\n")],
    ids=["unreadable metadata", "unreadable entry points", "no name of a tool"],
)  # fmt: skip
def test_a_package_with_broken_metadata_raises_nothing(
    agreed: Analytics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes
) -> None:
    info = tmp_path / "more" / "hurt-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text("[dev_analytics.events]\nhurt = hurt_tool:TOOL\n")
    (info / name).write_bytes(content)
    monkeypatch.syspath_prepend(str(tmp_path / "more"))
    found = {each.name: each.package for each in registry.installed()}
    assert found.get("hurt", "unnamed") == "unnamed"
    assert ("hurt" in found) is (name == "METADATA")
    assert "Not a name" not in found


def test_the_preview_reads_the_record_of_a_tool_by_its_declaration(
    agreed: Analytics, kept: Any
) -> None:
    agreed.event("acme.chart_made", **MADE)
    assert read(kept.records[0]).own == {"kind": "bar", "seconds": "0.4", "titled": "true"}


def test_a_source_that_cannot_be_parsed_holds_no_text_of_the_tool(tools: Path) -> None:
    (acme,) = [tool for _, tool in registry.usable() if tool.name == "acme"]
    assert unwritten(acme, (tools / "acme" / "analytics.py").read_text()) is None
    assert unwritten(acme, "if") == "name"


def test_a_tool_that_is_installed_later_is_found(
    agreed: Analytics, kept: Any, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed.event("late.done", well=True)
    late = tmp_path / "late"
    info = late / "late-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[dev_analytics.events]\nlate = late_tool:TOOL\n")
    source = (site / "broken_tool" / "renamed.py").read_text()
    (late / "late_tool.py").write_text(
        source.replace('"acme', '"late').replace('name="acme"', 'name="late"')
    )
    monkeypatch.syspath_prepend(str(late))
    assert "late" in [each.name for each in registry.installed()]
    agreed.event("late.done", well=True)
    assert agreed.drops.counts == {"invalid": 1, "withheld by notice": 1}
    agreed.gate.store.agree(NOTICE, date.today(), scopes("late"))
    agreed.event("late.done", well=True)
    assert [json.loads(record)["event"] for record in kept.records] == ["late: done"]


def test_unknown_names_are_not_looked_up_without_limit(agreed: Analytics) -> None:
    for number in range(registry.MAX_UNKNOWN + 50):
        agreed.event(f"nobody{number}.event")
    assert len(registry._Known.unknown) == registry.MAX_UNKNOWN
    entries = registry._Known.entries
    agreed.event("nobody999.event")
    assert registry._Known.entries is entries


def test_the_first_events_of_several_threads_are_all_recorded(agreed: Analytics, kept: Any) -> None:
    together = threading.Barrier(8)

    def record() -> None:
        together.wait()
        agreed.event("acme.chart_made", **MADE)

    threads = [threading.Thread(target=record) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept.records) == 8
    assert agreed.drops.counts == {}


PROGRAM = """
import json, os, sys
from datetime import date
from dev_analytics import get_analytics
from dev_analytics import NOTICE
analytics = get_analytics()
analytics.gate.store.agree(NOTICE, date.today())
analytics.event("cell_executed", outcome="ok", duration_ms=10)
print("importlib.metadata" in sys.modules and "acme" in sys.modules, flush=True)
from dev_analytics.tools.installed import find
acme = find("acme.chart_made")
analytics.gate.store.agree(NOTICE, date.today(), {acme.key: acme.scope})
import acme
acme.chart("bar")
analytics.log_to(__import__("pathlib").Path("log.jsonl"))
child = os.fork()
acme.chart("line" if child else "pie")
if child:
    os.waitpid(child, 0)
    lines = [json.loads(line) for line in open("log.jsonl")]
    print(sorted(line["properties"]["kind"] for line in lines))
    print(len({line["properties"]["$session_id"] for line in lines}))
    print([str(each) for each in analytics.drops.counts])
"""


def test_without_the_extension_and_in_a_forked_child_it_records(
    python: Callable[..., str],
) -> None:
    assert python(PROGRAM).splitlines() == ["False", "['line', 'pie']", "2", "[]"]


FIRST_IN_CHILD = """
import json, os
import acme
from dev_analytics import get_analytics
analytics = get_analytics()
analytics.log_to(__import__("pathlib").Path("log.jsonl"))
if child := os.fork():
    os.waitpid(child, 0)
    print(len(open("log.jsonl").readlines()), dict(analytics.drops.counts))
else:
    acme.chart("bar")
"""


def test_a_forked_child_may_be_the_first_to_look_for_tools(python: Callable[..., str]) -> None:
    assert python(FIRST_IN_CHILD).strip() == "1 {}"


LOADED = """
import sys
sys.path_importer_cache.clear()
from importlib import metadata
calls = []
original = metadata.entry_points
def counted(**given):
    if given.get("group") == "dev_analytics.events":
        calls.append(given)
    return original(**given)
metadata.entry_points = counted
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "dev_analytics")
shell.run_cell("1 + 1;", store_history=True)
print(len(calls), "acme" in sys.modules, "broken_tool" in sys.modules)
shell.run_cell("import acme; acme.chart('bar'); acme.chart('bar');", store_history=True)
print(len(calls))
"""


def test_loading_the_extension_looks_for_no_tool(python: Callable[..., str]) -> None:
    assert [line for line in python(LOADED).splitlines() if "Out[" not in line] == [
        "0 False False",
        "1",
    ]


def test_a_tool_that_records_while_it_is_imported_is_found_afterwards(
    agreed: Analytics, kept: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = tmp_path / "early"
    info = early / "early-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: early\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[dev_analytics.events]\nearly = early_tool:TOOL\n")
    source = tmp_path / "early" / "early_tool.py"
    source.write_text(
        "import early_uses\n"
        + (Path(__file__).parent / "broken-tool/src/broken_tool/renamed.py")
        .read_text()
        .replace('"acme', '"early')
    )
    (early / "early_uses.py").write_text(
        "from dev_analytics import get_analytics\nget_analytics().event('early.done', well=True)\n"
    )
    monkeypatch.setitem(things(), "analytics", agreed)
    monkeypatch.syspath_prepend(str(early))
    __import__("early_tool")
    assert agreed.drops.counts == {"invalid": 1}
    agreed.event("early.done", well=True)
    assert agreed.drops.counts == {"invalid": 1, "withheld by notice": 1}
