"""The store goes away under one lane or both: nothing is made twice, nothing is forgotten, everybody is answered."""

from __future__ import annotations

import anyio
import pytest

from stages.errors import LeaseLost, StoreUnavailable
from stages.outcome import Advance, Outcome, Reject, Retry
from stages.session import Problem, State
from stages.store import moves
from stages.store.store import Claim
from supervisor.pipeline import lane as lanes
from supervisor.pipeline.committer import Committer
from tests.store.pipeline.line import MADE, WAITS, Gate, Line, Settings, made, opened, until
from tests.store.world import KEEP, World, sid

pytestmark = pytest.mark.anyio

OUTCOMES: list[Outcome] = [MADE, Retry(500, "later"), Reject(Problem("unauthorized", "no"))]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow one another without a pause."""
    monkeypatch.setattr(lanes, "OUTAGE_FIRST", 0.001)
    monkeypatch.setattr(lanes, "OUTAGE_MOST", 0.001)


async def lost(gate: Gate) -> None:
    """Break the connection of the call that is held back."""
    await gate.reached()
    gate.lose()


@pytest.mark.parametrize("made_before", [False, True], ids=["not made", "made"])
@pytest.mark.parametrize("outcome", OUTCOMES, ids=["advance", "retry", "reject"])
async def test_a_group_is_made_once(world: World, outcome: Outcome, made_before: bool) -> None:  # noqa: FBT001  a parameter
    """Whether the group was made before its reply was lost: its moves are made once, and nothing is told as refused."""
    async with opened(world, {State.TESTCHALLENGE: lambda _: WAITS}) as line:
        session = await line.submit(1, scheduled="True")
        attempt = await line.attempt(State.MAKECHALLENGE)
        await line.at_rest()
        gate = line.store.of(session, made=made_before)
        attempt.says(outcome)
        await lost(gate)
        await line.at_rest()
        story = (await world.whole(session)).story.splitlines()
        assert len(story) == 2
        assert line.events() == ["store.lost", "store.back"]
        tries = [call for call in line.store.calls if session in call.about]
        assert {(call.lane, call.number) for call in tries[:2]} == {(tries[0].lane, tries[0].number)}
        assert tries[1].claims == []
        assert line.available()
        assert line.committer.held == {}


@pytest.mark.parametrize("made_before", [False, True], ids=["not made", "made"])
async def test_what_was_claimed_unseen_goes_back_and_is_claimed_again(world: World, made_before: bool) -> None:  # noqa: FBT001
    """Sessions that the store gave and nobody received are in flight for one moment only."""
    async with opened(world) as line:
        sessions = [await world.submit(number) for number in (1, 2, 3)]
        gate = line.store.gate(made=made_before)
        line.committer.wake()
        await lost(gate)
        await line.at_rest()
        assert len(line.by_hand[State.MAKECHALLENGE].begun) == 2
        assert sorted(line.committer.held) == sorted(a.session.id for a in line.by_hand[State.MAKECHALLENGE].begun)
        assert sorted((await world.state())["inflight:A"]) == sorted(line.committer.held)
        assert sum([await line.places(session) == ["pending-makechallenge"] for session in sessions]) == 1
        assert line.events() == ["store.lost", "store.back"]
        assert set(line.committer.queues.asked.values()) == {0}


async def test_what_is_ahead_when_its_answer_is_lost_is_worked_on_anew(world: World) -> None:
    """Whether the client had moved is not known, so the session is read again; what was done ahead is dropped."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        session = await line.submit(1)
        test = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        gate = line.store.of(session, made=True)
        test.says(Advance())
        void = await line.attempt(State.ISSUE)
        await gate.reached()
        void.says(WAITS)
        await line.at_rest_but(gate)
        gate.lose()
        anew = await line.attempt(State.ISSUE)
        await line.at_rest()
        assert await line.places(session) == ["inflight:A"]
        anew.says(WAITS)
        await line.at_rest()
        assert line.sent(session) == ["advance", "advance", "wait"]
        assert line.events() == ["store.lost", "store.back"]
        assert line.committer.held == {}


async def test_what_is_ahead_of_a_group_that_was_not_made_goes_on(world: World) -> None:
    """The advance is made by the second try, and what was done ahead stands."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        session = await line.submit(1)
        test = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        gate = line.store.of(session, made=False)
        test.says(Advance())
        await lost(gate)
        (await line.attempt(State.ISSUE)).says(WAITS)
        await line.at_rest()
        assert line.sent(session) == ["advance", "advance", "wait"]
        assert await line.places(session) == ["waiting"]
        assert line.by_hand[State.ISSUE].more() == 0


async def test_one_lane_away_does_not_stop_the_other(world: World) -> None:
    """The program is unavailable until the last lane is back; what can be done meanwhile is done."""
    async with opened(world, {State.MAKECHALLENGE: made}, testchallenge=Settings(concurrency=3)) as line:
        first, second = await line.submit(1), await line.submit(2)
        attempts = await line.attempts(State.TESTCHALLENGE, [first, second])
        await line.at_rest()
        gate, again = line.store.of(first, made=False), line.store.of(first, made=False)
        attempts[0].says(WAITS)
        await gate.reached()
        gate.lose()
        await again.reached()
        assert not line.available()
        attempts[1].says(WAITS)
        await line.at_rest_but(again)
        assert await line.places(second) == ["waiting"]
        assert not line.available()
        assert [call.words for call in line.store.calls if "resync" in call.words] == []
        again.open()
        await line.at_rest()
        assert line.available()
        assert await line.places(first) == ["waiting"]
        assert line.events() == ["store.lost", "store.back"]


async def test_both_lanes_away_are_one_outage(world: World) -> None:
    """It is said once that the store is lost, and once that it is back: when both lanes have their answers."""
    async with opened(world, {State.MAKECHALLENGE: made}, testchallenge=Settings(concurrency=3)) as line:
        sessions = [await line.submit(1), await line.submit(2)]
        attempts = await line.attempts(State.TESTCHALLENGE, sessions)
        await line.at_rest()
        firsts = [line.store.of(session, made=True) for session in sessions]
        for gate, attempt in zip(firsts, attempts, strict=True):
            attempt.says(WAITS)
            await gate.reached()
        seconds = [line.store.of(session, made=False) for session in sessions]
        for gate in firsts:
            gate.lose()
        for gate in seconds:
            await gate.reached()
        assert not line.available()
        seconds[0].open()
        await until(lambda: len(line.store.under_way()) == 1)
        assert not line.available()
        seconds[1].open()
        await line.at_rest()
        assert line.available()
        assert [await line.places(session) for session in sessions] == [["waiting"]] * 2
        assert line.events() == ["store.lost", "store.back"]


async def test_resync_is_sent_while_nothing_else_is_under_way(world: World) -> None:
    """What another call claims meanwhile would be taken for something that nobody holds."""
    async with opened(world, {State.MAKECHALLENGE: made}, testchallenge=Settings(concurrency=3)) as line:
        sessions = [await line.submit(1), await line.submit(2)]
        attempts = await line.attempts(State.TESTCHALLENGE, sessions)
        await line.at_rest()
        gate = line.store.of(sessions[0], made=False)
        attempts[0].says(WAITS)
        await gate.reached()
        other = line.store.of(sessions[1], made=True)
        attempts[1].says(WAITS)
        await other.reached()
        third = await line.submit(3)
        gate.lose()
        await line.at_rest_but(other)
        assert [call.words for call in line.store.calls if "resync" in call.words] == []
        resync = line.store.gate(lambda call: call.words == ["resync"], made=False)
        other.open()
        await resync.reached()
        line.committer.wake()
        await line.at_rest_but(resync)
        assert line.store.calls[-1].words == ["resync"]
        assert line.store.calls[-1].claims == []
        resync.open()
        assert (await line.attempt(State.TESTCHALLENGE)).session.id == third
        await line.at_rest()
        assert [call.words for call in line.store.calls].count(["resync"]) == 1
        assert line.events() == ["store.lost", "store.back"]


async def test_resync_counts_what_is_still_unsent_as_held(world: World) -> None:
    """An outcome that waits to be sent is not overtaken by the session's return to its queue."""
    async with opened(world, {State.MAKECHALLENGE: made}, testchallenge=Settings(concurrency=3)) as line:
        sessions = [await line.submit(1), await line.submit(2)]
        attempts = await line.attempts(State.TESTCHALLENGE, sessions)
        await line.at_rest()
        gate, other = line.store.of(sessions[0], made=False), line.store.gate(lambda call: not call.moves, made=True)
        line.committer.wake()
        await other.reached()
        attempts[0].says(WAITS)
        await gate.reached()
        attempts[1].says(WAITS)
        gate.lose()
        await until(lambda: line.committer._resync_due)
        await line.at_rest_but(other)
        assert [entry.move[1] for entry in line.committer._outbox.entries] == [sessions[1]]
        other.open()
        await line.at_rest()
        (resync,) = [call for call in line.store.calls if call.words == ["resync"]]
        assert resync.moves[0][1] == [sessions[1]]
        assert resync.reply is not None
        assert resync.reply.results == [["ok", 0]]
        assert [await line.places(session) for session in sessions] == [["waiting"]] * 2
        assert line.events() == ["store.lost", "store.back"]


async def test_resync_gives_back_a_session_whose_client_moves_meanwhile(world: World) -> None:
    """A client's move that waits to be sent does not make a session held that was claimed unseen."""
    async with opened(world, {State.MAKECHALLENGE: made}, testchallenge=Settings(concurrency=3)) as line:
        session, other = await line.submit(1), await line.submit(2)
        first, busy = await line.attempts(State.TESTCHALLENGE, [session, other])
        first.says(WAITS)
        await line.at_rest()
        reply = line.store.of(other, made=True)
        busy.says(Advance())
        await reply.reached()
        claim = line.store.gate(lambda call: State.TESTCHALLENGE in call.free, made=True)
        await line.ready(session)
        held = await claim.reached()
        assert held.reply is not None
        assert [claimed.id for claimed in held.reply.claimed] == [session]
        claim.lose()
        await until(lambda: line.committer._resync_due)
        answer = line.committer.move(moves.deliver(session, "sent"))
        await line.at_rest_but(reply)
        reply.open()
        assert await answer == ["refused", "state is another"]
        assert (await line.attempt(State.TESTCHALLENGE)).session.id == session


async def test_a_resync_whose_reply_is_lost_is_followed_by_another(world: World) -> None:
    """The list of what is held may be old by then."""
    async with opened(world) as line:
        await world.submit(1)
        gate = line.store.gate(made=True)
        resync = line.store.gate(lambda call: call.words == ["resync"], made=True)
        line.committer.wake()
        await lost(gate)
        await lost(resync)
        await line.attempt(State.MAKECHALLENGE)
        await line.at_rest()
        assert [call.words for call in line.store.calls if call.reply is not None].count(["resync"]) == 3
        assert line.events() == ["store.lost", "store.back"] * 2


async def test_a_first_try_that_comes_after_its_repetition_is_not_made(world: World) -> None:
    """A connection that was given up delivers its group late: neither its moves nor its claims happen."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        session = await line.submit(1)
        attempt = await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        gate = line.store.of(session, made=False)
        attempt.says(Retry(500, "later"))
        first = await gate.reached()
        gate.lose()
        await line.at_rest()
        await world.submit(2)
        before = await world.state()
        late = await world.store.group(
            first.moves, [Claim(State.MAKECHALLENGE, 9)], world.leases["A"], lane=first.lane, number=first.number
        )
        assert (late.results, late.claimed) == (None, [])
        assert before == await world.state()


@pytest.mark.parametrize("made_before", [False, True], ids=["not made", "made"])
@pytest.mark.parametrize("again", [0, 1, 2])
async def test_who_waits_is_answered_truly(world: World, made_before: bool, again: int) -> None:  # noqa: FBT001
    """A reservation and clients' moves are answered as if nothing had been lost, also when more tries are lost."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        session = await line.submit(1)
        (await line.attempt(State.TESTCHALLENGE)).says(Advance())
        await line.attempt(State.ISSUE)
        await line.at_rest()
        gates = [line.store.of(session, made=made_before)]
        gates += [line.store.gate(lambda call: session in call.about, made=True) for _ in range(again)]
        answers = {}

        async def ask() -> None:
            answers["reserve"] = await line.committer.reserve(session, "0a", "{}")

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await until(lambda: bool(line.committer._outbox.entries))
            asked = [
                line.committer.move(move)
                for move in (
                    moves.finalize(session, "CSR"),
                    moves.finalize(session, "another"),
                    moves.deliver(session, "sent"),
                )
            ]
            for gate in gates:
                await lost(gate)
        assert answers["reserve"] == ("0a", "{}")
        results = [await answer for answer in asked]
        assert results == [["ok"], ["refused", "finalized before"], ["refused", "state is another"]]
        record = await world.whole(session)
        assert (record.serial, record.intent, record.csr) == ("0a", "{}", "CSR")
        assert (line.committer.held[session].session.serial, line.committer.held[session].session.intent) == (
            "0a",
            "{}",
        )


async def test_who_waits_is_asked_for_until_there_is_an_answer(world: World) -> None:
    """The group was made and its answers are lost, and so is the reply to the question that follows."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        session = await line.submit(1)
        await line.attempt(State.TESTCHALLENGE)
        await line.at_rest()
        gate = line.store.of(session, made=True)
        answer = line.committer.move(moves.finalize(session, "CSR"))
        first = await gate.reached()
        question = line.store.gate(lambda call: call.number > first.number and session in call.about, made=True)
        gate.lose()
        await lost(question)
        assert await answer == ["refused", "state is another"]


async def test_who_follows_moves_hears_first_that_answers_were_lost(world: World) -> None:
    """A stage's move counts as made then, though somebody else may have ended its session: nobody knows."""
    async with opened(world, {State.TESTCHALLENGE: lambda _: WAITS}) as line:
        heard: list[str] = []
        line.committer.answers.heard = lambda move: heard.append(move[0])
        session = await line.submit(1, scheduled="True")
        attempt = await line.attempt(State.MAKECHALLENGE)
        await line.at_rest()
        assert await world.store.move(moves.cancel(session, Problem("unauthorized", "no"), KEEP)) == ["ok"]
        heard.clear()
        gate = line.store.of(session, made=True)
        attempt.says(MADE)
        await lost(gate)
        await line.at_rest()
        assert heard[:2] == ["resync", "advance"]
        assert not (await world.whole(session)).live


async def test_both_lanes_work_again_after_an_outage(world: World) -> None:
    """What gathered while the store was asked for what is held is sent in two calls at once."""
    async with opened(world) as line:
        gate = line.store.gate(made=False)
        line.committer.wake()
        resync = line.store.gate(lambda call: call.words == ["resync"], made=False)
        await lost(gate)
        await resync.reached()
        for number in range(1, 301):
            line.committer.add(moves.deliver(sid(number), "sent"))
        await line.at_rest_but(resync)
        gates = [line.store.gate(lambda call: "deliver" in call.words, made=False) for _ in range(2)]
        resync.open()
        assert [len((await gate.reached()).moves) for gate in gates] == [256, 44]
        for gate in gates:
            gate.open()
        await line.at_rest()


async def test_a_failed_attempt_costs_nothing_while_the_store_is_away(world: World) -> None:
    """The stage could not help it."""
    async with opened(world, {State.MAKECHALLENGE: made}) as line:
        session, other = await line.submit(1), await line.submit(2)
        attempts = await line.attempts(State.TESTCHALLENGE, [session, other])
        await line.at_rest()
        gate, again = line.store.of(session, made=False), line.store.of(session, made=False)
        attempts[0].says(WAITS)
        await lost(gate)
        await again.reached()
        attempts[1].raises(StoreUnavailable("away"))
        await line.at_rest_but(again)
        again.open()
        await line.at_rest()
        assert (await world.whole(other)).attempts == 0
        assert await line.places(other) == ["delayed-testchallenge"]


@pytest.mark.parametrize("moment", ["claims", "moves", "outage", "asked again", "both"])
async def test_a_lost_lease_in_any_lane_ends_the_run(world: World, moment: str) -> None:
    """LeaseLost comes out as itself, whichever call meets it."""
    async with opened(world) as line:
        committer = Committer(line.store, world.leases["A"], keep=lambda: KEEP)
        await world.redis.delete(world.keys.groups)
        seen: list[str] = []

        async def run() -> None:
            with pytest.raises(LeaseLost):
                await committer.run()
            seen.append("lost")

        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await dies_at(moment, line, committer, world)
        assert seen == ["lost"]


async def dies_at(moment: str, line: Line, committer: Committer, world: World) -> None:
    """The lease ends while such a call is under way."""
    session = await world.submit(1)
    gate = line.store.gate(made=moment in {"outage", "asked again"})
    if moment == "claims":
        committer.serve(line.runners[State.MAKECHALLENGE])
    else:
        committer.move(moves.deliver(session, "sent"))
    await gate.reached()
    if moment == "both":
        other = line.store.gate(made=False)
        committer.move(moves.deliver("other", "sent"))
        await other.reached()
        await world.dies("A")
        other.open()
    if moment == "asked again":
        again = line.store.gate(lambda call: call.number == 2, made=False)
        gate.lose()
        await again.reached()
        await world.dies("A")
        again.open()
        return
    await world.dies("A")
    (gate.lose if moment == "outage" else gate.open)()
