"""Waiting for a session without polling."""

from __future__ import annotations

from itertools import count

import anyio
import pytest

from stages.outcome import Advance
from stages.session import Session, State
from stages.store import moves
from stages.store.following import moved
from supervisor.acme.waiting import Waiter


@pytest.mark.anyio
async def test_change_before_the_wait_is_not_missed() -> None:
    """What happens between the beginning of a watch and its wait ends that wait."""
    waiter = Waiter()
    with waiter.watch("a", 20) as watch:
        waiter.notify(["wait", "a"])
        assert await watch.change()


@pytest.mark.anyio
async def test_wait_ends_with_its_time() -> None:
    """Without a change the record is read once, and the answer is as it says; another session's change is none."""
    waiter, reads = Waiter(), count(1)

    async def read() -> int:
        return next(reads)

    with waiter.watch("a", 0.01) as watch:
        waiter.notify(["wait", "b"])
        assert await watch.until(read, lambda _: False) == 1


@pytest.mark.anyio
async def test_every_watch_is_told_and_none_is_left_over() -> None:
    """Several may wait for one session; what has ended holds no memory."""
    waiter, told = Waiter(), []

    async def wait() -> None:
        with waiter.watch("a", 20) as watch:
            told.append(await watch.change())

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        waiter.notify(["wait", "a"])
    assert told == [True] * 3
    assert waiter._watches == {}
    waiter.notify(["wait", "a"])


@pytest.mark.anyio
async def test_reading_goes_on_until_it_is_enough() -> None:
    """One reading for each change, and the first that is enough is the answer."""
    waiter, reads = Waiter(), count(1)

    async def read() -> int:
        number = next(reads)
        waiter.notify(["wait", "a"])
        return number

    with waiter.watch("a", 20) as watch:
        waiter.notify(["wait", "a"])
        assert await watch.until(read, lambda number: number == 3) == 3


@pytest.mark.anyio
async def test_what_moves_say_is_not_read() -> None:
    """Where the moves say enough, nothing is read."""
    waiter, reads = Waiter(), count(1)

    async def read() -> int:
        return next(reads)

    with waiter.watch("a", 20) as watch:
        waiter.notify(["advance", "a", 41])
        waiter.notify(["wait", "a", 1])
        told = await watch.until(read, lambda number: number == 42, lambda moves: sum(move[2] for move in moves))
    assert told == 42
    assert next(reads) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("said", [None, 1])
async def test_what_moves_do_not_say_is_read(said: int | None) -> None:
    """Where the moves say nothing, or not enough, the record is read."""
    waiter, reads = Waiter(), count(2)

    async def read() -> int:
        return next(reads)

    with waiter.watch("a", 20) as watch:
        waiter.notify(["reject", "a"])
        assert await watch.until(read, lambda number: number == 2, lambda _: said) == 2


@pytest.mark.anyio
@pytest.mark.parametrize(("lost", "found"), [(False, State.ISSUE), (True, State.TESTCHALLENGE)])
async def test_what_only_counts_as_made_is_read(lost: bool, found: State) -> None:  # noqa: FBT001  a table
    """After answers were lost the record is asked, whatever the moves say that follow."""
    waiter, session = Waiter(), Session(id="a", created=1, live=True, state=State.TESTCHALLENGE)

    async def read() -> Session:
        return session

    with waiter.watch("a", 20) as watch:
        waiter.heard(moves.resync([]) if lost else moves.release("a", State.ISSUE))
        waiter.notify(moves.for_outcome(session, Advance(), 1, 1))
        told = await watch.until(read, lambda _: True, lambda made: moved(session, made))
    assert told.state is found
