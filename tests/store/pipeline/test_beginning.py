"""A stage begins with the client's move that brings its session there: when, with what, and when it does not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from stages.outcome import Advance, Outcome, Reject, Retry, Writes
from stages.session import Problem, State
from stages.store import moves
from tests.store.pipeline.begun import KEPT, busy, finalizes, proven, says_ready, waiting
from tests.store.pipeline.line import WAITS, Settings, made, opened, until
from tests.store.world import CHALLENGE, NOW, World

pytestmark = pytest.mark.anyio

NO = Problem("unauthorized", "no")
PROVEN = Advance(Writes(challenges=(replace(CHALLENGE, satisfied=True),)))
OUTCOMES: list[tuple[Outcome, str]] = [
    (PROVEN, "inflight:A"),
    (WAITS, "waiting"),
    (Retry(500, "later"), "delayed-testchallenge"),
    (Reject(NO), ""),
]
NAMES = ["advance", "wait", "retry", "reject"]
MADE_FIRST = {State.MAKECHALLENGE: made}


async def test_a_test_begins_while_ready_is_on_its_way(world: World) -> None:
    """The session still waits for its client on record; when its move is made, it is in flight and was never queued."""
    async with opened(world, MADE_FIRST) as line:
        session = await waiting(line)
        gate = line.store.of(session.id, made=False)
        answer = says_ready(line, session)
        attempt = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest_but(gate)
        assert await line.places(session.id) == ["waiting"]
        gate.open()
        assert await answer == KEPT
        await line.at_rest()
        assert await line.places(session.id) == ["inflight:A"]
        assert attempt.session == replace(await world.whole(session.id), story=attempt.session.story)
        assert line.by_hand[State.TESTCHALLENGE].more() == 0


async def test_an_issue_begins_while_finalize_is_on_its_way(world: World) -> None:
    """The stage has CSR, serial and intent as they will be on record."""
    async with opened(world, MADE_FIRST) as line:
        session = await proven(line)
        gate = line.store.of(session.id, made=False)
        answer = finalizes(line, session)
        attempt = await line.attempt(State.ISSUE)
        await line.at_rest_but(gate)
        assert (await world.whole(session.id)).intent == ""
        gate.open()
        assert await answer == KEPT
        await line.at_rest()
        assert attempt.session == replace(await world.whole(session.id), story=attempt.session.story)
        assert await line.places(session.id) == ["inflight:A"]


@pytest.mark.parametrize("held_back", ["request", "reply"])
@pytest.mark.parametrize(("outcome", "place"), OUTCOMES, ids=NAMES)
async def test_its_outcome_is_made_behind_the_move(world: World, outcome: Outcome, place: str, held_back: str) -> None:
    """Nothing more of the session is sent, and nobody is told, before the client's move has its answer."""
    async with opened(world, MADE_FIRST) as line:
        session = await waiting(line)
        told: list[str] = []
        line.committer.answers.committed = lambda move: told.append(move[0])
        gate = line.store.of(session.id, made=held_back == "reply")
        answer = says_ready(line, session)
        (await line.attempt(State.TESTCHALLENGE)).says(outcome)
        await line.at_rest_but(gate)
        assert [word for call in line.store.calls for word in call.words if session.id in call.about][2:] == ["ready"]
        assert told == []
        gate.open()
        assert await answer == KEPT
        await line.at_rest()
        name = NAMES[[each for each, _ in OUTCOMES].index(outcome)]
        assert line.sent(session.id) == ["advance", "wait", "ready", name]
        assert told == [name]
        assert await line.places(session.id) == ([place] if place else [])
        assert line.warnings() == []


async def test_no_stage_begins_without_a_free_slot(world: World) -> None:
    """The session goes through its queue, and is worked on when a slot is free."""
    async with opened(world, MADE_FIRST, testchallenge=Settings(concurrency=1)) as line:
        session = await waiting(line)
        await line.submit(2)
        other = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        assert await says_ready(line, session) == ["ok"]
        assert await line.places(session.id) == ["pending-testchallenge"]
        other.says(WAITS)
        assert (await line.attempt(State.TESTCHALLENGE)).session.id == session.id


async def test_no_stage_begins_before_those_who_stand_in_the_queue(world: World) -> None:
    """A slot is free and a claim for it on its way: the client's session comes behind."""
    async with opened(world, MADE_FIRST, testchallenge=Settings(concurrency=1)) as line:
        session = await waiting(line)
        for number in (2, 3):
            await line.submit(number)
        other = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        claim = line.store.gate(lambda call: State.TESTCHALLENGE in call.free, made=False)
        other.says(WAITS)
        await claim.reached()
        assert await says_ready(line, session) == ["ok"]
        claim.open()
        assert (await line.attempt(State.TESTCHALLENGE)).session.id != session.id
        await line.at_rest()
        assert await line.places(session.id) == ["pending-testchallenge"]


async def test_no_stage_begins_while_the_store_is_away(world: World) -> None:
    """What cannot be committed is not built upon; the move is made when the store is back."""
    async with opened(world, MADE_FIRST) as line:
        session = await waiting(line)
        lost, again = line.store.gate(made=False), line.store.gate(made=False)
        line.committer.wake()
        await lost.reached()
        lost.lose()
        await again.reached()
        assert not line.available()
        gate = line.store.of(session.id, made=False)
        answer = says_ready(line, session)
        await gate.reached()
        assert session.id not in line.committer.held
        assert line.by_hand[State.TESTCHALLENGE].more() == 0
        gate.open()
        again.open()
        assert await answer == ["ok"]
        assert (await line.attempt(State.TESTCHALLENGE)).session.id == session.id


async def test_no_stage_begins_when_the_program_is_stopping(world: World) -> None:
    """The client's move is made, and its session stands in its queue for the next start."""
    async with opened(world, MADE_FIRST) as line:
        session = await waiting(line)
        line.committer.quiet = True
        assert await says_ready(line, session) == ["ok"]
        await line.committer.until_idle()
        assert await line.places(session.id) == ["pending-testchallenge"]
        assert line.by_hand[State.TESTCHALLENGE].more() == 0


async def test_a_stop_waits_for_what_has_begun(world: World) -> None:
    """It is idle when the client's move and the outcome behind it are on disk."""
    async with opened(world, MADE_FIRST) as line:
        session = await waiting(line)
        gate = line.store.of(session.id, made=False)
        answer = says_ready(line, session)
        attempt = await line.attempt(State.TESTCHALLENGE)
        line.committer.quiet = True
        idle: list[str] = []

        async def wait() -> None:
            await line.committer.until_idle()
            idle.append(*await line.places(session.id))

        line.tasks.start_soon(wait)
        await line.at_rest_but(gate)
        gate.open()
        assert await answer == KEPT
        await line.at_rest()
        assert idle == []
        attempt.says(WAITS)
        await until(lambda: bool(idle))
        assert idle == ["waiting"]


@pytest.mark.parametrize("held_back", ["request", "reply"])
async def test_a_second_stop_gives_back_what_has_begun(world: World, held_back: str) -> None:
    """The session goes to its queue behind its client's move, costs no attempt, and nothing stays in flight."""
    async with opened(world, MADE_FIRST) as line:
        session = await proven(line)
        gate = line.store.of(session.id, made=held_back == "reply")
        answer = finalizes(line, session)
        await line.attempt(State.ISSUE)
        line.committer.quiet = True
        line.scope.cancel()
        await line.at_rest_but(gate)
        gate.open()
        assert await answer == KEPT
        await line.committer.until_idle()
        assert await line.places(session.id) == ["pending-issue"]
        assert line.sent(session.id)[-2:] == ["finalize", "release"]
        assert (await world.whole(session.id)).attempts == 0
        assert line.events() == []


async def test_two_readys_at_once_begin_one_test(world: World) -> None:
    """The second finds its session at work: it is answered, and nothing begins anew."""
    async with opened(world, MADE_FIRST) as line:
        session = await waiting(line)
        answers = [says_ready(line, session), says_ready(line, session, NOW + 1), says_ready(line, session)]
        attempt = await line.attempt(State.TESTCHALLENGE)
        assert [await answer for answer in answers] == [KEPT, ["changed"], ["ok"]]
        await line.at_rest()
        assert line.by_hand[State.TESTCHALLENGE].more() == 0
        attempt.says(WAITS)
        await line.at_rest()
        assert await line.places(session.id) == ["waiting"]
        assert line.runners[State.TESTCHALLENGE].free() == 2


async def test_a_second_challenge_that_is_ready_during_the_test_of_the_first_is_tested_too(world: World) -> None:
    """The first test ends without a look at it; the session comes back instead of waiting, and is worked on once."""
    both = Advance(Writes(challenges=(CHALLENGE, replace(CHALLENGE, n=2, name="b.example"))))
    async with opened(world, {State.MAKECHALLENGE: lambda _: both}) as line:
        session = await waiting(line)
        answer = says_ready(line, session)
        first = await line.attempt(State.TESTCHALLENGE)
        second = session.challenges[1].data
        said = replace(second, ready=NOW)
        answers = [answer, line.committer.move(moves.ready(session.id, 2, second, said))]
        assert [await each for each in answers] == [KEPT, ["ok"]]
        first.says(WAITS)
        anew = await line.attempt(State.TESTCHALLENGE)
        assert [challenge.data.ready for challenge in anew.session.challenges] == [NOW, NOW]
        await line.at_rest()
        assert await line.places(session.id) == ["inflight:A"]
        assert line.by_hand[State.TESTCHALLENGE].more() == 0


async def test_a_move_behind_what_makes_the_session_wait_begins_its_stage(world: World) -> None:
    """The client is faster than the disk: its session is told to wait, and is kept, in one group."""
    async with opened(world, MADE_FIRST) as line:
        session = await line.submit()
        attempt = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        becomes = await world.whole(session)
        async with busy(line):
            attempt.says(WAITS)
            await until(lambda: session not in line.committer.held)
            answer = says_ready(line, becomes)
            again = await line.attempt(State.TESTCHALLENGE)
        assert await answer == KEPT
        again.says(PROVEN)
        await line.attempt(State.ISSUE)
        await line.at_rest()
        assert [call.words for call in line.store.calls if session in call.about][1:] == [
            ["wait", "ready"],
            ["advance"],
        ]
