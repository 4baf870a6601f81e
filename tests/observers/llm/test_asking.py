"""What an upper method asks, also where its coroutine is closed in another context than its own."""

from __future__ import annotations

from collections.abc import Generator
from contextvars import copy_context
from types import coroutine

from dev_analytics.observers.llm.asking import asked, asking


@coroutine
def paused() -> Generator[None, None, None]:
    yield


async def ask() -> None:
    with asking("chat"):
        await paused()


def test_a_coroutine_may_be_closed_in_another_context_than_it_ran_in() -> None:
    its, one = copy_context(), ask()
    its.run(one.send, None)
    assert its.run(asked) is not None
    # As where it is collected with a loop that was stopped: an error would be printed.
    one.close()
    assert its.run(asked) is None


def test_what_is_asked_around_it_holds_on() -> None:
    with asking("embeddings") as around:
        its, one = copy_context(), ask()
        its.run(one.send, None)
        one.close()
        assert its.run(asked) is around
    assert asked() is None
