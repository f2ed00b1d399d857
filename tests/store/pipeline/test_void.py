"""What was done ahead of a move that was not made as sent: it is dropped, and the client's move is not missed."""

from __future__ import annotations

import asyncio

import pytest

from stages.outcome import Advance, Outcome, Reject, Retry
from stages.session import Problem, State
from stages.store import moves
from tests.store.pipeline.line import MADE, READY, WAITS, Attempt, Line, Settings, made, opened, until
from tests.store.world import CHALLENGE, KEEP, World

pytestmark = pytest.mark.anyio

NO = Problem("unauthorized", "no more")
OUTCOMES: list[Outcome] = [Advance(), WAITS, Retry(5, "later"), Reject(NO)]
NAMES = ["advance", "wait", "retry", "reject"]


async def moved_meanwhile(line: Line, number: int = 1) -> Attempt:
    """An attempt in `issue` ahead of an advance that the client came before; that advance is not sent yet.

    Two challenges were to be tested, and one was enough: the client has just said that the other is ready too.
    """
    session = await line.submit(number)
    test = await line.attempt(State.TESTCHALLENGE)
    await line.at_rest()
    await line.ready(session)
    await line.at_rest()
    test.says(Advance())
    attempt = await line.attempt(State.ISSUE)
    assert attempt.session.challenges == (CHALLENGE,)
    return attempt


@pytest.mark.parametrize("outcome", OUTCOMES, ids=NAMES)
async def test_what_ends_after_the_reply_is_dropped(world: World, outcome: Outcome) -> None:
    """The session is claimed as it is and worked on anew; the outcome of the attempt ahead is never sent."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        void = await moved_meanwhile(line)
        anew = await line.attempt(State.ISSUE)
        await line.at_rest()
        void.says(outcome)
        await line.at_rest()
        assert await line.places(void.session.id) == ["inflight:A"]
        assert [challenge.data for challenge in anew.session.challenges] == [READY]
        anew.says(WAITS)
        await line.at_rest()
        assert await line.places(void.session.id) == ["waiting"]
        assert line.sent(void.session.id) == ["advance", "advance", "wait"]
        assert line.warnings() == []
        assert line.by_hand[State.ISSUE].more() == 0


@pytest.mark.parametrize("outcome", OUTCOMES, ids=NAMES)
async def test_what_ends_before_the_reply_is_dropped(world: World, outcome: Outcome) -> None:
    """An outcome that already stands behind the advance goes with it, also when the same call claims the session."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        reply = line.store.gate(lambda call: call.words == ["advance"] and call.moves[0][3] == "issue", made=True)
        void = await moved_meanwhile(line)
        call = await reply.reached()
        assert call.reply is not None
        assert (call.reply.results, [s.id for s in call.reply.claimed]) == ([["ok"]], [void.session.id])
        void.says(outcome)
        await line.at_rest_but(reply)
        reply.open()
        anew = await line.attempt(State.ISSUE)
        await line.at_rest()
        assert await line.places(void.session.id) == ["inflight:A"]
        assert line.committer.held[void.session.id].session == anew.session
        anew.says(WAITS)
        await line.at_rest()
        assert await line.places(void.session.id) == ["waiting"]
        assert line.sent(void.session.id) == ["advance", "advance", "wait"]
        assert line.warnings() == []


async def test_what_is_in_the_same_group_is_refused_with_it(world: World) -> None:
    """Steps that were taken ahead and sent together fall together; it is nothing to warn of."""
    stages = {State.MAKECHALLENGE: made, State.ISSUE: lambda _: WAITS}
    async with opened(world, stages) as line:
        session = await line.submit()
        test = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        await line.ready(session)
        await line.at_rest()
        test.says(Advance())
        await line.at_rest()
        assert line.sent(session) == ["advance", "advance", "wait", "wait"]
        assert await line.places(session) == ["waiting"]
        assert line.warnings() == []


@pytest.mark.parametrize("outcome", OUTCOMES, ids=NAMES)
async def test_a_session_that_the_other_lane_claims_first_is_worked_on_by_one(world: World, outcome: Outcome) -> None:
    """One call has put the session on its queue and the other has claimed it, before the first is seen to be made."""
    async with opened(world, {State.MAKECHALLENGE: made}, issue=Settings(concurrency=3)) as line:
        # Of three slots two are busy, so the call of the advance has none to claim for when it goes.
        busy = [await moved_on(line, number) for number in (2, 3)]
        reply = line.store.gate(lambda call: call.words == ["advance"] and call.moves[0][3] == "issue", made=True)
        void = await moved_meanwhile(line)
        await reply.reached()
        busy[0].says(WAITS)
        anew = await line.attempt(State.ISSUE)
        assert anew.session.id == void.session.id
        void.says(outcome)
        await line.at_rest_but(reply)
        assert line.committer.held[void.session.id].session == anew.session
        anew.says(WAITS)
        await line.at_rest_but(reply)
        reply.open()
        await line.at_rest()
        assert await line.places(void.session.id) == ["waiting"]
        assert line.sent(void.session.id) == ["advance", "advance", "wait"]
        assert line.warnings() == []
        assert list(line.committer.held) == [busy[1].session.id]


async def moved_on(line: Line, number: int) -> Attempt:
    """An attempt in `issue`."""
    await line.submit(number)
    (await line.attempt(State.TESTCHALLENGE)).says(Advance())
    attempt = await line.attempt(State.ISSUE)
    await line.at_rest()
    return attempt


async def test_a_client_that_finalizes_while_the_stage_looks_ahead_is_not_missed(world: World) -> None:
    """The stage ahead has seen no CSR and wants to wait for it: it is asked again."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        attempt = await moved_on(line, 1)
        session = attempt.session.id
        assert await world.client(moves.finalize(session, "CSR")) == ["ok"]
        attempt.says(WAITS)
        anew = await line.attempt(State.ISSUE)
        await line.at_rest()
        assert anew.session.csr == "CSR"
        assert await line.places(session) == ["inflight:A"]
        assert line.warnings() == []


async def test_a_client_that_finalizes_behind_the_advance_is_answered_as_then(world: World) -> None:
    """Its move waits for the advance that is under way, and is made in the state that follows."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        advance = line.store.gate(lambda call: call.words == ["advance"] and call.moves[0][3] == "issue", made=False)
        session = await line.submit()
        (await line.attempt(State.TESTCHALLENGE)).says(Advance())
        await advance.reached()
        (await line.attempt(State.ISSUE)).says(WAITS)
        answer = line.committer.move(moves.finalize(session, "CSR"))
        await line.at_rest_but(advance)
        advance.open()
        assert await answer == ["ok"]
        assert (await line.attempt(State.ISSUE)).session.csr == "CSR"
        assert line.warnings() == []


async def test_a_client_that_cancels_before_the_advance_ends_all_that_follows(world: World) -> None:
    """One line says that the session was not advanced, as it would of any stage; what was done ahead says nothing."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        advance = line.store.gate(lambda call: call.words == ["advance"] and call.moves[0][3] == "issue", made=False)
        session = await line.submit()
        (await line.attempt(State.TESTCHALLENGE)).says(Advance())
        await advance.reached()
        attempt = await line.attempt(State.ISSUE)
        assert await world.client(moves.cancel(session, NO, KEEP)) == ["ok"]
        advance.open()
        await line.at_rest()
        assert line.committer.held == {}
        attempt.says(Advance())
        await line.at_rest()
        assert line.sent(session) == ["advance", "advance"]
        assert line.warnings() == ["commit.refused"]
        assert await line.places(session) == []
        record = await world.whole(session)
        assert (record.live, record.state) == (False, State.TESTCHALLENGE)


async def test_a_client_that_cancels_after_the_advance_is_told_once(world: World) -> None:
    """What the stage ahead says is refused and changes nothing."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        attempt = await moved_on(line, 1)
        assert await world.client(moves.cancel(attempt.session.id, NO, KEEP)) == ["ok"]
        before = await world.whole(attempt.session.id)
        attempt.says(Advance())
        done = await line.attempt(State.DONE)
        await line.at_rest()
        done.says(Advance())
        await line.at_rest()
        assert before == await world.whole(attempt.session.id)
        assert await line.places(attempt.session.id) == []
        assert line.warnings() == ["commit.refused"]
        assert line.committer.held == {}


@pytest.mark.parametrize("end", ["timeout", "fault", "reserve"])
async def test_a_fault_of_a_void_attempt_is_no_fault(world: World, end: str) -> None:
    """Its end costs no attempt, frees its slot, and is not told as a fault of the program."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        void = await moved_meanwhile(line)
        anew = await line.attempt(State.ISSUE)
        await line.at_rest()
        if end == "timeout":
            del line.runners[State.ISSUE]._deadlines._begun[worker_of(line, anew)]
            line.times_out(State.ISSUE)
        else:
            void.raises(moves.IllegalMove("reserve refused: not live") if end == "reserve" else ValueError("x"))
        await until(lambda: void.ended)
        await line.at_rest()
        assert line.runners[State.ISSUE].free() == 1
        assert (await world.whole(void.session.id)).attempts == 0
        assert await line.places(void.session.id) == ["inflight:A"]
        assert line.warnings() == []


def worker_of(line: Line, attempt: Attempt) -> asyncio.Task[None]:
    """The task that waits for the end of an attempt."""
    tasks = list(line.runners[attempt.session.state]._deadlines._begun)
    return tasks[[a for a in line.by_hand[attempt.session.state].begun if not a.ended].index(attempt)]


async def test_a_stop_gives_back_a_session_once(world: World) -> None:
    """Of the void attempt and the one that counts, only the latter gives its session back."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        void = await moved_meanwhile(line)
        await line.attempt(State.ISSUE)
        await line.at_rest()
        line.committer.quiet = True
        line.scope.cancel()
        await line.committer.until_idle()
        assert await line.places(void.session.id) == ["pending-issue"]
        assert line.sent(void.session.id) == ["advance", "advance", "release"]
        assert line.warnings() == []


async def test_a_stop_gives_back_what_is_ahead_behind_its_advance(world: World) -> None:
    """The session is on the queue of the stage that had begun ahead."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        advance = line.store.gate(lambda call: call.words == ["advance"] and call.moves[0][3] == "issue", made=False)
        session = await line.submit()
        (await line.attempt(State.TESTCHALLENGE)).says(Advance())
        await advance.reached()
        await line.attempt(State.ISSUE)
        line.committer.quiet = True
        line.scope.cancel()
        await line.at_rest_but(advance)
        advance.open()
        await line.committer.until_idle()
        assert await line.places(session) == ["pending-issue"]
        assert line.sent(session) == ["advance", "advance", "release"]
        assert line.warnings() == []


async def test_a_stop_drops_the_release_of_what_became_void(world: World) -> None:
    """The session is on its queue already, by the advance itself."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        reply = line.store.gate(lambda call: call.words == ["advance"] and call.moves[0][3] == "issue", made=True)
        void = await moved_meanwhile(line)
        await reply.reached()
        line.committer.quiet = True
        line.scope.cancel()
        await line.at_rest_but(reply)
        reply.open()
        await line.committer.until_idle()
        assert await line.places(void.session.id) == ["pending-issue"]
        assert line.warnings() == []


async def test_an_error_of_an_advance_sets_the_session_aside_with_all_that_follows(world: World) -> None:
    """A record that cannot be written is set aside once; what was done ahead of it is dropped."""
    async with opened(world) as line:
        session = await line.submit()
        make = await line.attempt(State.MAKECHALLENGE)
        await line.at_rest()
        await world.redis.set(world.keys.challenge(session, 1), "garbage")
        make.says(MADE)
        attempt = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        attempt.says(WAITS)
        await line.at_rest()
        assert line.sent(session) == ["advance", "quarantine"]
        assert line.warnings() == ["commit.refused"]
        assert (await world.state())["quarantine"] == [session]
        assert line.committer.held == {}
