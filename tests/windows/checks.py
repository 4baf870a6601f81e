"""What a user on Windows meets, in real processes of that Python: one line for each check.

A kernel is asked, answers, records, ends, is killed; a sender delivers; another process opts out.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Any

from jupyter_client.manager import KernelManager

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))

from fake_posthog import KEY, FakePostHog

SECONDS = 300
READ = 1.5
"""How long a person reads a question, in seconds."""


class Notebook:
    """A kernel with the extension, whose user may be asked."""

    def __init__(self, data: Path, **env: str) -> None:
        given = {**os.environ, "DEV_ANALYTICS_DIR": str(data), **env}
        self.manager = KernelManager()
        self.manager.shutdown_wait_time = SECONDS
        # A log of its own, as a kernel says there what nobody looks at, and what nobody should see.
        self._said = NamedTemporaryFile("w+b", delete=False)  # noqa: SIM115, closed with the kernel
        self.manager.start_kernel(env=given, stdout=self._said, stderr=self._said)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=SECONDS)

    def run(self, code: str, *answers: str) -> str:
        """Run a cell, and return what it shows."""
        shown: list[str] = []
        left = list(answers)

        def output(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                shown.append(content["text"])
            elif message["msg_type"] == "error":
                shown.append("\n".join(content["traceback"]))
            elif "data" in content:
                shown.append(content["data"].get("text/plain", ""))

        def answer(message: dict[str, Any]) -> None:
            time.sleep(READ)
            self.client.input(left.pop(0))

        self.client.execute_interactive(
            code,
            store_history=True,
            allow_stdin=bool(answers),
            timeout=SECONDS,
            output_hook=output,
            stdin_hook=answer,
        )
        assert not left, f"{left} was not asked for"
        return "\n".join(shown)

    def end(self) -> None:
        """Shut it down, as a user does."""
        self.client.stop_channels()
        self.manager.shutdown_kernel()
        self._said.seek(0)
        said = self._said.read().decode(errors="replace")
        self._said.close()
        assert "Traceback" not in said, said

    def kill(self) -> None:
        """End it as a crash does."""
        self.manager.shutdown_kernel(now=True)
        self.client.stop_channels()


def until(what: Callable[[], object], why: str) -> None:
    """Wait until something holds."""
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end, why
        time.sleep(0.1)


def command(data: Path, *arguments: str, **env: str) -> str:
    """Run the shell's command, and return what it says."""
    ran = subprocess.run(
        [sys.executable, "-m", "dev_analytics", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "DEV_ANALYTICS_DIR": str(data), **env},
    )
    assert "Traceback" not in ran.stdout, ran.stdout
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def status(data: Path, **env: str) -> dict[str, Any]:
    """Return what the status says."""
    return dict(json.loads(command(data, "status", "--json", **env)))


def delivered(data: Path) -> list[str]:
    """Return the events in the archive."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{(data / 'archive.sqlite').as_uri()}?mode=ro", uri=True)) as db,
    ):
        return [row[0] for row in db.execute("SELECT event FROM events")]
    return []


def spooled(data: Path) -> list[str]:
    """Return the lines of the spool."""
    return [
        line
        for file in (data / "spool").glob("*.jsonl")
        for line in file.read_text("utf-8").splitlines()
    ]


def starts(data: Path) -> None:
    """The command says that analytics are off, and why; nothing is stored."""
    found = status(data)
    assert not found["collecting"], found
    assert "Windows" not in found["reason"], found
    assert not (data / "consent").exists()


def asks_records_and_delivers(data: Path) -> None:
    """A yes at a kernel's line; cells are recorded, and in the archive after its end."""
    notebook = Notebook(data)
    notebook.run("%load_ext dev_analytics")
    assert not (data / "consent").exists(), "nothing before yes"
    shown = notebook.run("%dev_analytics on", "y")
    assert status(data)["collecting"], shown
    for code in ("1 + 1", "1 / 0", "%time 2"):
        notebook.run(code)
    assert len(spooled(data)) >= 3, spooled(data)
    shown = notebook.run("%dev_analytics status")
    assert "on" in shown, shown
    notebook.end()
    until(lambda: "exited" in delivered(data), "no sender delivered what the kernel left")
    assert {"launched", "cell executed", "error raised", "exited"} <= set(delivered(data))
    until(lambda: not spooled(data), "what was delivered stays in the spool")


def adopts_what_a_killed_kernel_left(data: Path) -> None:
    """A kernel that is killed loses nothing: the next session's sender takes it."""
    before = delivered(data).count("error raised")
    notebook = Notebook(data)
    notebook.run("%load_ext dev_analytics")
    for _ in range(3):
        notebook.run("1 / 0")
    notebook.kill()
    assert sum("error raised" in line for line in spooled(data)) == 3, spooled(data)
    following = Notebook(data)
    following.run("%load_ext dev_analytics")
    following.run("1")
    until(lambda: delivered(data).count("error raised") == before + 3, "it was not adopted")
    following.end()


def delivers_to_posthog(data: Path) -> None:
    """A sender of its own delivers to a server, with the answer for each record."""
    server = FakePostHog()
    config = [
        f"c.DevAnalytics.posthog_project_key = {KEY!r}",
        f"c.DevAnalytics.posthog_host = {server.url!r}",
    ]
    profile = data.parent / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_config.py").write_text("\n".join(["c = get_config()", *config]))
    other = data.parent / "posthog"
    notebook = Notebook(other, IPYTHONDIR=str(profile.parent))
    notebook.run("%load_ext dev_analytics")
    notebook.run("%dev_analytics on", "y")
    notebook.run("1 + 1")
    notebook.end()
    until(lambda: len(server.stored) >= 3, f"{len(server.stored)} arrived")
    until(lambda: not spooled(other), "what was delivered stays in the spool")
    server.close()
    assert not server.broken, server.broken


def opts_out_from_another_process(data: Path) -> None:
    """A command opts out; the kernel's next cell records nothing, and all is deleted."""
    notebook = Notebook(data)
    notebook.run("%load_ext dev_analytics")
    notebook.run("1")
    assert spooled(data)
    said = command(data, "disable")
    assert "disabled" in said, said
    notebook.run("1 / 0")
    assert "off" in notebook.run("%dev_analytics status")
    assert not spooled(data), spooled(data)
    assert not (data / "archive.sqlite").exists()
    assert not (data / "consent" / "consent.json").exists()
    assert (data / "consent" / "opted-out").exists()
    notebook.end()
    assert not status(data)["collecting"]
    assert not spooled(data)


def heeds_do_not_track_in_a_session(data: Path) -> None:
    """A variable that a cell sets counts at once."""
    other = data.parent / "do-not-track"
    notebook = Notebook(other)
    notebook.run("%load_ext dev_analytics")
    notebook.run("%dev_analytics on", "y")
    notebook.run("import os; os.environ['DO_NOT_TRACK'] = '1'")
    assert "DO_NOT_TRACK" in notebook.run("%dev_analytics status")
    notebook.end()


def logs_for_many_processes(data: Path) -> None:
    """Lines that several processes append to one log at once stay whole."""
    code = (
        "import sys; from pathlib import Path; from dev_analytics.delivery.lines import LineFile\n"
        "file = LineFile(Path(sys.argv[1]), renewed=True)\n"
        "for number in range(200): file.append(sys.argv[2].encode() * 20_000)"
    )
    log = data.parent / "events.jsonl"
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(log), name]) for name in ("a", "b", "c")
    ]
    assert [writer.wait() for writer in writers] == [0] * 3
    lines = log.read_bytes().splitlines()
    assert len(lines) == 600
    assert {(len(line), len(set(line))) for line in lines} == {(20_000, 1)}


def commands_say_something(data: Path) -> None:
    """Every command of the shell ends without a traceback."""
    other = data.parent / "commands"
    home = {"USERPROFILE": str(data.parent), "IPYTHONDIR": str(data.parent / "own")}
    for words in (["--version"], ["status"], ["preview"], ["enable", "--user"]):
        assert command(other, *words, **home).strip(), words
    command(other, "remove", "--user", **home)
    command(other, "disable", **home)
    assert "opted out" in command(other, "status", **home)


def heeds_no_destination_of_a_user_s_policy(data: Path) -> None:
    """A policy that a user wrote, as everybody can, sends nobody's records; it can forbid."""
    policy = data.parent / "policy.json"
    policy.write_text(f'{{"posthog_project_key": "{KEY}", "posthog_host": "https://p.test"}}')
    other = data.parent / "policies"
    found = status(other, DEV_ANALYTICS_POLICY=str(policy))
    assert "its destination is ignored" in found["policy"], found
    policy.write_text('{"analytics": "forbidden"}')
    assert status(other, DEV_ANALYTICS_POLICY=str(policy))["rule"] == 2


CHECKS = (
    starts,
    asks_records_and_delivers,
    adopts_what_a_killed_kernel_left,
    opts_out_from_another_process,
    delivers_to_posthog,
    heeds_do_not_track_in_a_session,
    logs_for_many_processes,
    commands_say_something,
    heeds_no_destination_of_a_user_s_policy,
)


def main() -> int:
    """Run the checks that are named, or all; one data directory serves them in turn."""
    failed = 0
    warnings.filterwarnings("ignore", message="Proactor event loop")
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["IPYTHONDIR"] = str(Path(folder, "no-ipython"))
        os.environ["JUPYTER_RUNTIME_DIR"] = str(Path(folder, "jupyter"))
        for check in CHECKS:
            if sys.argv[1:] and check.__name__ not in sys.argv[1:]:
                continue
            try:
                check(Path(folder, "data"))
            except Exception as error:
                failed += 1
                print("FAILED", check.__name__, type(error).__name__, error, flush=True)
            else:
                print("passed", check.__name__, flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
