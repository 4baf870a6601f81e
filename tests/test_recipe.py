"""The conda recipe says what the package says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dev_analytics import __version__

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def recipe() -> str:
    return (ROOT / "recipe/recipe.yaml").read_text("utf-8")


@pytest.fixture(scope="module")
def package() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def listed(recipe: str, key: str) -> list[str]:
    """Return the items of a list, without the space that conda puts before a version."""
    (indented,) = re.findall(rf"^ +{key}:\n((?: +- .+\n)+)", recipe, re.MULTILINE)
    items = re.findall(r"^ +- (.+)$", indented, re.MULTILINE)
    return [re.sub(r" (?=[<>])", "", item) for item in items if item != "pip"]


def test_it_builds_this_version(recipe: str) -> None:
    assert re.findall(r'^  version: "(.+)"$', recipe, re.MULTILINE) == [__version__]


def test_it_needs_what_the_package_needs(recipe: str, package: Any) -> None:
    python = f"python{package['project']['requires-python']}"
    assert listed(recipe, "run") == [python, *package["project"]["dependencies"]]
    assert listed(recipe, "host") == [python, *package["build-system"]["requires"]]


def test_it_has_the_same_commands(recipe: str, package: Any) -> None:
    scripts = [f"{name} = {place}" for name, place in package["project"]["scripts"].items()]
    assert listed(recipe, "entry_points") == scripts
