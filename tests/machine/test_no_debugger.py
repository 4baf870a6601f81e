"""Kernels start without a debugger, which takes long to import, unless a test wants one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

FEATURES = "print(get_ipython().kernel.kernel_info.get('supported_features', []))"


@pytest.mark.parametrize(("env", "has_one"), [({}, False), ({"NO_DEBUGGER": None}, True)])
def test_a_kernel_has_a_debugger_only_without_the_variable_of_the_tests(
    kernel: Callable[..., Any], env: dict[str, str | None], has_one: bool
) -> None:
    assert ("debugger" in kernel(env).run(FEATURES).text) == has_one
