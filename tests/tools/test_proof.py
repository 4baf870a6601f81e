"""The plugin and the proof that tools' makers get: they see what they are for, and cost nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec.structs import force_setattr

from dev_analytics.catalogue.values import Word as CoreWord
from dev_analytics.consent.scope import Scope
from dev_analytics.delivery.spool import Spool
from dev_analytics.testing import NotPrivateError, hostile, plugin, prove
from dev_analytics.testing.marks import Marks
from dev_analytics.tools import (
    Count,
    DeclarationError,
    Event,
    Flag,
    Tool,
    Vocabulary,
    Why,
    Word,
)
from dev_analytics.tools.entry_points import GROUP

KINDS = Vocabulary("kinds", "bar", "line")
struct: Callable[..., type[Event]] = type(Event)
"""Make a class of an event as a ``class`` statement does."""


class Made(Event):
    """A chart was made."""

    wire = "toy: made"
    why = Why("To know it.", kind="Which.", well="How.", rows="How many.")

    kind: Annotated[str, Word("Kind.", (KINDS,))]
    well: Annotated[bool, Flag("It went well.")]
    rows: Annotated[int, Count("Rows.", "rows", most=1000)]


def toy() -> Tool:
    return Tool(name="toy", title="Toy", about="To know it.", events=(Made,))


def test_a_tool_is_proved_with_every_property_attacked() -> None:
    proof = prove(toy())
    assert proof.thrown > 3 * 50
    assert 1 < proof.records <= proof.thrown + 1
    assert proof.bits == {"toy: made": pytest.approx(12.55, abs=0.1)}
    assert proof.independent is None, "its entry point is not installed"
    assert "toy: made" in proof.table


def test_the_maker_s_environment_does_not_affect_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("DEV_ANALYTICS", "off")
    assert prove(toy()).records > 1
    assert (os.environ["DO_NOT_TRACK"], os.environ["CI"]) == ("1", "true")


LEAKS: dict[str, Callable[[Any], object]] = {
    "the value itself": lambda value: value if type(value) is str else "other",
    "its type": lambda value: type(value).__name__,
    "its hash": lambda value: str(hash(value)) if type(value) is str else "other",
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_a_kind_that_lets_anything_through_is_found(
    leak: Callable[[Any], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CoreWord, "accept", lambda self, value: leak(value))
    with pytest.raises(NotPrivateError) as found:
        prove(toy())
    assert str(found.value) == "no closed value: toy: made kind"


def test_a_log_that_says_more_than_declared_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from dev_analytics.analytics import Analytics

    original = Analytics.event

    def careless(self: Analytics, name: str, /, **properties: object) -> None:
        with (self.gate.store.data / "notes.txt").open("a") as notes:
            notes.write(" ".join(v for v in properties.values() if type(v) is str and v.isascii()))
        original(self, name, **properties)

    monkeypatch.setattr(Analytics, "event", careless)
    with pytest.raises(NotPrivateError, match="what is private was written: a text"):
        prove(toy())


def test_a_tool_that_was_changed_after_its_declaration_is_refused() -> None:
    tool = toy()
    force_setattr(tool, "events", ("no event",))
    with pytest.raises(NotPrivateError, match="its events were changed after they were declared"):
        prove(tool)


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        ("proving.unexplained", r"toy: made: kind can hold anything"),
        ("proving.payload_bits", r"toy: made can say 201 bits, at most 200 are allowed"),
        ("proving._is_independent", r"what toy declares differs from one user to another"),
    ],
)
def test_what_another_check_says_of_a_declaration_refuses_it(
    broken: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The declaration checks itself, too: the proof does not rely on that."""
    said = {"unexplained": ["kind"], "payload_bits": 201, "_is_independent": False}
    monkeypatch.setattr(
        f"dev_analytics.testing.{broken}", lambda event: said[broken.partition(".")[2]]
    )
    with pytest.raises(NotPrivateError, match=f"^{found}$"):
        prove(toy())


def test_a_declaration_whose_source_cannot_be_read_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = EntryPoint("toy", "no_such_module:TOOL", GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [entry])
    with pytest.raises(NotPrivateError, match="the source of the declaration of toy cannot be"):
        prove(toy())


def test_records_that_were_not_agreed_to_or_not_written_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Scope, "allows", lambda *_: False)
        with pytest.raises(NotPrivateError, match="toy: made says what its declaration does not"):
            prove(toy())
    monkeypatch.setattr(Spool, "accept", lambda *_: None)
    with pytest.raises(NotPrivateError, match="do not hold the same records"):
        prove(toy())


def test_where_dev_analytics_cannot_run_the_plugin_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dev_analytics.process.why_unserved", lambda: "no file system")
    with pytest.raises(pytest.skip.Exception, match="dev_analytics is off: no file system"):
        plugin._skip_where_unserved()


def test_an_event_with_too_many_bits_is_found() -> None:
    hints = {f"n{n}": Annotated[int, Count("It.", "x", most=1_000_000)] for n in range(20)}
    own = {
        "__doc__": "It.", "wire": "toy: done", "__annotations__": hints, "__module__": __name__,
        "why": Why("It.", **dict.fromkeys(hints, "It.")),
    }  # fmt: skip
    event = struct("Done", (Event,), own)
    with pytest.raises(DeclarationError, match="'toy: done' can say 237 bits, allowed are 200"):
        Tool(name="toy", title="Toy", about="It.", events=(event,))


def test_the_hostile_values_are_hostile() -> None:
    marks = Marks()
    thrown = dict(hostile.values(marks, "bar"))
    assert len(thrown) > 40
    with pytest.raises(RuntimeError):
        str(thrown["an object that raises"])
    assert str(thrown["a subclass of str that lies"]) in marks.planted.values()


def pytest_of(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, in a process of its own, with what is installed."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if "PYTEST" not in name},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_acme_s_own_tests_pass_with_the_plugin(tools: Path, acme_tests: Path) -> None:
    ran = pytest_of(acme_tests)
    assert ran.returncode == 0, ran.stdout
    assert "4 passed" in ran.stdout


def before(folder: Path) -> str:
    """Return a module path with a folder before what is installed."""
    return f"{folder}{os.pathsep}{os.environ['PYTHONPATH']}"


def test_acme_s_own_tests_see_a_free_text(
    tools: Path, acme_tests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "changed" / "acme"
    changed.mkdir(parents=True)
    for name in ("__init__.py", "analytics.py"):
        (changed / name).write_text((tools / "acme" / name).read_text())
    declaration = (changed / "analytics.py").read_text()
    kind = 'kind: Annotated[str, Word("Kind of chart.", (KINDS,))]'
    assert kind in declaration
    (changed / "analytics.py").write_text(declaration.replace(kind, "kind: str"))
    monkeypatch.setenv("PYTHONPATH", before(changed.parent))
    ran = pytest_of(acme_tests)
    assert ran.returncode != 0
    assert "tool 'acme', event ChartMade, property 'kind': it is str, which is open" in ran.stdout


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ('*__import__("os").environ["USER"].split()', "computes a text: event 1, property 1, word"),
        ('*["pie"] * (__import__("os").environ["USER"] == "jane")', "differs from one user to"),
    ],
    ids=["a computed word", "a choice of words"],
)
def test_a_vocabulary_computed_from_the_user_s_machine_is_found(
    made: str,
    said: str,
    tools: Path,
    acme_tests: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed = tmp_path / "changed" / "acme"
    changed.mkdir(parents=True)
    (changed / "__init__.py").write_text((tools / "acme" / "__init__.py").read_text())
    declaration = (tools / "acme" / "analytics.py").read_text()
    (changed / "analytics.py").write_text(declaration.replace('"pie"', made))
    monkeypatch.setenv("USER", "jane")
    monkeypatch.setenv("PYTHONPATH", before(changed.parent))
    ran = pytest_of(acme_tests, "-k", "private")
    assert ran.returncode != 0
    assert said in ran.stdout


def test_the_plugin_imports_nothing_until_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n"
        "def test_nothing():\n"
        "    print(sorted(m for m in sys.modules if m.split('.')[0] in\n"
        "        ('dev_analytics', 'IPython', 'traitlets', 'msgspec', 'posthog', 'filelock')))\n"
    )
    shown = pytest_of(tmp_path, "-s").stdout
    ours = ["dev_analytics", "dev_analytics.testing", "dev_analytics.testing.plugin"]
    assert str(ours) in shown


def test_the_fixture_keeps_records_and_leaves_nothing_behind(
    analytics_events: Any, tools: Path, data: Path
) -> None:
    from dev_analytics import get_analytics

    get_analytics().event("acme.chart_made", kind="bar", seconds=0.0, titled=False)
    (record,) = analytics_events.records
    assert record["distinct_id"] is None
    assert analytics_events.of("acme: chart made") == [
        {"kind": "bar", "seconds": 0.0, "titled": False}
    ]
    assert not data.exists()
    assert not get_analytics().gate.store.folder.exists()


def test_a_request_whose_model_is_looked_up_is_recorded(analytics_events: Any) -> None:
    from dev_analytics import get_analytics

    get_analytics().event("message_send", model="gpt-4o-2024-08-06", input_tokens=12)
    (request,) = analytics_events.of("$ai_generation")
    assert (request["$ai_model"], request["$ai_input_tokens"]) == ("gpt-4o", 12)
