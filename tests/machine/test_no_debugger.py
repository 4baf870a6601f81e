"""Kernels start without a debugger, which takes long to import, unless a test wants one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

FEATURES = "print(get_ipython().kernel.kernel_info.get('supported_features', []))"


@pytest.mark.parametrize(("variable", "has_one"), [("1", False), (None, True)])
def test_a_kernel_has_a_debugger_unless_the_variable_is_set(
    kernel: Callable[..., Any], variable: str | None, has_one: bool
) -> None:
    assert ("debugger" in kernel({"NO_DEBUGGER": variable}).run(FEATURES).text) == has_one


def test_a_kernel_of_a_test_has_none(kernel: Callable[..., Any]) -> None:
    assert "debugger" not in kernel().run(FEATURES).text
