"""Measures one library in this process, by one of the programs below; the result is a JSON file."""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

CHUNKS, LOOPS, PAUSE = 60, 50, 0.01
CELLS, CELL_LOOPS = 100, 10
CALLS, CALL_LOOPS = 40, 5
WAITING = 100
KILLED = 1_000
REMEMBERED = 10_000
BACKLOGS = (10, 10_000, 100_000)
PATIENCE = 12.0
"""How long it may take to fill a backlog, in seconds."""

CELL = "total = 1 + 1"
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-2024-08-06",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
}

Samples = dict[str, list[float]]


def load(name: str, address: str, folder: Path) -> tuple[float, float]:
    """Return the ms to import a library and set it up, and those to its first event.

    What is put off to the first event is in the second figure.
    """
    importlib.import_module("rivals")
    begin = time.perf_counter()
    library = importlib.import_module(f"rivals.{name}").Library(address, folder)
    library.setup()
    loaded = time.perf_counter()
    library.event()
    return (loaded - begin) * 1000, (time.perf_counter() - begin) * 1000


def spent(function: Callable[[], Any], loops: int) -> float:
    """Return the µs of one call."""
    begin = time.perf_counter()
    for _ in range(loops):
        function()
    return (time.perf_counter() - begin) / loops * 1e6


def after_pause(function: Callable[[], Any], loops: int) -> tuple[float, float]:
    """Return the µs of the first call after a pause, and those of one of the calls that follow it.

    The first one finds its code out of the processor's caches. In the pause threads do their work.
    """
    time.sleep(PAUSE)
    return spent(function, 1), spent(function, loops)


def paced(
    function: Callable[[], Any], chunks: int = CHUNKS, loops: int = LOOPS
) -> tuple[list[float], list[float]]:
    """Return what `after_pause` does, pause by pause."""
    taken = [after_pause(function, loops) for _ in range(chunks + 3)]
    rested, in_row = zip(*taken[3:], strict=True)
    return [*rested], [*in_row]


class Programs:
    """Each method measures one thing; a row of the tables is a key of what it gives.

    Parameters
    ----------
    options
        The command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options

    def shell(self) -> Any:
        """Make the shell that every process has, before a library comes."""
        from IPython.core.history import HistoryManager
        from IPython.core.interactiveshell import InteractiveShell

        HistoryManager.enabled = False  # type: ignore[assignment]
        hooks = sys.excepthook, sys.displayhook
        shell = InteractiveShell.instance()
        sys.excepthook, sys.displayhook = hooks
        return shell

    def library(self, **options: Any) -> Any:
        module = importlib.import_module(f"rivals.{self.options.library}")
        library = module.Library(self.options.address, self.options.folder)
        library.setup(**options)
        return library

    def load(self) -> Samples:
        options = self.options
        _, first = load(options.library, options.address, options.folder)
        return {"first_python": [first]}

    def event(self) -> Samples:
        self.shell()
        event = self.library().event
        time.sleep(max(0.0, self.options.at - time.monotonic()))
        rested, in_row = paced(event, self.options.chunks)
        if self.options.row:
            return {self.options.row: in_row}
        return {"event_in_row": in_row, "event_rested": rested}

    def declared(self) -> Samples:
        self.shell()
        event = self.library(declared=self.options.declared).event
        return {f"declared_{self.options.declared}": paced(event)[1]}

    def cell(self) -> Samples:
        from IPython.core.interactiveshell import InteractiveShell

        observed = self.shell()
        hooks = sys.excepthook, sys.displayhook
        plain = InteractiveShell()
        sys.excepthook, sys.displayhook = hooks
        self.library().observe_cells(observed)
        with_it, without = (
            partial(shell.run_cell, CELL, store_history=True, silent=False)
            for shell in (observed, plain)
        )
        return self.more("cell", with_it, without, CELLS, CELL_LOOPS)

    def model(self) -> Samples:
        import httpx2
        import openai

        self.shell()

        def client(kind: Callable[..., Any] = openai.OpenAI, **options: Any) -> Any:
            transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=ANSWER))
            http = httpx2.Client(transport=transport)
            return kind(api_key="k", http_client=http, **options)

        plain = client()
        observed, switch = self.library().observe_models(client)
        given = {"posthog_privacy_mode": True} if self.options.library == "posthog" else {}

        def ask(one: Any, on: bool, **options: Any) -> None:
            if switch:
                switch(on)
            one.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "hello"}], **options
            )

        return self.more(
            *("model", lambda: ask(observed, True, **given), lambda: ask(plain, False)),
            *(CALLS, CALL_LOOPS),
        )

    def more(
        self,
        what: str,
        with_it: Callable[[], Any],
        without: Callable[[], Any],
        rounds: int,
        loops: int,
    ) -> Samples:
        """Return how many µs one takes more than the other, in a row and after a pause.

        The two take turns, so that a machine that gets slower slows both.
        """
        found: Samples = {f"{what}_rested": [], f"{what}_in_row": []}
        for _ in range(rounds + 2):
            times = after_pause(with_it, loops), after_pause(without, loops)
            for taken, one, other in zip(found.values(), *times, strict=True):
                taken.append(one - other)
        return {row: taken[2:] for row, taken in found.items()}

    def exit(self) -> Samples:
        self.shell()
        event = self.library().event
        for _ in range(WAITING):
            event()
        return {"ended": [time.monotonic()]}

    def kill(self) -> Samples:
        self.shell()
        event = self.library().event
        for _ in range(KILLED):
            event()
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    def restart(self) -> Samples:
        self.shell()
        self.library()
        time.sleep(1)
        return {}

    def fork(self) -> Samples:
        self.shell()
        event = self.library().event
        event()
        if child := os.fork():
            os.waitpid(child, 0)
            return {}
        for _ in range(WAITING):
            event()
        if self.options.row == "fork_hard":
            os._exit(0)
        sys.exit(0)

    def memory(self) -> Samples:
        import psutil

        self.shell()
        gc.collect()
        process = psutil.Process()
        before = process.memory_info().rss
        event = self.library().event
        for _ in range(REMEMBERED // 50):
            for _ in range(50):
                event()
            time.sleep(PAUSE / 4)
        time.sleep(1)
        gc.collect()
        return {"memory": [(process.memory_info().rss - before) / 2**20]}

    def backlog(self) -> Samples:
        self.shell()
        event = self.library().event
        found: Samples = {}
        begin, recorded = time.monotonic(), 0
        for waiting in BACKLOGS:
            while recorded < waiting and time.monotonic() - begin < PATIENCE:
                event()
                recorded += 1
            if recorded < waiting:
                break
            found[f"backlog_{waiting}"] = paced(event, 20, 10)[1]
            recorded += 253
        return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("library")
    parser.add_argument("--address", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--result", required=True)
    parser.add_argument("--row", default="")
    parser.add_argument("--chunks", type=int, default=CHUNKS)
    parser.add_argument("--declared", type=int, default=1)
    parser.add_argument("--at", type=float, default=0.0)
    options = parser.parse_args()
    found = getattr(Programs(options), options.program)()
    (options.folder / options.result).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
