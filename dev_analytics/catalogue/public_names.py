"""The tables of public names that the package ships: models by name, providers by host.

``make vocabularies`` makes them from genai-prices and from the lists of models that SDKs ship; see
``scripts/model_table.py``. Each is read when the first request to a model is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("tables")


@cache
def models() -> Mapping[str, str]:
    """Return the id of each public model by every other name that it has, in small letters."""
    return _read("models")


@cache
def hosts() -> Mapping[str, str]:
    """Return the provider of each public host; a path may follow it, and ``*`` is one label."""
    return _read("hosts")


def _read(name: str) -> dict[str, str]:
    """Read lines of a meaning and the names that have it; ``#`` begins a comment line."""
    table = {}
    for line in (FOLDER / f"{name}.txt").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            meaning, *names = line.split(" ")
            table.update(dict.fromkeys(names, meaning))
    return table
