"""Going ahead: a worker that advances a session goes on with it at once, where that takes nothing from anybody."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stages.outcome import Outcome
from stages.session import Session, State
from stages.store import moves
from tests.store.pipeline.line import MADE, WAITS, Settings, advances, made, opened, until, waits
from tests.store.world import CHALLENGE, World

pytestmark = pytest.mark.anyio


async def test_a_session_with_nothing_to_do_goes_through_all_stages_in_one_group(world: World) -> None:
    """After its claim there is one call more: challenges, tests, issue and retirement are on disk together."""
    stages = {State.MAKECHALLENGE: made, State.TESTCHALLENGE: advances, State.ISSUE: advances, State.DONE: advances}
    async with opened(world, stages) as line:
        before = len(line.store.calls)
        session = await line.submit()
        await line.at_rest()
        calls = line.store.calls[before:]
    assert [call.words for call in calls] == [[], ["advance", "advance", "advance", "retire"]]
    record = await world.whole(session)
    assert (record.live, record.state) == (False, State.DONE)
    assert await line.places(session) == []


async def test_a_session_is_made_and_waits_for_its_client_in_one_group(world: World) -> None:
    """What an ACME client sees after its order took one call."""
    async with opened(world, {State.MAKECHALLENGE: made, State.TESTCHALLENGE: waits}) as line:
        session = await line.submit()
        await line.at_rest()
        assert line.store.calls[-1].words == ["advance", "wait"]
    assert await line.places(session) == ["waiting"]
    assert line.committer.held == {}
    assert {hold.free() for hold in line.runners.values()} == {2}


async def test_what_the_next_stage_gets_is_what_is_on_record(world: World) -> None:
    """The session of a stage that began ahead is as a claim would have brought it."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        session = await line.submit()
        attempt = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        record = await world.whole(session)
        assert (record.state, record.challenges) == (State.TESTCHALLENGE, (CHALLENGE,))
        assert attempt.session.challenges == record.challenges
        assert attempt.session.state is record.state
        assert line.committer.held[session].session == attempt.session


async def test_no_session_goes_ahead_without_a_free_slot(world: World) -> None:
    """A queue whose workers are all busy gets the session as an entry, and begins it when one is free."""
    stages = {State.MAKECHALLENGE: made}
    async with opened(world, stages, testchallenge=Settings(concurrency=1)) as line:
        await line.submit(1)
        first = await line.attempt(State.TESTCHALLENGE)
        session = await line.submit(2)
        await line.at_rest()
        assert await line.places(session) == ["pending-testchallenge"]
        assert line.by_hand[State.TESTCHALLENGE].more() == 0
        first.says(WAITS)
        assert (await line.attempt(State.TESTCHALLENGE)).session.id == session


async def test_no_session_overtakes_those_who_stand_in_the_queue(world: World) -> None:
    """Where somebody stands in the next queue, the session goes to its end."""
    async with opened(world, {State.MAKECHALLENGE: made}, testchallenge=Settings(concurrency=1)) as line:
        for number in (1, 2):
            await line.submit(number)
        first = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        claims = line.store.gate(lambda call: State.TESTCHALLENGE in call.free, made=False)
        first.says(WAITS)
        await claims.reached()
        third = await line.submit(3)
        await until(lambda: third in line.committer.held or not line.store.under_way())
        claims.open()
        assert (await line.attempt(State.TESTCHALLENGE)).session.id != third
        await line.at_rest()
        assert await line.places(third) == ["pending-testchallenge"]


async def test_no_session_takes_a_slot_for_which_a_claim_is_under_way(world: World) -> None:
    """What is claimed has its slot: nothing comes back that nobody is free for."""
    async with opened(world, {State.MAKECHALLENGE: made}, testchallenge=Settings(concurrency=1)) as line:
        other = await line.submit(9)
        (await line.attempt(State.TESTCHALLENGE)).says(WAITS)
        await line.at_rest()
        claim = line.store.gate(lambda call: State.TESTCHALLENGE in call.free, made=False)
        await line.ready(other)
        assert (await claim.reached()).free[State.TESTCHALLENGE] == 1
        session = await line.submit(1)
        await until(lambda: any(session in call.about and call.settled for call in line.store.calls))
        assert await line.places(session) == ["pending-testchallenge"]
        claim.open()
        assert (await line.attempt(State.TESTCHALLENGE)).session.id == other
        await line.at_rest()
        assert "release" not in [word for call in line.store.calls for word in call.words]


async def test_no_scheduled_session_is_tested_before_its_token_is_on_disk(world: World) -> None:
    """A test on a schedule shows the token to the world: it begins after the advance was answered."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        advance = line.store.gate(lambda call: "advance" in call.words, made=False)
        await line.submit(1, scheduled="True")
        call = await advance.reached()
        assert not moves.is_ahead(call.moves[0])
        assert line.by_hand[State.TESTCHALLENGE].begun == []
        advance.open()
        assert (await line.attempt(State.TESTCHALLENGE)).session.challenges == (CHALLENGE,)


async def test_a_scheduled_session_goes_ahead_into_later_stages(world: World) -> None:
    """Only the test shows anything."""
    async with opened(world, {State.MAKECHALLENGE: made, State.TESTCHALLENGE: advances}) as line:
        advance = line.store.gate(lambda call: call.words == ["advance"] and call.moves[0][3] == "issue", made=False)
        await line.submit(1, scheduled="True")
        await advance.reached()
        assert (await line.attempt(State.ISSUE)).session.state is State.ISSUE
        advance.open()


async def test_no_session_goes_ahead_while_the_store_is_away(world: World) -> None:
    """What cannot be committed is not built upon."""
    async with opened(world, {State.TESTCHALLENGE: advances}) as line:
        await line.submit()
        attempt = await line.attempt(State.MAKECHALLENGE)
        await line.at_rest()
        lost = line.store.gate(made=False)
        line.committer.wake()
        await lost.reached()
        lost.lose()
        await until(lambda: not line.available())
        attempt.says(MADE)
        await until(lambda: attempt.session.id not in line.committer.held)
        assert [moves.is_ahead(entry.move) for entry in line.committer._outbox.entries] in ([], [False])


async def test_no_session_goes_ahead_when_the_program_is_stopping(world: World) -> None:
    """After a stop has begun, what is at work ends with its stage and goes to the next queue."""
    async with opened(world) as line:
        session = await line.submit()
        attempt = await line.attempt(State.MAKECHALLENGE)
        await line.at_rest()
        line.committer.quiet = True
        attempt.says(MADE)
        await line.committer.until_idle()
        assert await line.places(session) == ["pending-testchallenge"]
        assert line.by_hand[State.TESTCHALLENGE].begun == []


@pytest.mark.parametrize("says", [made, advances], ids=["with challenges", "with nothing"])
async def test_the_store_keeps_what_goes_ahead(world: World, says: Callable[[Session], Outcome]) -> None:
    """A session that went ahead is in flight in its new state, in no queue, and is claimed by nobody."""
    async with opened(world, {State.MAKECHALLENGE: says}) as line:
        session = await line.submit()
        await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        assert await line.places(session) == ["inflight:A"]
        line.committer.wake()
        await line.at_rest()
        assert line.by_hand[State.TESTCHALLENGE].more() == 0
