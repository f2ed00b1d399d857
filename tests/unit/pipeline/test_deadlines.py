"""One timer for all attempts of a queue: who is cancelled by it, and who is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from stages.errors import Refused
from supervisor.pipeline.deadlines import Deadlines
from tests.unit.pipeline.bench import settled

pytestmark = pytest.mark.anyio


class Limit:
    """A limit in seconds that a test changes."""

    seconds = 60.0

    def __call__(self) -> float:
        """Read it."""
        return self.seconds


class Worker:
    """A task with one attempt after another, which says how each ended."""

    def __init__(self, deadlines: Deadlines, *raises: BaseException | None) -> None:
        self.ends: list[str] = []
        self.gate = asyncio.Event()
        self._deadlines = deadlines
        self._raises: Iterator[BaseException | None] = iter(raises)
        self.task: asyncio.Task[None] = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        for error in self._raises:
            self._deadlines.begin(self.task, asyncio.get_running_loop().time())
            try:
                await self._stage(error)
            except (asyncio.CancelledError, Refused) as ended:
                late = self._deadlines.end(self.task)
                self.ends.append(f"{type(ended).__name__} {late} {self.task.cancelling()}")
            else:
                self.ends.append(f"ended {self._deadlines.end(self.task)} {self.task.cancelling()}")

    async def _stage(self, error: BaseException | None) -> None:
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            if error is not None:
                raise error from None
            raise


async def test_who_is_late_is_cancelled_and_goes_on() -> None:
    """The cancellation is taken back, so the next attempt of the same task has its own time."""
    limit = Limit()
    deadlines = Deadlines(limit)
    worker = Worker(deadlines, None, None)
    await settled()
    limit.seconds = 0.0
    deadlines._look()
    limit.seconds = 60.0
    await settled()
    assert worker.ends == ["CancelledError True 0"]
    worker.gate.set()
    await worker.task
    assert worker.ends[1:] == ["ended False 0"]


async def test_who_answers_the_deadline_with_another_error_is_late_all_the_same() -> None:
    """A stage may turn its cancellation into an error of its own."""
    limit = Limit()
    deadlines = Deadlines(limit)
    worker = Worker(deadlines, Refused("malformed", "x", "y"))
    await settled()
    limit.seconds = 0.0
    deadlines._look()
    await worker.task
    assert worker.ends == ["Refused True 0"]


async def test_another_cancellation_is_not_the_deadline() -> None:
    """A stop is told apart from it."""
    worker = Worker(Deadlines(Limit()), None)
    await settled()
    worker.task.cancel()
    await worker.task
    assert worker.ends == ["CancelledError False 1"]


async def test_only_those_who_are_late_are_cancelled() -> None:
    """The timer looks again when the oldest of the others would be."""
    limit, loop = Limit(), asyncio.get_running_loop()
    deadlines = Deadlines(limit)
    workers = [Worker(deadlines, None) for _ in range(3)]
    await settled()
    for age, worker in zip((100.0, 70.0, 30.0), workers, strict=True):
        deadlines._begun[worker.task] = loop.time() - age
    deadlines._look()
    await settled()
    assert [worker.ends for worker in workers] == [["CancelledError True 0"], ["CancelledError True 0"], []]
    assert deadlines._timer is not None
    assert 29 < deadlines._timer.when() - loop.time() < 30.1
    workers[2].gate.set()
    await workers[2].task
    assert workers[2].ends == ["ended False 0"]


async def test_a_timer_that_has_nothing_to_watch_ends() -> None:
    """An idle queue has none; the next attempt begins one."""
    limit = Limit()
    deadlines = Deadlines(limit)
    worker = Worker(deadlines, None)
    await settled()
    worker.gate.set()
    await worker.task
    deadlines._look()
    assert not watches(deadlines)
    other = Worker(deadlines, None)
    await settled()
    assert watches(deadlines)
    other.gate.set()
    await other.task


def watches(deadlines: Deadlines) -> bool:
    """Whether a timer runs."""
    return deadlines._timer is not None


async def test_a_shorter_limit_counts_at_once() -> None:
    """A reload need not wait for the timer that was set for the old limit."""
    limit, loop = Limit(), asyncio.get_running_loop()
    deadlines = Deadlines(limit)
    deadlines.limit_changed()  # nothing is under way: nothing is to be done
    workers = [Worker(deadlines, None) for _ in range(2)]
    await settled()
    deadlines._begun[workers[0].task] = loop.time() - 30
    limit.seconds = 20.0
    deadlines.limit_changed()
    await settled()
    assert [worker.ends for worker in workers] == [["CancelledError True 0"], []]
    assert deadlines._timer is not None
    assert 19 < deadlines._timer.when() - loop.time() < 20.1
    workers[1].gate.set()
    await workers[1].task
