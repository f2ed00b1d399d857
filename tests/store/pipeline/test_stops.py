"""A stop gives everything back in order; a reload changes how many workers a queue has, wherever they are at work."""

from __future__ import annotations

import pytest

from stages.outcome import Advance, Outcome, Retry
from stages.session import Session, State
from stages.store import moves
from tests.store.pipeline.line import WAITS, Line, Settings, made, opened, until, waits
from tests.store.world import World

pytestmark = pytest.mark.anyio


async def test_a_stop_waits_for_what_is_at_work(world: World) -> None:
    """Quiet: nothing more is taken, what is at work ends and is committed, and then it is idle."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        first, second = await line.submit(1), await line.submit(2)
        attempts = await line.attempts(State.TESTCHALLENGE, [first, second])
        await line.at_rest()
        line.committer.quiet = True
        await line.submit(3)
        idle: list[bool] = []
        await in_background(line, idle)
        attempts[0].says(WAITS)
        attempts[1].says(Advance())
        await until(lambda: bool(idle))
        assert [await line.places(session) for session in (first, second)] == [["waiting"], ["pending-issue"]]
        assert len((await world.state())["pending-makechallenge"]) == 1
        assert "inflight:A" not in await world.state()
        assert line.events() == []


async def in_background(line: Line, idle: list[bool]) -> None:
    """Note in `idle` when the committer is."""

    async def wait() -> None:
        await line.committer.until_idle()
        idle.append(True)

    line.tasks.start_soon(wait)
    await line.at_rest()
    assert idle == []


async def test_a_second_stop_gives_back_what_is_at_work(world: World) -> None:
    """Each session goes back to the queue in which its worker was, costs no attempt, and nothing stays in flight."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        sessions = [await line.submit(number) for number in (1, 2, 3)]
        (await line.attempt(State.TESTCHALLENGE)).says(Advance())
        await line.attempt(State.ISSUE)
        await line.at_rest()
        line.committer.quiet = True
        line.scope.cancel()
        await line.committer.until_idle()
        state = await world.state()
        assert [await line.places(session) for session in sessions] == [
            ["pending-issue"],
            *[["pending-testchallenge"]] * 2,
        ]
        assert "inflight:A" not in state
        assert {(await world.whole(session)).attempts for session in sessions} == {0}
        assert line.events() == []


async def test_a_stop_gives_back_what_was_just_handed_out(world: World) -> None:
    """A session that comes to its worker in the moment of the stop goes back too."""
    async with opened(world) as line:
        reply = line.store.gate(made=True)
        session = await line.submit(1)
        await reply.reached()
        taken = line.runners[State.MAKECHALLENGE].take

        def take_and_stop(hold: object) -> None:
            taken(hold)  # type: ignore[arg-type]
            line.committer.quiet = True
            line.scope.cancel()

        line.runners[State.MAKECHALLENGE].take = take_and_stop  # type: ignore[method-assign]
        reply.open()
        await line.committer.until_idle()
        assert await line.places(session) == ["pending-makechallenge"]
        assert line.sent(session) == ["release"]


async def test_a_claim_under_way_when_a_reload_takes_its_slots_goes_back(world: World) -> None:
    """More sessions come than there are workers now: those without one return to the head of their queue."""
    async with opened(world, makechallenge=Settings(concurrency=4)) as line:
        sessions = [await world.submit(number) for number in (1, 2)]
        reply = line.store.gate(made=True)
        line.committer.wake()
        call = await reply.reached()
        assert call.reply is not None
        assert len(call.reply.claimed) == 2
        line.settings[State.MAKECHALLENGE].concurrency = 1
        line.runners[State.MAKECHALLENGE].resize()
        reply.open()
        at_work = await line.attempt(State.MAKECHALLENGE)
        await line.at_rest()
        assert at_work.session.id == sessions[0]
        assert await line.places(sessions[1]) == ["pending-makechallenge"]
        at_work.says(Retry(500, "later"))
        assert (await line.attempt(State.MAKECHALLENGE)).session.id == sessions[1]
        assert line.events() == []


async def test_workers_that_went_ahead_leave_as_many_as_a_reload_wants(world: World) -> None:
    """A worker of a queue that is to have fewer ends when it is free, also when it has gone on with its session."""
    async with opened(world, {State.TESTCHALLENGE: waits}, makechallenge=Settings(concurrency=3)) as line:
        for number in range(1, 6):
            await line.submit(number)
        attempts = [await line.attempt(State.MAKECHALLENGE) for _ in range(3)]
        await line.at_rest()
        line.settings[State.MAKECHALLENGE].concurrency = 1
        line.runners[State.MAKECHALLENGE].resize()
        for attempt in attempts:
            attempt.says(made(attempt.session))
        await line.attempt(State.MAKECHALLENGE)
        await line.at_rest()
        assert line.by_hand[State.MAKECHALLENGE].more() == 0
        assert counts(line) == {"makechallenge": (1, 0), "testchallenge": (2, 2), "issue": (2, 2), "done": (2, 2)}


def counts(line: Line) -> dict[str, tuple[int, int]]:
    """For each queue its workers, and those of them that are free."""
    return {state.value: (runner._workers, runner.free()) for state, runner in line.runners.items()}


async def test_more_workers_begin_at_once(world: World) -> None:
    """What stands in the queue is claimed for the new slots without a push."""
    async with opened(world, makechallenge=Settings(concurrency=1)) as line:
        for number in (1, 2, 3):
            await line.submit(number)
        await line.attempt(State.MAKECHALLENGE)
        await line.at_rest()
        line.settings[State.MAKECHALLENGE].concurrency = 3
        line.runners[State.MAKECHALLENGE].resize()
        line.committer.wake()
        for _ in range(2):
            await line.attempt(State.MAKECHALLENGE)
        await line.at_rest()
        assert counts(line)["makechallenge"] == (3, 0)


@pytest.mark.parametrize("outcome", [WAITS, Retry(500, "later")], ids=["wait", "retry"])
async def test_what_is_held_is_what_is_in_flight(world: World, outcome: Outcome) -> None:
    """What the program believes to hold, and tells of itself, is what the store has in flight for it."""

    def says(session: Session) -> Outcome:
        return Advance() if int(session.id[0], 16) % 2 else outcome

    stages = {State.MAKECHALLENGE: made, State.TESTCHALLENGE: says}
    async with opened(world, stages, issue=Settings(concurrency=3)) as line:
        for number in range(1, 9):
            await line.submit(number)
        await line.at_rest()
        assert sorted(line.committer.held) == sorted((await world.state())["inflight:A"])
        assert {hold.session.state for hold in line.committer.held.values()} == {State.ISSUE}
        line.committer.quiet = True
        line.scope.cancel()
        await line.committer.until_idle()
        assert "inflight:A" not in await world.state()


async def test_a_client_is_answered_while_the_program_stops(world: World) -> None:
    """Moves of clients are made until the end of the term."""
    async with opened(world) as line:
        session = await line.submit(1)
        await line.attempt(State.MAKECHALLENGE)
        line.committer.quiet = True
        assert await line.committer.move(moves.finalize(session, "CSR")) == ["refused", "state is another"]
