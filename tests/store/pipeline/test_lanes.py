"""Two calls under way: what may be in both at once, and in which order their replies count."""

from __future__ import annotations

import anyio
import pytest

from stages.outcome import Advance, Retry
from stages.session import State
from stages.store import moves
from tests.store.pipeline.line import MADE, WAITS, Settings, advances, made, opened, until, waits
from tests.store.world import NOW, World

pytestmark = pytest.mark.anyio


async def test_two_calls_are_under_way_at_once_and_no_more(world: World) -> None:
    """While one call is at the store, another is sent with what became ready meanwhile; what follows waits for one."""
    async with opened(world, {State.MAKECHALLENGE: made}, testchallenge=Settings(concurrency=3)) as line:
        sessions = [await line.submit(number) for number in (1, 2, 3)]
        attempts = await line.attempts(State.TESTCHALLENGE, sessions)
        await line.at_rest()
        gates = []
        for attempt in attempts[:2]:
            gates.append(line.store.of(attempt.session.id, made=False))
            attempt.says(WAITS)
            await gates[-1].reached()
        attempts[2].says(WAITS)
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        under_way = line.store.under_way()
        assert [(call.words, call.about) for call in under_way] == [(["wait"], [a.session.id]) for a in attempts[:2]]
        assert {call.lane for call in under_way} == {0, 1}
        gates[1].open()
        await until(lambda: line.store.calls[-1].about == [attempts[2].session.id])
        assert line.store.calls[-1].lane == under_way[1].lane
        gates[0].open()
        await line.at_rest()
        assert [await line.places(session) for session in sessions] == [["waiting"]] * 3


@pytest.mark.parametrize("held_back", ["request", "reply"])
async def test_moves_of_one_session_wait_for_one_another(world: World, held_back: str) -> None:
    """What follows a move is not sent by the other lane before that one is answered; other sessions pass."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        session = await line.submit(1)
        first = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        gate = line.store.of(session, made=held_back == "reply")
        first.says(Advance())
        held = await gate.reached()
        (await line.attempt(State.ISSUE)).says(Advance())
        (await line.attempt(State.DONE)).says(WAITS)
        other = await line.submit(2)
        await line.attempt(State.TESTCHALLENGE)
        await line.at_rest_but(gate)
        after = line.store.calls[line.store.calls.index(held) + 1 :]
        assert {call.lane for call in after} == {1 - held.lane}
        assert [other] == [about for call in after for about in call.about]
        gate.open()
        await line.at_rest()
        assert line.sent(session) == ["advance", "advance", "advance", "wait"]
        assert await line.places(session) == ["waiting"]


async def test_moves_of_clients_wait_for_those_of_their_session(world: World) -> None:
    """A client's moves are made in the order in which they came, behind what the stage said before them."""
    async with opened(world, {State.MAKECHALLENGE: made, State.DONE: waits}) as line:
        session = await line.submit(1)
        (await line.attempt(State.TESTCHALLENGE)).says(Advance())
        issue = await line.attempt(State.ISSUE)
        await line.at_rest()
        gate = line.store.of(session, made=False)
        issue.says(Advance())
        await gate.reached()
        steps = ("sent", "confirmed", "sent")
        answers = [line.committer.move(moves.deliver(session, step)) for step in steps]
        await line.at_rest_but(gate)
        gate.open()
        assert [await answer for answer in answers] == [["ok"]] * 3
        await line.at_rest()
        story = (await world.whole(session)).story
        assert [text.split()[-1] for text in story.splitlines() if " delivery " in text] == ["sent", "confirmed"]


async def test_a_move_of_a_client_holds_back_what_follows(world: World) -> None:
    """A client's move that is under way is not overtaken by an outcome of its session."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        session = await line.submit(1)
        (await line.attempt(State.TESTCHALLENGE)).says(Advance())
        issue = await line.attempt(State.ISSUE)
        await line.at_rest()
        gate = line.store.of(session, made=True)
        answer = line.committer.move(moves.finalize(session, "CSR"))
        await gate.reached()
        issue.says(WAITS)
        await line.at_rest_but(gate)
        gate.open()
        assert await answer == ["ok"]
        assert (await line.attempt(State.ISSUE)).session.csr == "CSR"
        assert line.warnings() == []


async def test_lengths_are_those_of_the_later_call(world: World) -> None:
    """The reply of the call that the store made first, seen last, does not bring back what was."""
    async with opened(world, {State.MAKECHALLENGE: made}, testchallenge=Settings(concurrency=1)) as line:
        await line.submit(1)
        attempt = await line.attempt(State.TESTCHALLENGE)
        await line.submit(2)
        await line.submit(3)
        await line.at_rest()
        assert (line.committer.queues.lengths, line.committer.queues.delayed) == ([0, 2, 0, 0], [0, 0, 0, 0])
        early = line.store.gate(made=True)
        line.committer.wake()
        call = await early.reached()
        attempt.says(Retry(500, "later"))
        await line.attempt(State.TESTCHALLENGE)
        await line.at_rest_but(early)
        assert (line.committer.queues.lengths, line.committer.queues.delayed) == ([0, 1, 0, 0], [0, 1, 0, 0])
        due = line.due_in()
        assert call.reply is not None
        assert (call.reply.lengths, call.reply.delayed) == ([0, 2, 0, 0], [0, 0, 0, 0])
        early.open()
        await line.at_rest()
        assert (line.committer.queues.lengths, line.committer.queues.delayed) == ([0, 1, 0, 0], [0, 1, 0, 0])
        assert due - 1 < line.due_in() < 501


async def test_a_session_pushed_by_one_call_is_claimed_by_the_other_before_the_first_settles(world: World) -> None:
    """Its next step waits for the reply of the call that pushed it, and is made then."""
    async with opened(world, {State.TESTCHALLENGE: waits}) as line:
        session = await line.submit(1, scheduled="True")
        make = await line.attempt(State.MAKECHALLENGE)
        await line.at_rest()
        pushed = line.store.of(session, made=True)
        make.says(MADE)
        call = await pushed.reached()
        # The call claimed for a half of the free slots; the session is claimed by it, or else by the other lane.
        assert call.reply is not None
        if not call.reply.claimed:
            line.committer.wake()
        await line.at_rest_but(pushed)
        pushed.open()
        await line.at_rest()
        assert line.sent(session) == ["advance", "wait"]
        assert await line.places(session) == ["waiting"]
        assert line.warnings() == []


async def test_a_session_delayed_by_one_call_is_claimed_by_the_other_before_the_first_settles(world: World) -> None:
    """A retry at once may be with its next worker before its first one is told that it was made."""
    async with opened(world, makechallenge=Settings(concurrency=3)) as line:
        session = await line.submit(1)
        first = await line.attempt(State.MAKECHALLENGE)
        others = [await line.submit(number) for number in (2, 3)]
        busy = await line.attempts(State.MAKECHALLENGE, others)
        await line.at_rest()
        line.settings[State.MAKECHALLENGE].concurrency = 2
        reply = line.store.of(session, made=True)
        first.says(Retry(0, "once more"))
        call = await reply.reached()
        assert call.free.get(State.MAKECHALLENGE) is None
        world.clock.now = NOW + 1
        busy[0].says(Retry(500, "later"))
        again = await line.attempt(State.MAKECHALLENGE)
        assert (again.session.id, again.session.attempts) == (session, 1)
        again.says(MADE)
        await line.at_rest_but(reply)
        reply.open()
        await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        assert line.sent(session) == ["retry", "advance"]
        assert line.warnings() == []


async def test_many_sessions_go_through_both_lanes_each_once(world: World) -> None:
    """Under load no session is lost, refused, or worked on twice, and no group is larger than it may be."""
    stages = {State.MAKECHALLENGE: made, State.TESTCHALLENGE: advances, State.ISSUE: advances, State.DONE: waits}
    async with opened(world, stages, makechallenge=Settings(concurrency=40), done=Settings(concurrency=7)) as line:
        sessions = [await world.submit(number) for number in range(1, 301)]
        line.committer.wake()
        await line.at_rest()
        assert {tuple(line.sent(session)) for session in sessions} == {("advance", "advance", "advance", "wait")}
        assert {call.lane for call in line.store.calls if call.words} == {0, 1}
        assert max(len(call.moves) for call in line.store.calls) <= 256
        assert line.committer.held == {}
        assert line.warnings() == []
        assert {runner.free() for runner in line.runners.values()} == {40, 2, 7}
