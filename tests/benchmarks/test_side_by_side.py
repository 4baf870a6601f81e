"""The comparison with other libraries: its machinery in short, its promises, its page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import document
import measure
import picture
import pytest
import rows
import run
from reasons import REASONS
from rivals import LIBRARIES

DOCS = measure.ROOT / "docs"
EVENTS = ("event_in_row", "event_rested")
SHORT = ("load_kernel", *EVENTS, "kill", "fork_hard", "fork_normal")


def tasks(*names: str) -> list[rows.Task]:
    """Return tasks, to be done once."""
    return [task._replace(rounds=1) for task in rows.TASKS if task.rows[0] in names]


@pytest.fixture
def of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Take every library from the test environment; give the folder that goes before it."""
    monkeypatch.setattr(measure, "RIVALS", tmp_path)
    return tmp_path


@pytest.mark.usefixtures("of_the_environment")
def test_it_costs_less_than_others_and_loses_nothing(figure: Any) -> None:
    found, failed = run.measured(["dev_analytics", "bare", "posthog"], tasks(*SHORT))
    beside, failed_beside = run.measured(["dev_analytics", "jupyter_events"], tasks(*EVENTS))
    assert not failed + failed_beside
    for row in SHORT:
        own, other = (found[row][library]["median"] for library in ("dev_analytics", "posthog"))
        unit = rows.ROWS[row].unit
        reference = f"posthog {other:.1f} {unit}"
        figure(rows.ROWS[row].title, f"{own:.1f} {unit}", reference, "docs/benchmarks.md")
    for row in (*EVENTS, "load_kernel"):
        assert found[row]["dev_analytics"]["median"] < found[row]["posthog"]["median"]
    for row in EVENTS:
        own = found[row]["dev_analytics"]["median"]
        assert beside[row]["dev_analytics"]["median"] < beside[row]["jupyter_events"]["median"]
        assert found[row]["bare"]["median"] < own
    for row in ("kill", "fork_hard", "fork_normal"):
        assert found[row]["dev_analytics"]["median"] == rows.ROWS[row].of, row


def test_a_library_that_fails_is_told_of_and_the_others_are_measured(
    of_the_environment: Path,
) -> None:
    broken = of_the_environment / "posthog/posthog"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('nothing for this machine')")
    found, failed = run.measured(["dev_analytics", "bare", "posthog"], tasks("first_python"))
    said = document.field("first_python", "posthog", found)
    assert said == "failed: ImportError: nothing for this machine"
    assert failed == [f"first_python, posthog: {said.removeprefix('failed: ')}"]
    assert found["first_python"]["bare"]["number"] == 1


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    """The figures of the page."""
    return dict(json.loads((DOCS / "benchmarks.json").read_text("utf-8")))


def test_page_and_picture_are_made_of_the_figures(content: dict[str, Any]) -> None:
    assert (DOCS / "benchmarks.md").read_text("utf-8") == document.document(content)
    assert (DOCS / "images/benchmarks.svg").read_text("utf-8") == picture.picture(content)


def test_the_figures_have_every_row_and_every_library(content: dict[str, Any]) -> None:
    shown = [row for table in document.TABLES.values() for row in table]
    assert sorted(shown) == sorted(rows.ROWS) == sorted(content["figures"])
    assert sorted(shown) == sorted(row for task in rows.TASKS for row in task.rows)
    for figures in content["figures"].values():
        assert list(figures) == list(LIBRARIES)


def test_every_library_but_the_yardsticks_has_a_pinned_version(content: dict[str, Any]) -> None:
    for library, about in LIBRARIES.items():
        if about.package not in ("", "dev-analytics"):
            pins = (measure.HERE / f"requirements/{library}.txt").read_text("utf-8")
            name = about.package.replace("_", "-")
            assert re.search(f"^{name}=={content['versions'][library]}$", pins, re.MULTILINE)


def test_whoever_is_ahead_is_named_with_a_reason(content: dict[str, Any]) -> None:
    assert not document.unexplained(content)
    assert document.NO_REASON not in document.document(content)


def test_a_reason_that_is_missing_is_a_failure(content: dict[str, Any]) -> None:
    changed = json.loads(json.dumps(content))
    changed["figures"]["kill"]["dev_analytics"]["median"] = 0
    assert ("kill", "jupyter_events") in document.unexplained(changed)
    assert document.NO_REASON in document.behind(changed)


def test_a_better_median_is_told_of_even_where_the_quartiles_overlap(
    content: dict[str, Any],
) -> None:
    changed = json.loads(json.dumps(content))
    for figures in changed["figures"].values():
        figures["aider"] = {"words": "not in this run"}
    changed["figures"]["event_rested"]["dev_analytics"] = {
        "median": 9,
        "low": 7,
        "high": 9,
        "number": 4,
    }
    changed["figures"]["event_rested"]["aider"] = {"median": 8, "low": 7, "high": 8, "number": 4}
    said = "one event, after a pause: 8 against 9 µs (the quartiles overlap)"
    assert f"| aider | {said} | {document.NO_DIFFERENCE} |" in document.behind(changed)
    assert ("event_rested", "aider") not in document.unexplained(changed)


def test_the_picture_says_why_there_is_no_bar(content: dict[str, Any]) -> None:
    changed = json.loads(json.dumps(content))
    changed["figures"]["exit_silent"]["aider"] = {"words": "did not end within 60 s"}
    assert ">did not end within 60 s</text>" in picture.picture(changed)


def test_to_send_events_twice_is_not_to_keep_more(content: dict[str, Any]) -> None:
    changed = json.loads(json.dumps(content))
    changed["figures"]["kill"]["glean"] |= {"median": 1467, "number": 1}
    assert ("kill", "glean") not in {(row, library) for row, library, _ in document.leads(changed)}
    assert document.field("kill", "glean", changed["figures"]) == "1,467<br>some of them twice"


def test_a_reason_is_of_a_row_and_a_library() -> None:
    assert all(row in rows.ROWS and library in LIBRARIES for row, library in REASONS)
