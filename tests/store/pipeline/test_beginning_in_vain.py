"""A stage that began with its client's move and may not go on: the move was not made so, or nobody knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest

from stages.outcome import Advance, Outcome, Reject, Retry, Wait
from stages.session import ChallengeData, Problem, State
from stages.store import moves
from supervisor.pipeline import lane as lanes
from tests.store.pipeline.begun import KEPT, finalizes, proven, says_ready, waiting
from tests.store.pipeline.line import PATIENCE, READY, WAITS, Settings, made, opened, until
from tests.store.world import CHALLENGE, KEEP, NOW, World, sid

pytestmark = pytest.mark.anyio

NO = Problem("unauthorized", "no")
OUTCOMES: list[Outcome] = [Advance(), WAITS, Retry(5, "later"), Reject(NO)]
NAMES = ["advance", "wait", "retry", "reject"]
MADE_FIRST = {State.MAKECHALLENGE: made}
Meanwhile = Callable[[World, str], Awaitable[object]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow one another without a pause."""
    monkeypatch.setattr(lanes, "OUTAGE_FIRST", 0.001)
    monkeypatch.setattr(lanes, "OUTAGE_MOST", 0.001)


async def says_so_too(world: World, session: str) -> None:
    """Another process has brought the session to its queue already."""
    assert await world.client(moves.ready(session, 1, CHALLENGE.data, READY)) == ["ok"]


async def says_so_later(world: World, session: str) -> None:
    """The same, at another time: the challenge has changed."""
    said = ChallengeData("token", ready=NOW + 7)
    assert await world.client(moves.ready(session, 1, CHALLENGE.data, said)) == ["ok"]


async def proves_it(world: World, session: str) -> None:
    """A second process has proven the challenge."""
    await world.redis.hset(world.keys.challenge(session, 1), "satisfied", "True")


async def delays_it(world: World, session: str) -> None:
    """Another supervisor has worked on the session, and will again in a while."""
    await world.redis.hdel(session, "waiting")
    await world.redis.zadd("delayed-testchallenge", {session: NOW + 500})


@pytest.mark.parametrize("when", ["before the reply", "after the reply"])
@pytest.mark.parametrize("outcome", OUTCOMES, ids=NAMES)
@pytest.mark.parametrize(
    ("meanwhile", "answer"),
    [(says_so_too, ["ok"]), (says_so_later, ["changed"]), (proves_it, ["ok"]), (delays_it, ["ok"])],
)
async def test_what_was_begun_in_vain_is_dropped(
    world: World, meanwhile: Meanwhile, answer: list[str], outcome: Outcome, when: str
) -> None:
    """What it says is never sent; whoever claims the session reads it and works on it, once; all slots are free."""
    async with opened(world, MADE_FIRST) as line:
        session = await waiting(line)
        gate = line.store.of(session.id, made=False)
        answered = says_ready(line, session)
        void = await line.attempt(State.TESTCHALLENGE)
        await gate.reached()
        await meanwhile(world, session.id)
        if when == "before the reply":
            void.says(outcome)
            await line.at_rest_but(gate)
        gate.open()
        assert await answered == answer
        line.committer.wake()
        anew = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        for ahead in line.by_hand[State.ISSUE].begun:
            ahead.says(WAITS)
        if when == "after the reply":
            void.says(outcome)
            await line.at_rest()
        assert anew.session == await world.whole(session.id)
        assert await line.places(session.id) == ["inflight:A"]
        anew.says(Wait(NOW + 99))
        await line.at_rest()
        assert await line.places(session.id) == ["waiting"]
        assert line.sent(session.id) == ["advance", "wait", "ready", "wait"]
        assert line.by_hand[State.TESTCHALLENGE].more() == 0
        assert line.runners[State.TESTCHALLENGE].free() == line.runners[State.ISSUE].free() == 2
        assert line.warnings() == []


@pytest.mark.parametrize("outcome", OUTCOMES, ids=NAMES)
async def test_a_session_that_was_cancelled_stays_dead(world: World, outcome: Outcome) -> None:
    """Its client is told so; what was begun for it says nothing, and nobody hears of it."""
    async with opened(world, MADE_FIRST) as line:
        session = await proven(line)
        told: list[str] = []
        line.committer.answers.committed = lambda move: told.append(move[0])
        gate = line.store.of(session.id, made=False)
        answer = finalizes(line, session)
        void = await line.attempt(State.ISSUE)
        await gate.reached()
        assert await world.client(moves.cancel(session.id, NO, KEEP)) == ["ok"]
        before = await world.state()
        void.says(outcome)
        await line.at_rest_but(gate)
        gate.open()
        assert await answer == ["refused", "not live"]
        await line.at_rest()
        assert before == await world.state()
        assert told == []
        assert line.committer.held == {}
        assert line.runners[State.ISSUE].free() == 2
        assert line.warnings() == []


async def test_a_session_that_another_supervisor_works_on_is_left_to_it(world: World) -> None:
    """The client's move is not missed: what the other says brings the session back."""
    async with opened(world, MADE_FIRST) as line:
        session = await waiting(line)
        gate = line.store.of(session.id, made=False)
        answer = says_ready(line, session)
        void = await line.attempt(State.TESTCHALLENGE)
        await gate.reached()
        await world.supervisor("B")
        await world.redis.hdel(session.id, "waiting")
        await world.redis.lpush("pending-testchallenge", session.id)
        (theirs,) = await world.claim(State.TESTCHALLENGE, by="B")
        gate.open()
        assert await answer == ["ok"]
        void.says(Advance())
        await line.at_rest()
        assert await line.places(session.id) == ["inflight:B"]
        assert line.committer.held == {}
        assert await world.commit(theirs, WAITS, by="B") == ["ok"]
        line.committer.wake()
        assert (await line.attempt(State.TESTCHALLENGE)).session.challenges[0].data == READY
        assert line.warnings() == []


@pytest.mark.parametrize("outcome", OUTCOMES, ids=NAMES)
async def test_what_has_begun_when_its_answer_is_lost_is_worked_on_anew(world: World, outcome: Outcome) -> None:
    """Whether it was kept is not known: it goes back to its queue, is read and worked on; its client is answered."""
    async with opened(world, MADE_FIRST) as line:
        session = await waiting(line)
        gate = line.store.of(session.id, made=True)
        answer = says_ready(line, session)
        void = await line.attempt(State.TESTCHALLENGE)
        await gate.reached()
        assert await line.places(session.id) == ["inflight:A"]
        void.says(outcome)
        gate.lose()
        assert await answer == ["ok"]
        anew = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        assert anew.session == await world.whole(session.id)
        assert await line.places(session.id) == ["inflight:A"]
        anew.says(WAITS)
        await line.at_rest()
        assert line.sent(session.id) == ["advance", "wait", "ready", "ready", "wait"]
        assert line.by_hand[State.TESTCHALLENGE].more() == 0
        assert line.runners[State.TESTCHALLENGE].free() == 2
        assert line.events() == ["store.lost", "store.back"]


async def test_what_has_begun_with_a_move_that_was_not_made_goes_on(world: World) -> None:
    """The move is made by the second try, and what was begun stands."""
    async with opened(world, MADE_FIRST) as line:
        session = await waiting(line)
        gate = line.store.of(session.id, made=False)
        answer = says_ready(line, session)
        attempt = await line.attempt(State.TESTCHALLENGE)
        await gate.reached()
        gate.lose()
        assert await answer == KEPT
        attempt.says(WAITS)
        await line.at_rest()
        assert await line.places(session.id) == ["waiting"]
        assert line.sent(session.id) == ["advance", "wait", "ready", "wait"]
        assert line.by_hand[State.TESTCHALLENGE].more() == 0


@pytest.mark.parametrize("outcome", OUTCOMES, ids=NAMES)
async def test_a_session_that_a_claim_brings_is_worked_on_by_its_new_holder(world: World, outcome: Outcome) -> None:
    """The client's move is not sent yet when the claim's reply comes: it is made, and nothing behind it."""
    async with opened(world, MADE_FIRST, testchallenge=Settings(concurrency=12)) as line:
        session = await waiting(line)
        claim = line.store.gate(lambda call: State.TESTCHALLENGE in call.free, made=True)
        await world.redis.hdel(session.id, "waiting")
        await world.redis.lpush("pending-testchallenge", session.id)
        line.committer.wake()
        await claim.reached()
        other = line.store.of(sid(901), made=False)
        line.committer.move(moves.deliver(sid(901), "sent"))
        await other.reached()
        answer = says_ready(line, session)
        void = await line.attempt(State.TESTCHALLENGE)
        claim.open()
        anew = await line.attempt(State.TESTCHALLENGE)
        void.says(outcome)
        with anyio.fail_after(PATIENCE):
            assert await answer == ["ok"]
        other.open()
        await line.at_rest()
        assert line.committer.held[session.id].session == anew.session
        anew.says(WAITS)
        again = await line.attempt(State.TESTCHALLENGE)
        assert again.session.challenges[0].data == READY
        await line.at_rest()
        assert line.sent(session.id) == ["advance", "wait", "ready", "wait"]
        assert await line.places(session.id) == ["inflight:A"]
        assert line.warnings() == []


async def test_what_has_begun_for_workers_that_have_just_ended_goes_back(world: World) -> None:
    """Nobody is there to take it: the session is on its queue, behind its client's move."""
    async with opened(world, MADE_FIRST) as line:
        session = await waiting(line)
        line.scope.cancel()
        await until(lambda: all(slot.done() for slot in line.runners[State.TESTCHALLENGE]._idle))
        assert await says_ready(line, session) == KEPT
        line.committer.quiet = True
        await line.committer.until_idle()
        assert line.sent(session.id) == ["advance", "wait", "ready", "release"]
        assert await line.places(session.id) == ["pending-testchallenge"]
        assert line.warnings() == []
