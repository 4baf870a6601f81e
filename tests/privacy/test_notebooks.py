"""Notebooks as people write them, with a mark wherever they write: what is left of it anywhere.

``notebooks/`` has them, each word of somebody's a ``MARK_of_its_place``. Each is run in a real
kernel, saved, and delivered: to a PostHog on this machine and to the archive. Then every byte that
the package left or sent is searched.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from delivered import Delivered
from fake_posthog import KEY, FakePostHog, to_posthog
from nbclient import NotebookClient
from traitlets.config import Config

from dev_analytics import NOTICE
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import Delivery
from dev_analytics.testing.marks import Marks

NOTEBOOKS = sorted(Path(__file__).with_name("notebooks").glob("*.ipynb"))
MARK = re.compile(r"MARK(?:[_-]\w+)?")
BEFORE = ["%load_ext dev_analytics"]
AFTER = ["%dev_analytics on", "%dev_analytics", "%dev_analytics preview", "%dev_analytics log"]


class Run(NamedTuple):
    """A notebook that was run, saved and delivered, and every byte that is left of it."""

    user_id: str
    shown: dict[str, bytes]
    left: Delivered


def marked(file: Path, marks: Marks) -> Any:
    """Read a notebook, put a mark for every word of its writer, and our own cells around it."""
    text = MARK.sub(lambda found: marks(found[0]), file.read_text("utf-8"))
    notebook = nbformat.reads(text, as_version=4)
    cell = nbformat.v4.new_code_cell
    notebook.cells = [*map(cell, BEFORE), *notebook.cells, *map(cell, AFTER)]
    return notebook


def is_ours(cell: Any) -> bool:
    return cell.source in BEFORE + AFTER


def without_the_writer_s(notebook: Any) -> bytes:
    """Return the notebook's file without source and outputs of the author's cells."""
    kept = json.loads(nbformat.writes(notebook))
    for cell, read in zip(kept["cells"], notebook.cells, strict=True):
        if not is_ours(read):
            del cell["source"]
            cell.pop("outputs", None)
    # The widgets that the writer made are the writer's, and are not ours.
    kept["metadata"].pop("widgets", None)
    return json.dumps(kept).encode()


@pytest.fixture(params=NOTEBOOKS, ids=lambda file: file.stem)
def run(
    request: pytest.FixtureRequest,
    data: Path,
    log: Any,
    marks: Marks,
    posthog: FakePostHog,
    own_sockets: Callable[[], Config],
    until: Callable[[Callable[[], bool]], None],
    everything: Callable[[Path], bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Run a notebook to the end of its delivery."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    named = [Delivery(recipient=to_posthog(posthog.url, KEY)).recipient]
    user_id = str(ConsentStore(data).agree(NOTICE, date.today(), recipients=named).user_id)
    left = Delivered(data, log.path, posthog, until, everything)
    notebook = marked(request.param, marks)
    folder = tmp_path / marks("folder of the notebook")
    folder.mkdir()
    environment = {
        **os.environ,
        "DEV_ANALYTICS_LOG": str(log.path),
        "USER": marks("user"),
        "HOSTNAME": marks("host"),
        "JPY_SESSION_NAME": f"{folder}/{marks('notebook')}.ipynb",
        f"AWS_{marks('name of a variable')}": marks("value of a variable"),
    }
    client = NotebookClient(
        notebook,
        config=own_sockets(),
        allow_errors=True,
        timeout=240,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=[
            f"--DevAnalytics.posthog_project_key={KEY}",
            f"--DevAnalytics.posthog_host={posthog.url}",
            # No sender before the end: it would be given the answer that never comes.
            "--DevAnalytics.flush_interval=3600",
        ],
    )
    client.execute(env=environment)

    left.end(tmp_path / "copy")
    shown = {
        cell.source: json.dumps(cell.outputs).encode() for cell in notebook.cells if is_ours(cell)
    }
    left.places |= {
        "preview": shown["%dev_analytics preview"],
        "status": shown["%dev_analytics"],
        "saved notebook": without_the_writer_s(notebook),
    }
    return Run(user_id, shown, left)


def test_nothing_that_somebody_wrote_is_left_anywhere(
    run: Run, marks: Marks, foreign: Callable[[bytes], list[str]]
) -> None:
    assert len(marks.planted) > 30
    for place, content in run.left.places.items():
        assert content, f"the {place} is empty, and shows nothing"
        assert marks.found_in(content) == [], f"in the {place}"

    # Every record is of closed sets, and the same bytes everywhere.
    for line in run.left.lines:
        assert foreign(line) == []
    run.left.check()
    events = {json.loads(line)["event"] for line in run.left.lines}
    assert events >= {"launched", "cell executed", "feature used", "error raised", "exited"}

    # It runs by itself, so that the user's identifier is in no output of it.
    assert [source for source, shown in run.shown.items() if run.user_id.encode() in shown] == []


def test_every_notebook_is_there() -> None:
    assert [file.stem for file in NOTEBOOKS] == ["customers", "database", "plots", "requests"]
    for file in NOTEBOOKS:
        assert len(set(MARK.findall(file.read_text("utf-8")))) > 25
