"""A real Jupyter server, driven over its REST API: the right events, and nothing of the user's."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from dev_analytics import NOTICE
from dev_analytics.consent.store import ConsentStore


class Server:
    """A Jupyter server in a process of its own."""

    def __init__(self, root: Path, until: Callable[..., None], *arguments: str) -> None:
        root.mkdir(exist_ok=True)
        self.log = root.parent / "server.log"
        self._out = self.log.open("ab")
        command = ["-m", "jupyter_server", "--ServerApp.root_dir", str(root), "--port=0"]
        command += ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--IdentityProvider.token=t"]
        # The environment's own server extension is what is tested, not a configuration of it. The
        # others double the time that a start takes.
        for other in ("jupyterlab", "notebook", "notebook_shim", "jupyter_lsp"):
            command.append(f"--ServerApp.jpserver_extensions={other}=False")
        self.process = subprocess.Popen(
            [sys.executable, *command, *arguments], stdout=self._out, stderr=self._out
        )
        found: list[str] = []

        def ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            found[:] = re.findall(r"http://127\.0\.0\.1:\d+/", self.log.read_text())
            return bool(found)

        until(ready)
        self.api = httpx.Client(
            base_url=found[0], headers={"Authorization": "token t"}, timeout=240
        )
        until(self._answers)

    def __call__(self, method: str, path: str, /, **body: Any) -> Any:
        """Make a request, and give what it answers."""
        answer = self.api.request(method, f"api/{path}", json=body or None)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def await_kernel(self, kernel: str) -> None:
        """Wait until a kernel answers."""
        file = Path(os.environ["JUPYTER_RUNTIME_DIR"]) / f"kernel-{kernel}.json"
        client = BlockingKernelClient(connection_file=str(file))
        client.load_connection_file()
        # Its heartbeat takes a kernel that is slow for a second for a dead one.
        client.start_channels(hb=False)
        client.wait_for_ready(timeout=240)
        client.stop_channels()

    def stop(self) -> str:
        """End it, and give its log."""
        self.api.close()
        self.process.terminate()
        self.process.wait(240)
        self._out.close()
        return self.log.read_text()

    def _answers(self) -> bool:
        try:
            return self.api.get("api/status").is_success
        except httpx.TransportError:
            return False


@pytest.fixture
def server(tmp_path: Path, until: Callable[..., None]) -> Iterator[Callable[..., Server]]:
    """Start servers; they are ended after the test."""
    started: list[Server] = []

    def start(*arguments: str) -> Server:
        started.append(Server(tmp_path / "notebooks", until, *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(240)


NOTEBOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def work(server: Server, mark: Callable[[str], str], *, restart: bool = True) -> None:
    """Do what a front end does, in a folder and files whose names are the user's own."""
    folder = server("POST", "contents", type="directory")["path"]
    home = mark("folder")
    server("PATCH", f"contents/{folder}", path=home)
    new = server("POST", f"contents/{home}", type="notebook")["path"]
    notebook = f"{home}/{mark('notebook')}.ipynb"
    server("PATCH", f"contents/{new}", path=notebook)
    server("GET", f"contents/{notebook}")
    content = {**NOTEBOOK, "metadata": {mark("metadata"): mark("value")}}
    server("PUT", f"contents/{notebook}", type="notebook", content=content)
    server("POST", f"contents/{home}", copy_from=notebook)
    script = f"{home}/{mark('script')}.py"
    server("PUT", f"contents/{script}", type="file", format="text", content=mark("code"))
    odd = f"{home}/{mark('file')}.{mark('ending')}"
    server("PUT", f"contents/{odd}", type="file", format="text", content="")
    server("DELETE", f"contents/{script}")
    session = server(
        "POST",
        "sessions",
        name=mark("session"),
        path=notebook,
        type="notebook",
        kernel={"name": "python3"},
    )
    kernel = session["kernel"]["id"]
    # An interrupt in the middle of a kernel's imports is a traceback of its own.
    server.await_kernel(kernel)
    if restart:
        server("POST", f"kernels/{kernel}/interrupt")
        server.await_kernel(kernel)
        server("POST", f"kernels/{kernel}/restart")
        server.await_kernel(kernel)
    server("DELETE", f"sessions/{session['id']}")


# A new folder or notebook is saved first; a copy is saved, and then said to be one.
DONE = [
    ("file action", "save", "other"),
    ("file action", "rename", "other"),
    ("file action", "save", "notebook"),
    ("file action", "rename", "notebook"),
    ("file action", "save", "notebook"),
    ("file action", "save", "notebook"),
    ("file action", "copy", "notebook"),
    ("file action", "save", "python"),
    ("file action", "save", "other"),
    ("file action", "delete", "python"),
    ("kernel action", "start", "success"),
    ("kernel action", "interrupt", "success"),
    ("kernel action", "restart", "success"),
    ("kernel action", "shutdown", "success"),
]


def done(records: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return what records say, in short."""
    said = [(record["event"], record["properties"]) for record in records]
    return [(event, own["action"], own.get("kind") or own["status"]) for event, own in said]


def test_before_an_answer_a_log_has_the_right_events_and_the_disk_nothing(
    server: Callable[..., Server],
    log: Any,
    data: Path,
    marks: Any,
    foreign: Callable[[bytes], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEV_ANALYTICS_LOG", str(log.path))
    running = server()
    work(running, marks)
    running.stop()
    assert done(log.records) == DONE
    assert {record["distinct_id"] for record in log.records} == {None}
    assert not data.exists()
    written = log.path.read_bytes()
    assert marks.found_in(written) == []
    assert [wrong for line in written.splitlines() for wrong in foreign(line)] == []


def test_after_a_yes_they_are_delivered_and_hold_nothing_of_the_user(
    server: Callable[..., Server],
    data: Path,
    marks: Any,
    until: Callable[..., None],
    everything: Callable[[Path], bytes],
) -> None:
    user_id = ConsentStore(data).agree(NOTICE, date.today()).user_id
    running = server()
    work(running, marks)
    running.stop()
    archive = data / "archive.sqlite"
    until(lambda: archive.exists() and not list((data / "spool").iterdir()))
    with closing(sqlite3.connect(archive)) as opened:
        rows = opened.execute("SELECT event, distinct_id, properties FROM events ORDER BY seq")
        records = [
            {"event": event, "distinct_id": user, "properties": json.loads(properties)}
            for event, user, properties in rows
        ]
    assert done(records) == DONE
    assert {record["distinct_id"] for record in records} == {user_id}
    assert marks.found_in(everything(data)) == []


@pytest.mark.parametrize("why", ["policy", "DO_NOT_TRACK", "opted out", "switched off"])
def test_whoever_says_no_says_it_to_the_server_too(
    server: Callable[..., Server],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    marks: Any,
    why: str,
) -> None:
    store = ConsentStore(data)
    store.agree(NOTICE, date.today())
    arguments = []
    if why == "policy":
        (tmp_path / "policy.json").write_text('{"analytics": "forbidden"}')
        monkeypatch.setenv("DEV_ANALYTICS_POLICY", str(tmp_path / "policy.json"))
    elif why == "DO_NOT_TRACK":
        monkeypatch.setenv("DO_NOT_TRACK", "1")
    elif why == "opted out":
        store.opt_out()
    else:
        arguments = ["--DevAnalytics.enabled=False"]
    running = server(*arguments)
    work(running, marks, restart=False)
    running.stop()
    assert not (data / "spool").exists()
    assert not (data / "archive.sqlite").exists()


def test_an_event_that_a_client_made_up_gives_words_of_ours_alone(
    server: Callable[..., Server], log: Any, marks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEV_ANALYTICS_LOG", str(log.path))
    running = server()
    schemas = "https://events.jupyter.org/jupyter_server"
    for schema, made_up in (
        (
            "kernel_actions/v1",
            {"action": "start", "kernel_id": marks("id"), "kernel_name": marks("kernel")}
            | {"status": "error", "status_code": 500, "msg": marks("message")},
        ),
        (
            "contents_service/v1",
            {"action": "rename", "path": marks("path"), "source_path": f"{marks('old')}.ipynb"},
        ),
    ):
        running("POST", "events", schema_id=f"{schemas}/{schema}", data=made_up, version="1")
    running.stop()
    assert done(log.records) == [
        ("kernel action", "start", "error"),
        ("file action", "rename", "other"),
    ]
    assert marks.found_in(log.path.read_bytes()) == []


@pytest.mark.parametrize(
    ("broken", "lines"),
    [
        ("from dev_analytics.analytics import Analytics; Analytics.event = None", 0),
        ("import dev_analytics.analytics as a; a.get_analytics = None", 1),
        ("import dev_analytics.config as c; c.load_settings = None", 1),
    ],
    ids=["at every event", "at loading", "in the settings"],
)
def test_a_failure_inside_shows_in_the_server_s_log_once_at_most(
    server: Callable[..., Server],
    tmp_path: Path,
    marks: Any,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    lines: int,
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text(broken)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"), prepend=os.pathsep)
    running = server()
    # What was not loaded hears of nothing that a kernel does.
    work(running, marks, restart=not lines)
    said = [line for line in running.stop().splitlines() if "dev_analytics is not" in line]
    assert len(said) == lines
    log = running.log.read_text()
    assert "Event listener" not in log
    assert not re.search(r"Traceback(?:.*\n)*?.*dev_analytics", log)


@pytest.mark.parametrize(
    ("argument", "env", "said"),
    [
        (
            "--DevAnalytics.enabled=maybe",
            {},
            "c.DevAnalytics.enabled must be True, False or None, got 'maybe'",
        ),
        (
            "--DevAnalytics.spool_max_mib=0",
            {},
            "c.DevAnalytics.spool_max_mib must be a number of MiB from 0.1, got '0'",
        ),
        ("", {"DEV_ANALYTICS": "maybe"}, "DEV_ANALYTICS must be on or off, got 'maybe'"),
        ("", {"DEV_ANALYTICS_LOG": "/nowhere/log"}, "no event log, its file cannot be written"),
    ],
)
def test_a_bad_setting_is_one_line_in_the_server_s_log(
    server: Callable[..., Server],
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    argument: str,
    env: dict[str, str],
    said: str,
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    running = server(*filter(None, [argument]))
    running("POST", "contents", type="notebook")
    lines = [line for line in running.stop().splitlines() if "dev_analytics:" in line]
    assert [line.partition("dev_analytics: ")[2].partition(";")[0] for line in lines] == [said]
    assert not data.exists()
