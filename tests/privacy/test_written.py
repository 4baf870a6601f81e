"""Notebooks that hypothesis writes, in a real shell and a real kernel: no mark gets through."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from delivered import Delivered
from fake_posthog import KEY, FakePostHog, to_posthog
from hypothesis import given, settings
from written import notebooks, planted

from dev_analytics import NOTICE, get_analytics
from dev_analytics.analytics import Analytics
from dev_analytics.apps.extension import load, unload
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import Delivery
from dev_analytics.testing.marks import Marks

SCALE = settings().max_examples / (100 if settings().max_examples > 100 else 200)
"""`make test` takes half as many as its profile says: `make privacy` has the long run."""
Strange = Callable[[bytes], list[str]]


@pytest.fixture(autouse=True)
def agreed(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who agreed, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    ConsentStore(data).agree(NOTICE, date.today())


@pytest.fixture
def session(shell: Any, log: Any) -> Iterator[Analytics]:
    """The extension in a real shell, with a log; what waits stays in the spool."""
    shell.config.DevAnalytics.flush_interval = 3600
    shell.config.DevAnalytics.log_file = str(log.path)
    load(shell)
    yield get_analytics()
    unload(shell)


class Tail:
    """What was appended to a file since the last look."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0

    def new(self) -> bytes:
        with self._path.open("rb") as file:
            file.seek(self._read)
            found = file.read()
        self._read += len(found)
        return found


def check(lines: bytes, marks: Marks, foreign: Strange) -> Counter[str]:
    """Fail if records hold a mark or anything of no closed set; count their events."""
    assert marks.found_in(lines) == []
    assert [wrong for line in lines.splitlines() for wrong in foreign(line)] == []
    return Counter(json.loads(line)["event"] for line in lines.splitlines())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore:To exit:UserWarning")
@pytest.mark.filterwarnings("ignore:.make_tokens_by_line. received:UserWarning")
def test_nothing_of_a_notebook_that_hypothesis_writes_leaves_a_shell(
    shell: Any,
    session: Analytics,
    log: Any,
    data: Path,
    marks: Marks,
    foreign: Strange,
    everything: Callable[[Path], bytes],
) -> None:
    tail = Tail(log.path)
    tail.new()
    seen: Counter[str] = Counter()

    @settings(max_examples=int(60 * SCALE))
    @given(cells=notebooks(shell=False))
    def each(cells: list[str]) -> None:
        for cell in cells:
            shell.run(planted(cell, marks))
        events = check(tail.new(), marks, foreign)
        assert events["cell executed"] == len(cells)
        assert session.drops.counts["failure inside"] == 0
        seen.update(events)

    each()
    records = [one.record for one in session.pipeline.preview]
    assert seen["error raised"] > 10
    assert check(b"\n".join(records), marks, foreign)
    (spool,) = (data / "spool").iterdir()
    assert check(spool.read_bytes(), marks, foreign) >= seen
    assert marks.found_in(everything(data)) == []


def test_nothing_of_a_notebook_that_hypothesis_writes_leaves_a_kernel(
    kernel: Callable[..., Any],
    log: Any,
    data: Path,
    marks: Marks,
    foreign: Strange,
    posthog: FakePostHog,
    until: Callable[[Callable[[], bool]], None],
    everything: Callable[[Path], bytes],
    tmp_path: Path,
) -> None:
    named = [Delivery(recipient=to_posthog(posthog.url, KEY)).recipient]
    ConsentStore(data).agree(NOTICE, date.today(), recipients=named)
    left = Delivered(data, log.path, posthog, until, everything)
    notebook = kernel(
        {"DEV_ANALYTICS_LOG": str(log.path), "no_proxy": "127.0.0.1"},
        f"--DevAnalytics.posthog_project_key={KEY}",
        f"--DevAnalytics.posthog_host={posthog.url}",
        "--DevAnalytics.flush_interval=3600",
    )
    notebook.run("%load_ext dev_analytics")
    tail = Tail(log.path)
    tail.new()

    @settings(max_examples=int(15 * SCALE))
    @given(cells=notebooks(shell=True))
    def each(cells: list[str]) -> None:
        for cell in cells:
            notebook.run(planted(cell, marks))
        assert check(tail.new(), marks, foreign)["cell executed"] == len(cells)

    each()
    shown = [notebook.run(f"%dev_analytics {word}").messages for word in ("preview", "status")]
    notebook.stop()
    left.end(tmp_path / "copy")
    left.check()
    assert check(log.path.read_bytes(), marks, foreign)["exited"] == 1
    for place, content in {**left.places, "what it shows": str(shown).encode()}.items():
        assert content, f"the {place} is empty, and shows nothing"
        assert marks.found_in(content) == [], f"in the {place}"
