"""The edit format of a block holds in its threads and thread pools, and for nobody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dev_analytics.edit_formats import asking, current

FORMATS = ("diff", "whole", "udiff", "ask", "architect") * 4


def here() -> str | None:
    asked = current()
    return None if asked is None else asked.edit_format


def in_thread(found: list[Any]) -> threading.Thread:
    return threading.Thread(target=lambda: found.append(here()))


@pytest.fixture(autouse=True)
def unchanged() -> Any:
    before = threading.Thread.start, ThreadPoolExecutor.submit
    yield
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == before


def test_a_thread_started_inside_has_it_and_one_started_after_has_not() -> None:
    found: list[Any] = []
    with asking("diff"):
        inside = in_thread(found)
        inside.start()
        inside.join()
    after = in_thread(found)
    after.start()
    after.join()
    assert found == ["diff", None]


def test_a_thread_of_a_thread_has_it() -> None:
    found: list[Any] = []

    def outer() -> None:
        inner = in_thread(found)
        inner.start()
        inner.join()

    with asking("diff"):
        thread = threading.Thread(target=outer)
        thread.start()
        thread.join()
    assert found == ["diff"]


def test_twenty_threads_have_each_its_own() -> None:
    together, found = threading.Barrier(20), []

    def work(edit_format: str) -> None:
        with asking(edit_format):
            together.wait()
            helper: list[Any] = []
            started = in_thread(helper)
            started.start()
            started.join()
            with ThreadPoolExecutor(1) as pool:
                found.append((edit_format, here(), *helper, pool.submit(here).result()))

    threads = [threading.Thread(target=work, args=(each,)) for each in FORMATS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted((each,) * 4 for each in FORMATS)


def test_a_pool_that_is_shared_gives_each_task_the_format_of_who_submits_it() -> None:
    with ThreadPoolExecutor(1) as pool:
        with asking("diff"):
            first = pool.submit(here)
        with asking("whole"):
            second, mapped = pool.submit(here), list(pool.map(lambda _: here(), range(2)))
        third = pool.submit(here)
        with asking("ask"):
            elsewhere = threading.Thread(target=lambda: None)
            elsewhere.start()
            elsewhere.join()
    assert [first.result(), second.result(), *mapped, third.result()] == [
        *("diff", "whole", "whole", "whole"),
        None,
    ]


def test_an_executor_of_an_event_loop_has_it() -> None:
    async def ask() -> tuple[str | None, str | None]:
        with asking("diff"):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(None, here), await asyncio.to_thread(here)

    assert asyncio.run(ask()) == ("diff", "diff")


def test_a_patch_of_the_user_inside_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    original = threading.Thread.start
    with asking("diff"):
        ours = threading.Thread.start

        def theirs(self: threading.Thread) -> None:
            ours(self)

        threading.Thread.start = theirs  # type: ignore[method-assign]
    assert threading.Thread.start is theirs
    found: list[Any] = []
    thread = in_thread(found)
    thread.start()
    thread.join()
    assert found == [None]
    threading.Thread.start = ours  # type: ignore[method-assign]
    with asking("whole"):
        pass
    assert threading.Thread.start is original


def test_an_error_inside_leaves_no_patch() -> None:
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
