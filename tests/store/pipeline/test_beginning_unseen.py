"""A stage began with its client's move while a claim of the same session is unseen: nobody loses the session."""

from __future__ import annotations

import anyio
import pytest

from stages.outcome import Advance
from stages.session import State
from stages.store import moves
from supervisor.pipeline import lane as lanes
from tests.store.pipeline.begun import says_ready, waiting
from tests.store.pipeline.line import PATIENCE, WAITS, Settings, made, opened, until
from tests.store.world import NOW, World, sid

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow one another without a pause."""
    monkeypatch.setattr(lanes, "OUTAGE_FIRST", 0.001)
    monkeypatch.setattr(lanes, "OUTAGE_MOST", 0.001)


@pytest.mark.parametrize("begins", ["before the loss", "after the loss"])
async def test_resync_gives_back_what_was_claimed_unseen_where_its_stage_has_begun(world: World, begins: str) -> None:
    """A session whose client's move is not made yet is not held: if it is in flight, a lost reply had claimed it."""
    async with opened(world, {State.MAKECHALLENGE: made}, testchallenge=Settings(concurrency=4)) as line:
        session = await waiting(line)
        other = await line.submit(2)
        at_work = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        reply = line.store.of(other, made=True)
        at_work.says(Advance())
        await reply.reached()
        claim = line.store.gate(lambda call: State.TESTCHALLENGE in call.free, made=True)
        await line.ready(session.id)  # by another process
        held = await claim.reached()
        assert held.reply is not None
        assert [claimed.id for claimed in held.reply.claimed] == [session.id]
        if begins == "before the loss":
            answer = says_ready(line, session)
        claim.lose()
        await until(lambda: line.committer._resync_due)
        if begins == "after the loss":
            answer = says_ready(line, session)
        await line.attempt(State.TESTCHALLENGE)
        await line.at_rest_but(reply)
        reply.open()
        with anyio.fail_after(PATIENCE):
            assert await answer == ["ok"]
        await line.at_rest()
        assert session.id in line.committer.held
        assert (await line.attempt(State.TESTCHALLENGE)).session.id == session.id


async def test_resync_counts_an_outcome_that_stands_before_the_clients_move(world: World) -> None:
    """The session is told to wait and its stage begins anew, both unsent: it is held, and is not put back."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        session = await line.submit()
        attempt = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        becomes = await world.whole(session)
        first, second = line.store.of(sid(901), made=False), line.store.of(sid(902), made=True)
        line.committer.move(moves.deliver(sid(901), "sent"))
        await first.reached()
        line.committer.move(moves.deliver(sid(902), "sent"))
        await second.reached()
        attempt.says(WAITS)
        await until(lambda: session not in line.committer.held)
        answer = says_ready(line, becomes)
        await line.attempt(State.TESTCHALLENGE)
        second.lose()
        await line.at_rest_but(first)
        first.open()
        with anyio.fail_after(PATIENCE):
            assert await answer == ["ok", "kept"]
        await line.at_rest()
        assert [call.words for call in line.store.calls][-2:] == [["resync"], ["wait", "ready"]]
        assert session in line.committer.held
        assert line.warnings() == ["store.lost"]


@pytest.mark.parametrize(("at", "answer"), [(NOW, ["ok"]), (NOW + 1, ["changed"])])
async def test_what_stands_behind_a_move_that_was_not_kept_is_not_made(
    world: World, at: int, answer: list[str]
) -> None:
    """Also in one group with it, where the session is in flight here by a claim whose reply is still to come."""
    queues = {"testchallenge": Settings(concurrency=12), "issue": Settings(concurrency=12)}
    async with opened(world, {State.MAKECHALLENGE: made}, **queues) as line:
        session = await waiting(line)
        claim = line.store.gate(lambda call: State.TESTCHALLENGE in call.free, made=True)
        await line.ready(session.id)  # by another process
        await claim.reached()
        other = line.store.of(sid(901), made=False)
        line.committer.move(moves.deliver(sid(901), "sent"))
        await other.reached()
        answered = says_ready(line, session, at)
        (await line.attempt(State.TESTCHALLENGE)).says(Advance())
        await line.attempt(State.ISSUE)
        reply = line.store.of(session.id, made=True)
        other.open()
        await reply.reached()
        claim.open()
        anew = await line.attempt(State.TESTCHALLENGE)
        reply.open()
        assert await answered == answer
        await line.at_rest()
        anew.says(WAITS)
        await line.at_rest()
        assert "advance" not in line.sent(session.id)[1:]
        assert await line.places(session.id) != ["inflight:A"] or session.id in line.committer.held
        assert line.warnings() == []
