"""Who is there, behind kernels that are not ipykernel, and shells that have less than IPython's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dev_analytics.consent.asking.presence import Presence, handles_comm_message, presence, request

RUNS: dict[str, Any] = {
    "header": {"msg_type": "execute_request"},
    "content": {"allow_stdin": True},
    "metadata": {"cellId": "a cell"},
}


def kernel(**parts: Any) -> SimpleNamespace:
    return SimpleNamespace(**parts)


@pytest.mark.parametrize(
    ("shell", "expected"),
    [
        (kernel(kernel=None, get_parent=lambda: RUNS), Presence.NOTEBOOK),
        (kernel(kernel=None, parent_header=RUNS), Presence.NOTEBOOK),
        (kernel(kernel=kernel(get_parent=lambda: RUNS)), Presence.NOTEBOOK),
        (kernel(kernel=kernel(), parent_header=RUNS), Presence.NOTEBOOK),
        (kernel(kernel=kernel()), Presence.NOBODY),
        (kernel(kernel=None), Presence.NOBODY),
        (kernel(kernel=kernel(get_parent=lambda: None)), Presence.NOBODY),
        (kernel(kernel=None, parent_header="a text"), Presence.NOBODY),
    ],
)
def test_a_kernel_tells_what_it_runs_in_a_way_of_its_own_or_not_at_all(
    shell: Any, expected: Presence
) -> None:
    assert presence(shell) is expected
    assert not handles_comm_message(shell)


def test_a_shell_that_knows_no_request_has_an_empty_one() -> None:
    assert request(kernel()) == {}
