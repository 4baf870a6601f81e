"""Which outer method runs, also where a coroutine is closed in another context than it ran in."""

from __future__ import annotations

from collections.abc import Generator
from contextvars import copy_context
from types import coroutine

from dev_analytics.observers.llm.outer import current_outer, outer_method


@coroutine
def paused() -> Generator[None, None, None]:
    yield


async def ask() -> None:
    with outer_method("chat"):
        await paused()


def test_a_coroutine_may_be_closed_in_another_context_than_it_ran_in() -> None:
    its, one = copy_context(), ask()
    its.run(one.send, None)
    assert its.run(current_outer) is not None
    # As where it is collected with a loop that was stopped: an error would be printed.
    one.close()
    assert its.run(current_outer) is None


def test_the_method_around_it_is_still_running() -> None:
    with outer_method("embeddings") as around:
        its, one = copy_context(), ask()
        its.run(one.send, None)
        one.close()
        assert its.run(current_outer) is around
    assert current_outer() is None
