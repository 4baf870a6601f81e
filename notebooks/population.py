"""A made-up population: the records of invented users, with figures that are known.

``python notebooks/population.py FILE [USERS [SEED]]``: the same users and seed give the same bytes.
Every record is made by the catalogue's own classes, as a real one is. What was put in stands in the
constants below and in `Truth`, so that whoever answers a question from the records can be held to
it: a version that raises errors, an edit format that fails, a model that becomes popular, a feature
that comes and one that goes, and records that are lost on their way.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from dev_analytics.catalogue.events import (
    CellExecuted,
    CommandRun,
    ErrorRaised,
    Exited,
    FeatureUsed,
    Launched,
    LLMRequest,
)
from dev_analytics.catalogue.fields import Event
from dev_analytics.catalogue.record import encode, iso, whole_record

BEGINS = datetime(2026, 5, 4, tzinfo=UTC)
"""A Monday."""
WEEKS = 24
_WEEK = 7 * 86_400

VERSIONS = {"1.0.0": 0, "1.1.0": 7, "1.2.0": 14}
"""The week in which each version came out; who comes back has the newest one in the week after."""
CELLS_FOR_AN_ERROR = {"1.0.0": 50, "1.1.0": 8, "1.2.0": 40}
"""Every so many cells of a version raise an error: 1.1.0 is the bad one."""
BAD_VERSION = "1.1.0"
PLACE = "dev_analytics.apps.magics:DevAnalyticsMagics.dev_analytics:75"
"""Where the errors of the bad version are, beside those of the users' own code."""

MODELS = {
    "claude-sonnet-4-5": "anthropic",
    "gpt-4o": "openai",
    "gpt-4o-mini": "openai",
    "gemini-2.5-pro": "google",
    "llama3.2": "ollama",
}
RISING = "claude-sonnet-4-5"
"""The model that becomes popular: from a tenth of the requests to two thirds."""
REQUESTS_FOR_A_FAILURE = {"diff": 20, "whole": 50, "udiff": 4, "ask": 100}
"""Every so many requests in an edit format fail: udiff is the bad one."""
BAD_FORMAT = "udiff"

COMES = ("line magic", "autoreload", 10)
GOES = ("cell magic", "html", 9)
"""Kind and name of the feature that comes in a week, and of the one that goes with it."""
STAYS = 0.8
"""Of the users of a week, so many come back in the next one."""
LOST = 25
"""Of every so many sessions, one loses a record on its way."""

_FEATURES = (
    *(("line magic", "timeit"), ("line magic", "matplotlib"), ("cell magic", "bash")),
    *(("shell command", "pip"), ("shell command", "git"), ("line magic", "run")),
)
_ERRORS = (
    *(("ValueError", "user code"), ("KeyError", "pandas"), ("ModuleNotFoundError", "user code")),
    ("TypeError", "numpy"),
)
_FRONTENDS = ("jupyterlab", "vs code", "notebook", "ipython terminal")
_COMMANDS = ("status", "preview", "report", "log")
_PYTHONS = ("3.11.9", "3.12.7", "3.13.1")
_SYSTEMS = ("linux", "linux", "darwin", "windows")


@dataclass
class Truth:
    """What was put in, counted as it was: lost records count in `lost` and nowhere else."""

    requests: Counter[str] = field(default_factory=Counter)
    users_of_model: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    requests_in_week: Counter[tuple[int, str]] = field(default_factory=Counter)
    asked_in: Counter[str] = field(default_factory=Counter)
    failed_in: Counter[str] = field(default_factory=Counter)
    cells: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    active: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    first_use: dict[tuple[str, str], int] = field(default_factory=dict)
    last_use: dict[tuple[str, str], int] = field(default_factory=dict)
    lost: int = 0
    sessions: int = 0
    sessions_with_losses: int = 0


class Population:
    """Users over `WEEKS` weeks.

    Parameters
    ----------
    users
        How many; each has some fifty records.
    seed
        Another seed gives other users.

    Attributes
    ----------
    truth
        What was put in, once all records were taken.
    """

    def __init__(self, users: int, seed: int = 1) -> None:
        self.users = users
        self.truth = Truth()
        self._random = Random(seed)  # noqa: S311, these identifiers are of nobody
        self._cells: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()

    def lines(self) -> Iterator[bytes]:
        """Yield every record as a line, user by user."""
        for _ in range(self.users):
            user = self._uuid(4)
            week = self._random.randrange(WEEKS)
            habits = self._habits()
            while week < WEEKS:
                for line in self._session(user, week, habits):
                    yield line + b"\n"
                if self._random.random() >= STAYS:
                    break
                week += 1

    def write(self, file: Path) -> Truth:
        """Write every record into a file, and give what was put in."""
        with file.open("wb") as opened:
            opened.writelines(self.lines())
        return self.truth

    def _habits(self) -> dict[str, str]:
        choose = self._random.choice
        return {
            "frontend": choose(_FRONTENDS),
            "python": choose(_PYTHONS),
            "ipython": "9.1.0",
            "os": choose(_SYSTEMS),
        }

    def _session(self, user: str, week: int, habits: dict[str, str]) -> list[bytes]:
        random, truth = self._random, self.truth
        version = max(v for v, came in VERSIONS.items() if came < week or not came)
        began = int(BEGINS.timestamp()) + week * _WEEK + random.randrange(5 * 86_400)
        session = _uuid7(began, self._random)
        made: list[tuple[type[Event], int, dict[str, Any]]] = [
            (Launched, began, {**habits, "version": version})
        ]
        cells = random.randint(2, 10)
        at = began
        for _ in range(cells):
            at += random.randint(1, 600)
            made += self._cell(version, at)
            if random.random() < 0.3:
                made.append((FeatureUsed, at, self._feature(week)))
            if random.random() < 0.5:
                made.append((LLMRequest, at, self._request(week)))
        if random.random() < 0.2:
            made.append((CommandRun, at, {"command": random.choice(_COMMANDS)}))
        made.append((Exited, at, {"reason": "end of process", "cells": cells, "duration": 60}))
        truth.sessions += 1
        truth.active[week].add(user)
        lost = 0
        if truth.sessions % LOST == 0 and len(made) > 3:
            lost = random.randrange(1, len(made) - 1)
            truth.lost += 1
            truth.sessions_with_losses += 1
        lines = []
        for seq, (event, seconds, given) in enumerate(made, 1):
            if seq == lost + 1 and lost:
                continue
            self._count(event, given, user, week, version, seconds)
            own = self._uuid(4)
            if event is LLMRequest:
                given = {**given, "trace_id": own}
            said = {**given, "session_id": session, "seq": seq, "lib_version": version}
            lines.append(encode(whole_record(event, user, own, iso(seconds), said)).encode())
        return lines

    def _cell(self, version: str, at: int) -> list[tuple[type[Event], int, dict[str, Any]]]:
        self._cells[version] += 1
        number = self._cells[version]
        if number % CELLS_FOR_AN_ERROR[version]:
            return [(CellExecuted, at, {"outcome": "ok", "duration_ms": number % 90 + 1})]
        raised = self._cells[version] // CELLS_FOR_AN_ERROR[version]
        error: dict[str, Any] = {"exact": True, "phase": "cell"}
        if version == BAD_VERSION and raised % 3:
            error |= {"exception": "AttributeError", "package": "dev_analytics", "frames": [PLACE]}
        else:
            error["exception"], error["package"] = self._random.choice(_ERRORS)
        failed = {"outcome": "error", "duration_ms": number % 90 + 1}
        return [(CellExecuted, at, failed), (ErrorRaised, at, error)]

    def _feature(self, week: int) -> dict[str, str]:
        kind, name = self._random.choice(_FEATURES)
        if self._random.random() < 0.1 and week >= COMES[2]:
            kind, name = COMES[:2]
        elif self._random.random() < 0.1 and week <= GOES[2]:
            kind, name = GOES[:2]
        return {"kind": kind, "name": name}

    def _request(self, week: int) -> dict[str, Any]:
        random = self._random
        share = 0.1 + (2 / 3 - 0.1) * week / (WEEKS - 1)
        others = [name for name in MODELS if name != RISING]
        model = RISING if random.random() < share else random.choice(others)
        edit_format = random.choice(list(REQUESTS_FOR_A_FAILURE))
        self._requests[edit_format] += 1
        failed = self._requests[edit_format] % REQUESTS_FOR_A_FAILURE[edit_format] == 0
        asked = {
            "provider": MODELS[model],
            "model": model,
            "input_tokens": random.randrange(100, 1000) * 10,
            "latency_s": random.randrange(10, 99) / 10,
            "is_error": failed,
            "operation": "chat",
            "edit_format": edit_format,
            "tool": "dev",
        }
        if failed:
            return {**asked, "error_type": "TimeoutError", "http_status": 504}
        return {**asked, "output_tokens": random.randrange(10, 100) * 10, "http_status": 200}

    def _count(
        self,
        event: type[Event],
        given: dict[str, Any],
        user: str,
        week: int,
        version: str,
        seconds: int,
    ) -> None:
        truth = self.truth
        if event is LLMRequest:
            model, edit_format = given["model"], given["edit_format"]
            truth.requests[model] += 1
            truth.users_of_model[model].add(user)
            truth.requests_in_week[week, model] += 1
            truth.asked_in[edit_format] += 1
            truth.failed_in[edit_format] += given["is_error"]
        elif event is CellExecuted:
            truth.cells[version] += 1
        elif event is ErrorRaised:
            truth.errors[version] += 1
        elif event is FeatureUsed:
            feature = given["kind"], given["name"]
            truth.first_use[feature] = min(seconds, truth.first_use.get(feature, seconds))
            truth.last_use[feature] = max(seconds, truth.last_use.get(feature, seconds))

    def _uuid(self, version: int) -> str:
        return _uuid(self._random.getrandbits(128), version)


def _uuid(bits: int, version: int) -> str:
    digits = f"{bits:032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    digits = f"{digits[:12]}{version}{digits[13:16]}{variant}{digits[17:]}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _uuid7(seconds: int, random: Random) -> str:
    return _uuid(seconds * 1000 << 80 | random.getrandbits(80), 7)


def main(file: Path, users: int = 2_000, seed: int = 1) -> None:
    """Write the records of a population into a file."""
    truth = Population(users, seed).write(file)
    size = file.stat().st_size
    print(f"{file}: {users:,} invented users, {truth.sessions:,} sessions, {size:,} bytes.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:4]))
