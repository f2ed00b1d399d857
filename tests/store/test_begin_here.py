"""A client's `ready` or `finalize` whose mover would begin the stage at once: kept in flight there, or as any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from stages.outcome import Advance, Retry, Wait, Writes
from stages.session import ChallengeData, Problem, Session, State
from stages.store import moves
from stages.store.moves import Move
from stages.store.records import encode_data
from stages.store.store import Claim
from tests.store.world import CHALLENGE, KEEP, NOW, World, diff, places, sid

pytestmark = pytest.mark.anyio

KEPT = ["ok", "kept"]
Flags = tuple[bool, ...]
READY = ChallengeData("token", ready=NOW)
NO = Problem("unauthorized", "no")
SAID = f"{NOW} challenge 1 said to be ready\n"
INTENT = '{"first":1}'


async def waits(world: World, state: State, satisfied: Flags = (False,)) -> Session:
    """A session that waits in this state, with such challenges."""
    session = await world.reach(State.MAKECHALLENGE)
    challenges = tuple(replace(CHALLENGE, n=n, satisfied=flag) for n, flag in enumerate(satisfied, 1))
    for _ in range(list(State).index(state)):
        assert await world.commit(session, Advance(Writes(challenges=challenges))) == ["ok"]
        (session,) = await world.claim(list(State)[list(State).index(session.state) + 1])
    assert await world.commit(session, Wait(NOW + 9)) == ["ok"]
    return await world.whole(session.id)


def ready(session: Session, believed: Flags | None = None) -> Move:
    """Its first challenge is ready, and the mover would begin; `believed` is what it takes for proven."""
    flags = believed if believed is not None else tuple(c.satisfied for c in session.challenges)
    becomes = replace(session, challenges=tuple(replace(CHALLENGE, satisfied=flag) for flag in flags))
    return moves.begun(moves.ready(session.id, 1, CHALLENGE.data, READY), becomes)


def finalize(session: Session) -> Move:
    """Its CSR comes, and the mover would begin."""
    return moves.begun(moves.finalize(session.id, "CSR", "", "0a", INTENT), session)


STATES: dict[object, State] = {ready: State.TESTCHALLENGE, finalize: State.ISSUE}


async def test_ready_keeps_a_waiting_session_in_flight(world: World) -> None:
    """The challenge is marked, and the session that waited is in flight, in no queue."""
    session = await waits(world, State.TESTCHALLENGE)
    before = await world.state()
    assert await world.fenced(ready(session)) == KEPT
    assert {
        session.id: {"waiting": None, "story": SAID},
        f"{session.id}:1": {"data": encode_data(READY)},
        "inflight:A": [session.id],
    } == diff(before, await world.state())


async def test_finalize_keeps_a_waiting_session_in_flight(world: World) -> None:
    """CSR, serial and intent are on record, and the session is in flight, in no queue."""
    session = await waits(world, State.ISSUE)
    before = await world.state()
    assert await world.fenced(finalize(session)) == KEPT
    story = f"{NOW} finalized\n{NOW} serial 0a reserved\n"
    assert {
        session.id: {"csr": "CSR", "serial": "0a", "intent": INTENT, "waiting": None, "story": story},
        "inflight:A": [session.id],
    } == diff(before, await world.state())


@pytest.mark.parametrize("which", [ready, finalize])
async def test_a_second_one_changes_nothing_and_is_not_kept(world: World, which: Callable[[Session], Move]) -> None:
    """Whoever asks again, as after a lost reply, is not told that the session is its own."""
    session = await waits(world, STATES[which])
    move = which(session)
    reply = await world.group(move, move)
    assert reply.results == [KEPT, ["ok"]]
    before = await world.state()
    assert await world.fenced(move) == ["ok"]
    assert (await world.group(move, again=True)).results is None
    assert before == await world.state()
    assert places(before, world.keys, session.id) == ["inflight:A"]


@pytest.mark.parametrize("which", [ready, finalize])
async def test_nothing_is_kept_for_who_has_no_lease(world: World, which: Callable[[Session], Move]) -> None:
    """The command line works on nothing: the session goes to its queue."""
    session = await waits(world, STATES[which])
    assert await world.client(which(session)) == ["ok"]
    assert places(await world.state(), world.keys, session.id) == [f"pending-{session.state}"]


@pytest.mark.parametrize("count", [2, 11])
async def test_what_is_proven_as_the_mover_believes_is_kept(world: World, count: int) -> None:
    """Any number of challenges, each satisfied or not on both sides."""
    session = await waits(world, State.TESTCHALLENGE, (False,) * (count - 1) + (True,))
    assert await world.fenced(ready(session)) == KEPT
    assert places(await world.state(), world.keys, session.id) == ["inflight:A"]


@pytest.mark.parametrize(
    ("satisfied", "believed"),
    [
        ((False, True), (False, False)),
        ((False, False), (False, True)),
        ((True, False), (False, True)),
        ((False, False), (False,)),
        ((False,), (False, False)),
        ((False,), ()),
        ((False,) * 10 + (True,), (False,) * 11),
    ],
)
async def test_what_is_proven_otherwise_goes_to_its_queue(world: World, satisfied: Flags, believed: Flags) -> None:
    """The move is made, and whoever claims the session reads what is on record."""
    session = await waits(world, State.TESTCHALLENGE, satisfied)
    before = await world.state()
    assert await world.fenced(ready(session, believed)) == ["ok"]
    assert {
        session.id: {"waiting": None, "story": SAID},
        f"{session.id}:1": {"data": encode_data(READY)},
        "pending-testchallenge": [session.id],
    } == diff(before, await world.state())


async def test_a_csr_for_other_proofs_than_those_on_record_goes_to_its_queue(world: World) -> None:
    """No proof no certificate: the mover takes a challenge for proven that is not."""
    session = await waits(world, State.ISSUE, (True, False))
    believes = replace(session, challenges=tuple(replace(c, satisfied=True) for c in session.challenges))
    assert await world.fenced(finalize(believes)) == ["ok"]
    assert places(await world.state(), world.keys, session.id) == ["pending-issue"]
    assert [c.satisfied for c in (await world.whole(session.id)).challenges] == [True, False]


PLACES: dict[str, dict[str, Any]] = {
    "queue": {sid(1): {"nudged": "1"}},
    "delayed": {"delayed-testchallenge": None, "pending-testchallenge": [sid(1)], sid(1): {}},
    "in flight here": {sid(1): {"nudged": "1"}},
    "in flight at another's": {sid(1): {"nudged": "1"}},
}


@pytest.mark.parametrize("place", PLACES)
async def test_a_session_that_does_not_wait_is_moved_as_ever(world: World, place: str) -> None:
    """It stays where it is, or comes to its queue: in one place, which is not the mover's."""
    session = await world.reach(State.TESTCHALLENGE)
    if place == "queue":
        assert await world.fenced(moves.release(session.id, session.state)) == ["ok"]
    elif place == "delayed":
        assert await world.commit(session, Retry(300, "later")) == ["ok"]
    await world.supervisor("B")
    before = await world.state()
    assert await world.fenced(ready(session), by="B" if place == "in flight at another's" else "A") == ["ok"]
    expected = {f"{session.id}:1": {"data": encode_data(READY)}, **PLACES[place]}
    expected[session.id] = {"story": SAID, **expected[session.id]}
    assert expected == diff(before, await world.state())


@pytest.mark.parametrize(("data", "answer"), [(ChallengeData("another"), ["changed"]), (READY, ["ok"])])
async def test_ready_that_writes_nothing_keeps_nothing(world: World, data: ChallengeData, answer: list[str]) -> None:
    """A challenge that is another by now, or is ready already: not one byte changes."""
    session = await waits(world, State.TESTCHALLENGE)
    await world.redis.hset(world.keys.challenge(session.id, 1), "data", encode_data(data))
    before = await world.state()
    assert await world.fenced(ready(session)) == answer
    assert before == await world.state()


@pytest.mark.parametrize("why", ["not live", "state is another", "finalized before", "blocked"])
async def test_what_is_refused_keeps_nothing(world: World, why: str) -> None:
    """Dead stays dead, and the first CSR stays: not one byte changes."""
    session = await waits(world, State.TESTCHALLENGE if why == "state is another" else State.ISSUE)
    move = finalize(session)
    if why == "not live":
        assert await world.client(moves.cancel(session.id, NO, KEEP)) == ["ok"]
    elif why == "finalized before":
        assert await world.client(moves.finalize(session.id, "another")) == ["ok"]
    elif why == "blocked":
        move[3] = "ab" * 32
        await world.redis.hset(f"{world.keys.prefix}blocked-keys", move[3], f"{NOW} 01")
    before = await world.state()
    assert await world.fenced(move) == ["refused", why]
    if why == "not live":
        assert await world.fenced(ready(session)) == ["refused", why]
    assert before == await world.state()


async def test_an_intent_on_record_stays_and_is_not_the_movers(world: World) -> None:
    """A session never has two serials: the mover knows only its own, so the session goes to its queue."""
    session = await world.reach(State.ISSUE)
    assert (await world.fenced(moves.reserve(session.id, "0b", '{"earlier":0}')))[0] == "ok"
    assert await world.commit(session, Wait(NOW + 9)) == ["ok"]
    before = await world.state()
    assert await world.fenced(finalize(session)) == ["ok"]
    assert {
        session.id: {"csr": "CSR", "waiting": None, "story": f"{NOW} finalized\n"},
        "pending-issue": [session.id],
    } == diff(before, await world.state())


async def test_what_is_kept_is_the_movers_alone(world: World) -> None:
    """Nobody claims it, not in the same call either, no other supervisor moves it, and the mover does."""
    session = await waits(world, State.TESTCHALLENGE)
    await world.supervisor("B")
    reply = await world.group(ready(session), claims=[Claim(State.TESTCHALLENGE, 9)])
    assert (reply.results, reply.claimed, reply.lengths) == ([KEPT], [], [0, 0, 0, 0])
    assert await world.claim(State.TESTCHALLENGE, 9, by="B") == []
    outcome = moves.for_outcome(session, Advance(), NOW, KEEP)
    assert await world.fenced(outcome, by="B") == ["refused", "not in flight here"]
    assert await world.fenced(outcome) == ["ok"]
    assert places(await world.state(), world.keys, session.id) == ["pending-issue"]


async def test_what_is_kept_and_held_by_nobody_goes_back(world: World) -> None:
    """After a lost reply, `resync` puts it on the queue of its state."""
    session = await waits(world, State.TESTCHALLENGE)
    reply = await world.group(ready(session), moves.resync([session.id]), moves.resync([]))
    assert reply.results == [KEPT, ["ok", 0], ["ok", 1]]
    assert places(await world.state(), world.keys, session.id) == ["pending-testchallenge"]


async def test_what_is_cancelled_after_it_was_kept_is_dead(world: World) -> None:
    """What its stage says is refused, and changes nothing but its place: it has none."""
    session = await waits(world, State.ISSUE)
    assert await world.fenced(finalize(session)) == KEPT
    assert await world.client(moves.cancel(session.id, NO, KEEP)) == ["ok"]
    before = await world.state()
    assert await world.commit(session, Advance(Writes(fields={"cert": "PEM"}))) == ["refused", "not live"]
    assert diff(before, await world.state()) == {"inflight:A": None}


async def test_a_client_that_moves_after_its_session_was_kept_is_not_missed(world: World) -> None:
    """A second challenge becomes ready while the first is tested: the session comes back instead of waiting."""
    session = await waits(world, State.TESTCHALLENGE, (False, False))
    second = moves.ready(session.id, 2, CHALLENGE.data, READY)
    wait = moves.for_outcome(session, Wait(NOW + 9), NOW, KEEP)
    reply = await world.group(ready(session), second, wait)
    assert reply.results == [KEPT, ["ok"], ["ok"]]
    assert places(await world.state(), world.keys, session.id) == ["pending-testchallenge"]
    assert (await world.whole(session.id)).waiting == 0
