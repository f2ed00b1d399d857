"""When the committer claims, and for how many slots: for none twice, never for nothing, and nobody is forgotten."""

from __future__ import annotations

import math

import anyio
import pytest

from stages.outcome import Advance, Outcome, Retry
from stages.session import Problem, State
from stages.store import moves
from tests.store.pipeline.line import MADE, WAITS, Line, Settings, made, opened, until, waits
from tests.store.world import KEEP, NOW, World, sid

pytestmark = pytest.mark.anyio


async def test_slots_are_claimed_for_by_one_call_only(world: World) -> None:
    """What one lane has asked for, the other does not; in the first queue a lane takes its share."""
    async with opened(world, makechallenge=Settings(concurrency=5)) as line:
        sessions = [await world.submit(number) for number in range(1, 10)]
        gates = [line.store.gate(made=True) for _ in range(2)]
        line.committer.wake()
        calls = []
        for gate in gates:
            calls.append(await gate.reached())
            line.committer.wake()
        assert [call.free[State.MAKECHALLENGE] for call in calls] == [3, 2]
        for gate in gates:
            gate.open()
        await line.at_rest()
        assert list(line.committer.held) == sessions[:5]
        assert line.runners[State.MAKECHALLENGE].free() == 0
        assert [word for call in line.store.calls for word in call.words] == []


async def test_a_lane_leaves_half_of_the_later_queues_to_those_who_advance(world: World) -> None:
    """Where nobody stands, half of the slots are asked for; where many stand, as many as that."""
    async with opened(world, testchallenge=Settings(concurrency=8)) as line:
        gate = line.store.gate(made=False)
        line.committer.wake()
        assert (await gate.reached()).free == {
            State.MAKECHALLENGE: 1,
            State.TESTCHALLENGE: 4,
            State.ISSUE: 1,
            State.DONE: 1,
        }
        gate.open()
        await line.at_rest()
        line.committer.queues.lengths = [0, 7, 0, 0]
        gate = line.store.gate(made=False)
        line.committer.wake()
        assert (await gate.reached()).free[State.TESTCHALLENGE] == 7
        gate.open()


@pytest.mark.parametrize("busy", [0, 1, 2])
async def test_nothing_is_sent_while_nothing_has_changed(world: World, busy: int) -> None:
    """At rest, and while stages work, the store is left alone."""
    async with opened(world) as line:
        for number in range(1, busy + 1):
            await line.submit(number)
            await line.attempt(State.MAKECHALLENGE)
        await line.at_rest()
        assert line.due_in() == math.inf
        assert line.committer._wake.is_set() is False
        before = len(line.store.calls)
        for _ in range(200):
            await anyio.lowlevel.checkpoint()
        assert len(line.store.calls) == before


async def test_a_wake_costs_one_call(world: World) -> None:
    """Something was pushed: one lane looks, the other sleeps on."""
    async with opened(world) as line:
        before = len(line.store.calls)
        line.committer.wake()
        await line.at_rest()
        assert len(line.store.calls) == before + 1


async def test_calls_of_a_session_under_load_are_few(world: World) -> None:
    """A call brings moves, or sessions, or both: of those that bring neither there are no more than wakes."""
    async with opened(world, {State.MAKECHALLENGE: made, State.TESTCHALLENGE: waits}) as line:
        before = len(line.store.calls)
        for number in range(1, 41):
            await world.submit(number)
        line.committer.wake()
        await line.at_rest()
        calls = line.store.calls[before:]
        empty = [c for c in calls if c.claims_only and c.reply is not None and not c.reply.claimed]
        assert len(empty) <= 1
        assert len(calls) <= 42
        assert len((await world.state())["active-requests"]) == 40


async def test_nothing_is_sent_for_a_queue_whose_workers_are_all_busy(world: World) -> None:
    """Sessions that stand there, or are due there, are no reason to ask the store again and again."""
    one = Settings(concurrency=1)
    async with opened(world, {State.MAKECHALLENGE: made}, testchallenge=one) as line:
        sessions = [await line.submit(number) for number in (1, 2, 3)]
        (await line.attempt(State.TESTCHALLENGE)).says(Retry(5, "later"))
        at_work = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        assert line.committer.queues.lengths == [0, 1, 0, 0]
        assert 4 < line.due_in() < 5.1
        world.clock.now = NOW + 6
        line.committer.wake()
        await line.at_rest()
        assert line.due_in() == math.inf
        before = len(line.store.calls)
        for _ in range(200):
            await anyio.lowlevel.checkpoint()
        assert len(line.store.calls) == before
        at_work.says(WAITS)
        for _ in range(2):
            (await line.attempt(State.TESTCHALLENGE)).says(WAITS)
        await line.at_rest()
        assert [await line.places(session) for session in sessions] == [["waiting"]] * 3


async def test_a_queue_that_is_left_non_empty_is_looked_at_again(world: World) -> None:
    """A claim that took its share only is followed by another, without a push."""
    async with opened(world, {State.MAKECHALLENGE: waits_after_making}, makechallenge=Settings(concurrency=1)) as line:
        for number in range(1, 8):
            await world.submit(number)
        line.committer.wake()
        for _ in range(7):
            (await line.attempt(State.TESTCHALLENGE)).says(WAITS)
        await line.at_rest()
        assert (line.committer.queues.lengths, line.committer.held) == ([0, 0, 0, 0], {})


def waits_after_making(_: object) -> Advance:
    return MADE


async def test_a_push_that_comes_behind_a_claim_under_way_is_not_missed(world: World) -> None:
    """The store has made the only claim for the only slot before the push; it is claimed for again."""
    async with opened(world, makechallenge=Settings(concurrency=1)) as line:
        claim = line.store.gate(made=True)
        line.committer.wake()
        assert (await claim.reached()).free[State.MAKECHALLENGE] == 1
        session = await line.submit(1)
        await line.at_rest_but(claim)
        claim.open()
        assert (await line.attempt(State.MAKECHALLENGE)).session.id == session
        before = len(line.store.calls)
        await line.at_rest()
        assert len(line.store.calls) == before


async def test_a_push_that_comes_while_all_are_busy_is_not_missed(world: World) -> None:
    """The slot of an attempt that counts no more is free without a move: its queue is looked at all the same."""
    ones = {state.value: Settings(concurrency=1) for state in State}
    async with opened(world, {}, **ones) as line:
        for number, state, outcome in ((1, State.DONE, None), (2, State.ISSUE, WAITS)):
            await line.submit(number)
            await pass_on(line, state, outcome)
        void = await line.submit(3)
        await pass_on(line, State.TESTCHALLENGE)
        await line.at_rest()
        advance = line.store.of(void, made=False)
        line.by_hand[State.TESTCHALLENGE].begun[-1].says(Advance())
        await advance.reached()
        assert await world.client(moves.cancel(void, Problem("unauthorized", "no"), KEEP)) == ["ok"]
        advance.open()
        await line.at_rest()
        for number, state in ((4, State.TESTCHALLENGE), (5, State.MAKECHALLENGE)):
            await line.submit(number)
            await pass_on(line, state)
        await line.at_rest()
        calls, waiting = len(line.store.calls), sid(2)
        assert await world.client(moves.finalize(waiting, "CSR")) == ["ok"]
        line.committer.wake()
        await line.at_rest()
        assert (len(line.store.calls), line.committer.queues.lengths) == (calls, [0, 0, 0, 0])
        attempt = await line.attempt(State.ISSUE)
        assert attempt.session.id == void
        attempt.says(WAITS)
        assert (await line.attempt(State.ISSUE)).session.id == waiting


async def pass_on(line: Line, last: State, outcome: Outcome | None = None) -> None:
    """Advance the one session that is on its way up to a state, and end its attempt there, or leave it."""
    for state in State:
        attempt = await line.attempt(state)
        if state is last:
            if outcome is not None:
                attempt.says(outcome)
                await line.at_rest()
            return
        attempt.says(MADE if state is State.MAKECHALLENGE else Advance())


async def delayed(line: Line, number: int, after: float) -> str:
    """A session in `makechallenge` that is to be tried again."""
    session = await line.submit(number)
    (await line.attempt(State.MAKECHALLENGE)).says(Retry(after, "later"))
    await line.at_rest()
    return session


async def test_a_delayed_session_is_claimed_when_it_is_due(world: World) -> None:
    """A timer of the program's own wakes it; nobody pushes."""
    async with opened(world) as line:
        session = await delayed(line, 1, 0.02)
        assert line.by_hand[State.MAKECHALLENGE].more() == 0
        world.clock.now = NOW + 1
        again = await line.attempt(State.MAKECHALLENGE)
        assert (again.session.id, again.session.attempts) == (session, 1)


async def test_the_timer_is_that_of_the_earliest_of_all_queues(world: World) -> None:
    """A session that is due later does not hide one that is due before it."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        for number, after in ((1, 500), (2, 100), (3, 300)):
            await line.submit(number)
            (await line.attempt(State.TESTCHALLENGE)).says(Retry(after, "later"))
            await line.at_rest()
        assert 99 < line.due_in() < 100.1


async def test_a_queue_that_is_due_and_full_does_not_hide_one_that_is_due_later(world: World) -> None:
    """What is due stands in its queue, and the timer is that of what is still to come."""
    one = Settings(concurrency=1)
    async with opened(world, {State.MAKECHALLENGE: made}, testchallenge=one) as line:
        for number in (1, 2):
            await line.submit(number)
        (await line.attempt(State.TESTCHALLENGE)).says(Retry(5, "later"))
        (await line.attempt(State.TESTCHALLENGE)).says(Advance())
        (await line.attempt(State.ISSUE)).says(Retry(50, "later"))
        await line.submit(3)
        await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        world.clock.now = NOW + 6
        line.committer.wake()
        await line.at_rest()
        assert (line.committer.queues.lengths, line.committer.queues.delayed) == ([0, 1, 0, 0], [0, 0, 1, 0])
        assert 43 < line.due_in() < 44.1


async def test_a_stopping_program_claims_nothing(world: World) -> None:
    """Neither what is pushed nor what is due is taken; what a claim under way brings goes back."""
    async with opened(world) as line:
        claim = line.store.gate(made=True)
        session = await line.submit(1)
        await claim.reached()
        line.committer.quiet = True
        claim.open()
        await line.committer.until_idle()
        assert await line.places(session) == ["pending-makechallenge"]
        before = len(line.store.calls)
        await line.submit(2)
        await until(lambda: not line.committer._wake.is_set())
        await line.at_rest()
        assert len(line.store.calls) == before
        assert line.by_hand[State.MAKECHALLENGE].begun == []
