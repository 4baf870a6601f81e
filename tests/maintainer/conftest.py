"""A population whose truths are known, and PostHog's engine with its records."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clickhouse import ClickHouse

ROOT = Path(__file__).parents[2]
USERS = int(os.environ.get("POPULATION", "200"))
"""How many users are made up: some ten thousand records; 2,000 are a hundred thousand."""


@pytest.fixture(scope="session")
def population() -> Any:
    """The module that makes a population."""
    spec = importlib.util.spec_from_file_location("population", ROOT / "notebooks/population.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["population"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def made(population: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A file with the records of a population, and what was put in."""
    file = tmp_path_factory.mktemp("population") / "events.jsonl"
    return file, population.Population(USERS).write(file)


@pytest.fixture(scope="session")
def clickhouse() -> ClickHouse:
    """PostHog's engine."""
    return ClickHouse()


@pytest.fixture(scope="session")
def ask(clickhouse: ClickHouse) -> Callable[..., list[dict[str, Any]]]:
    """Ask HogQL on the table that was filled last."""
    return clickhouse.ask
