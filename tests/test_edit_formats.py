"""The edit format of a block holds where its context does, and for nobody else."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from dev_analytics.edit_formats import asking, current

FORMATS = ("diff", "whole", "udiff", "ask", "architect") * 4


def here() -> str | None:
    asked = current()
    return None if asked is None else asked.edit_format


@pytest.fixture(autouse=True)
def unchanged() -> Any:
    """What of the standard library could be patched is as it was, inside of a block too."""
    before = threading.Thread.start, threading.Thread.run, ThreadPoolExecutor.submit
    with asking("diff"):
        assert (threading.Thread.start, threading.Thread.run, ThreadPoolExecutor.submit) == before
    yield
    assert (threading.Thread.start, threading.Thread.run, ThreadPoolExecutor.submit) == before


def test_a_pool_has_it_by_a_copy_of_the_context() -> None:
    with ThreadPoolExecutor(1) as pool:
        with asking("diff"):
            first = pool.submit(copy_context().run, here)
        with asking("whole"):
            second = pool.submit(copy_context().run, here)
        third = pool.submit(copy_context().run, here)
    assert [first.result(), second.result(), third.result()] == ["diff", "whole", None]


def test_a_plain_thread_has_it_only_where_threads_inherit_their_context() -> None:
    found: list[str | None] = []
    with asking("diff"):
        thread = threading.Thread(target=lambda: found.append(here()))
        thread.start()
        thread.join()
    inherits = getattr(sys.flags, "thread_inherit_context", False)
    assert found == ["diff" if inherits else None]


def test_twenty_threads_have_each_its_own() -> None:
    together, found = threading.Barrier(20), []

    def work(edit_format: str) -> None:
        with asking(edit_format):
            together.wait()
            with ThreadPoolExecutor(1) as pool:
                found.append((edit_format, here(), pool.submit(copy_context().run, here).result()))

    threads = [threading.Thread(target=work, args=(each,)) for each in FORMATS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted((each,) * 3 for each in FORMATS)


def test_asyncio_hands_it_to_tasks_and_to_thread() -> None:
    async def ask() -> tuple[str | None, ...]:
        with asking("diff"):
            task = asyncio.create_task(asyncio.to_thread(here))
        with asking("whole"):
            return await task, await asyncio.to_thread(here), here()

    assert asyncio.run(ask()) == ("diff", "whole", "whole")


def test_an_error_inside_ends_it() -> None:
    with pytest.raises(ZeroDivisionError), asking("diff"):
        _ = 1 / 0
    assert current() is None


class Answers:
    """A generator that holds blocks over a ``yield``, as nobody should, and what became of it."""

    def __init__(self) -> None:
        self.failed: list[dict[str, Any]] = []
        self.closed = asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self.failed.append(context)
        )

    async def read(self) -> AsyncIterator[str | None]:
        try:
            with asking("architect"), asking("diff"):
                while True:
                    yield here()
        finally:
            self.closed.set()


def test_a_generator_closed_by_another_task_raises_nothing_and_its_format_ends() -> None:
    async def read_in_part() -> None:
        reading: Any = Answers().read()
        with asking("whole"):
            assert await anext(reading) == "diff"
            # A task has a context of its own, a copy of this one.
            await asyncio.create_task(reading.aclose())
            assert here() == "whole"
        assert here() is None

    asyncio.run(read_in_part())


def test_a_generator_abandoned_in_a_loop_raises_nothing_and_its_format_ends() -> None:
    async def read_in_part() -> list[dict[str, Any]]:
        answers = Answers()
        async for edit_format in answers.read():
            assert edit_format == "diff"
            break
        # The loop closes it in a task of its own.
        await answers.closed.wait()
        assert here() is None
        return answers.failed

    assert asyncio.run(read_in_part()) == []


def test_a_generator_left_to_the_end_of_its_loop_raises_nothing() -> None:
    async def read_in_part() -> tuple[Answers, Any]:
        answers = Answers()
        reading: Any = answers.read()
        assert await anext(reading) == "diff"
        return answers, reading

    answers, _ = asyncio.run(read_in_part())
    assert answers.closed.is_set()
    assert answers.failed == []
