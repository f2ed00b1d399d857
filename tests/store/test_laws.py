"""The laws of the design at the level of the store: each test tries to break one."""

from __future__ import annotations

import anyio
import pytest

from stages.errors import LeaseLost, StoreUnavailable
from stages.outcome import Advance, Outcome, Reject, Retry, Wait, Writes
from stages.session import ChallengeData, Problem, State
from stages.store import moves
from stages.store.connection import StoreSettings
from stages.store.health import check_store
from stages.store.lease import Lease
from stages.store.store import Claim, Store
from tests.store.world import CHALLENGE, KEEP, NOW, WHO, World, diff, knows, places, sid, snapshot

pytestmark = pytest.mark.anyio


async def test_one_place_at_every_step_of_a_life(world: World) -> None:
    """Law 1: from submit to retirement, and with a detour over every kind of place, there is exactly one place."""
    seen: list[str] = []

    async def look() -> None:
        (place,) = places(await world.state(), world.keys, session)
        seen.append(place)

    session = await world.submit()
    await look()
    for state in State:
        for detour in (Retry(5, "later"), Wait(NOW + 5), None):
            (claimed,) = await world.claim(state)
            await look()
            if isinstance(detour, Wait) and state is State.MAKECHALLENGE:
                assert await world.fenced(moves.release(session, state)) == ["ok"]
            elif detour is not None:
                assert await world.commit(claimed, detour) == ["ok"]
            elif state is State.MAKECHALLENGE:
                assert await world.commit(claimed, Advance(Writes(challenges=(CHALLENGE,)))) == ["ok"]
            elif state is State.ISSUE:
                assert await world.commit(claimed, Advance(Writes(fields={"delivery": "issued"}))) == ["ok"]
            elif state is State.DONE:
                assert await world.commit(claimed, Advance()) == ["ok"]
                break
            else:
                assert await world.commit(claimed, Advance()) == ["ok"]
            await look()
            world.clock.now += 5
            if isinstance(detour, Wait) and state is not State.MAKECHALLENGE:
                client = {
                    State.TESTCHALLENGE: moves.ready(session, 1, CHALLENGE.data, ChallengeData("token", ready=NOW)),
                    State.ISSUE: moves.finalize(session, "CSR"),
                    State.DONE: moves.deliver(session, "sent"),
                }[state]
                assert await world.client(client) == ["ok"]
                await look()
    assert places(await world.state(), world.keys, session) == []
    assert set(seen) == {
        *(f"pending-{state}" for state in State),
        *(f"delayed-{state}" for state in State),
        "inflight:A",
        "waiting",
    }


async def test_a_lost_lease_makes_a_group_change_nothing(world: World) -> None:
    """Law 2: a supervisor whose lease ran out commits and claims nothing: not one byte of the store changes."""
    session = await world.reach(State.MAKECHALLENGE)
    await world.submit(2)
    await world.dies("A")
    before = await snapshot(world.redis)
    outcomes: list[Outcome] = [
        Advance(Writes(challenges=(CHALLENGE,))),
        Retry(1, "x"),
        Reject(Problem("unauthorized", "x")),
    ]
    for outcome in outcomes:
        move = moves.for_outcome(session, outcome, NOW, KEEP)
        with pytest.raises(LeaseLost):
            await world.group(move, claims=[Claim(State.MAKECHALLENGE, 1)])
    assert before == await snapshot(world.redis)


async def test_a_frozen_supervisor_is_fenced_by_its_own_successor(world: World) -> None:
    """Law 2: also when the same id took a new lease, the old one's number no longer counts."""
    session = await world.reach(State.MAKECHALLENGE)
    frozen = world.leases["A"]
    await world.dies("A")
    await world.supervisor("A")
    assert frozen.token != world.leases["A"].token
    before = await snapshot(world.redis)
    move = moves.for_outcome(session, Advance(), NOW, KEEP)
    with pytest.raises(LeaseLost):
        await world.store.group([move], (), frozen, number=99)
    assert before == await snapshot(world.redis)
    assert not await frozen.renew()
    assert not await frozen.yield_()
    assert before == await snapshot(world.redis)


async def test_a_new_lease_counts_its_groups_anew(world: World) -> None:
    """The first group of a new lease is not taken for the last group of the lease before."""
    session = await world.reach(State.MAKECHALLENGE)
    number = int((await world.redis.hget("groups", "A:0")).decode())
    await world.store.group([], (), world.leases["A"], lane=1, number=number)
    await world.dies("A")
    lease = await world.supervisor("A")
    release = moves.release(session.id, session.state)
    assert (await world.store.group([release], (), lease, lane=1, number=1)).results == [["ok"]]
    assert (await world.store.group([release], (), lease, number=number)).results == [["refused", "not in flight here"]]


async def test_numbers_of_a_lane_never_go_back(world: World) -> None:
    """Groups that come late, by connections given up, are not made; neither by itself nor because of one another."""
    lease, submits = world.leases["A"], [moves.submit(sid(n), ["a.example"], {}, NOW) for n in range(4)]
    for number in (1, 2, 3):
        assert (await world.store.group([submits[number]], (), lease, number=number)).results == [["ok"]]
    before = await snapshot(world.redis)
    for number in (1, 2, 3):
        reply = await world.store.group([submits[0]], [Claim(State.MAKECHALLENGE, 9)], lease, number=number)
        assert (reply.results, reply.claimed, reply.lengths) == (None, [], [3, 0, 0, 0])
    assert before == await snapshot(world.redis)


async def test_lanes_count_their_groups_apart(world: World) -> None:
    """A number that one lane has used is new in the other; the sequence grows over both."""
    lease, seen = world.leases["A"], []
    for lane, number in ((0, 1), (1, 1), (1, 2), (0, 2), (1, 3)):
        reply = await world.store.group([], (), lease, lane=lane, number=number)
        assert reply.results == []
        seen.append(reply.sequence)
    assert sorted(set(seen)) == seen


async def test_a_second_supervisor_cannot_start_beside_a_living_one(world: World) -> None:
    """One store has one supervisor, unless it is told otherwise."""
    before = await snapshot(world.redis)
    held = await Lease(world.redis, world.keys, "B", 60).acquire(WHO)
    assert held is not None
    assert (held.id, held.who) == ("A", WHO)
    assert 0 < held.left <= 3_600_000
    assert before == await snapshot(world.redis)


async def test_a_supervisor_known_to_be_dead_is_taken_over_at_once(world: World) -> None:
    """A dead process of this host need not be waited for; what it had in flight stays for recovery."""
    session = await world.reach(State.MAKECHALLENGE)
    lease = Lease(world.redis, world.keys, "B", 60)
    assert await lease.acquire(WHO, dead=["A"]) is None
    state = await world.state()
    assert ("supervisor:A" in state, state["inflight:A"]) == (False, [session.id])
    assert await lease.others() == {"A": WHO}


async def test_a_yielded_lease_leaves_nothing_behind(world: World) -> None:
    """An orderly stop clears the supervisor away."""
    await world.group()
    assert await world.leases["A"].yield_()
    assert await snapshot(world.redis) == {"fencing": "1"}


async def test_reserve_never_gives_two_serials(world: World) -> None:
    """Law 3: of 50 reservations at once the first wins, and all are told its serial and intent."""
    session = await world.reach(State.ISSUE)
    answers: list[tuple[str, ...]] = []

    async def one(lane: int) -> None:
        batch = [moves.reserve(session.id, f"{n:02x}", f'{{"n":{n}}}') for n in range(lane, 50, 2)]
        reply = await world.store.group(batch, (), world.leases["A"], lane=lane, number=1000)
        assert reply.results is not None
        answers.extend(tuple(result) for result in reply.results)

    async with anyio.create_task_group() as group:
        for lane in range(2):
            group.start_soon(one, lane)
    record = await world.whole(session.id)
    assert len(answers) == 50
    assert set(answers) == {("ok", record.serial, record.intent)}


async def test_reserve_is_the_same_after_a_crash(world: World) -> None:
    """Law 3: the next supervisor is told the intent that the dead one wrote."""
    session = await world.reach(State.ISSUE)
    assert await world.fenced(moves.reserve(session.id, "0a", "first")) == ["ok", "0a", "first"]
    await world.fenced(moves.release(session.id, session.state))
    await world.supervisor("B")
    (again,) = await world.claim(State.ISSUE, by="B")
    assert (again.serial, again.intent) == ("0a", "first")
    assert await world.fenced(moves.reserve(session.id, "0b", "second"), by="B") == ["ok", "0a", "first"]


async def test_dead_stays_dead(world: World) -> None:
    """Law 6: no move of any side turns a dead session live or gives it a place."""
    session = await world.reach(State.TESTCHALLENGE)
    ready = ChallengeData("token", ready=NOW)
    assert await world.commit(session, Reject(Problem("unauthorized", "no"))) == ["ok"]
    before = await world.state()
    fenced = [
        moves.for_outcome(session, outcome, NOW, KEEP)
        for outcome in (Advance(), Wait(NOW + 9), Retry(1, "x"), Reject(Problem("unauthorized", "x")))
    ]
    fenced += [moves.release(session.id, session.state), moves.reserve(session.id, "0a", "{}"), moves.resync([])]
    await world.group(*fenced)
    for move in (
        moves.submit(session.id, ["a.example"], {}, NOW),
        moves.ready(session.id, 1, CHALLENGE.data, ready),
        moves.finalize(session.id, "CSR"),
        moves.deliver(session.id, "sent"),
        moves.cancel(session.id, Problem("unauthorized", "x"), KEEP),
    ):
        await world.client(move)
    assert before == await world.state()


async def test_a_call_to_a_store_that_is_away_is_a_passing_fault(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No error of the library comes through."""
    nowhere = tmp_path_factory.mktemp("away") / "s"
    store = Store(StoreSettings(url=f"unix://{nowhere}"), lambda: float(NOW))
    with pytest.raises(StoreUnavailable):
        await store.group([])
    await store.aclose()


async def test_a_lost_lease_is_told_where_the_reply_waits_for_the_disk(clean_store: str, world: World) -> None:
    """Law 4: where the server has WAITAOF, answers and errors with it are the same as without.

    Redis 7.0 has none: the check at start says so, and the program then asks for none.
    """
    waits = (await check_store(world.store)).has_waitaof
    assert waits == await knows(world.redis, "waitaof")
    store = Store(StoreSettings(url=clean_store, wait_aof_timeout=1000 if waits else 0), world.clock)
    session = await world.submit()
    reply = await store.group([], [Claim(State.MAKECHALLENGE, 1)], world.leases["A"], number=7)
    assert [session] == [claimed.id for claimed in reply.claimed]
    await world.dies("A")
    with pytest.raises(LeaseLost):
        await store.group([], (), world.leases["A"], number=8)
    await store.aclose()


async def test_a_full_life_behind_a_prefix_leaves_only_prefixed_keys(tagged: World) -> None:
    """A hash tag holds for every key, those too that the scripts make, so all are in one slot of a cluster."""
    done = await tagged.reach(State.DONE)
    await tagged.commit(done, Advance())
    outcomes: list[Outcome] = [Retry(9, "x"), Wait(NOW + 9), Reject(Problem("unauthorized", "x"))]
    for number, outcome in enumerate(outcomes, 2):
        await tagged.commit(await tagged.reach(State.TESTCHALLENGE, number), outcome)
    await tagged.fenced(moves.quarantine((await tagged.reach(State.TESTCHALLENGE, 6)).id))
    await tagged.client(moves.revoke("01", 1, NOW))
    await tagged.submit(7)
    state = await snapshot(tagged.redis)
    assert [key for key in state if not key.startswith("{ca}:")] == []
    assert {slot("ca")} == {slot(key) for key in state}


async def test_a_prefix_changes_nothing_else(world: World) -> None:
    """Keys that the scripts derive are those of `stages.store.keys`."""
    session = await world.reach(State.DONE)
    await world.client(moves.revoke("01", 1, NOW))
    keys, state = world.keys, await snapshot(world.redis)
    assert set(state) == {
        keys.session(session.id),
        keys.names(session.id),
        keys.challenge(session.id, 1),
        keys.inflight("A"),
        keys.lease("A"),
        keys.certificate("01"),
        keys.active,
        keys.supervisors,
        keys.fencing,
        keys.certificates,
        keys.revoked,
        keys.groups,
    }


def slot(key: str) -> int:
    """The cluster slot of a key: CRC-16/XMODEM of its hash tag, modulo 16,384."""
    start = key.find("{")
    end = key.find("}", start + 1)
    tag = key[start + 1 : end] if start >= 0 and end > start + 1 else key
    crc = 0
    for byte in tag.encode():
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc % 16_384


async def test_an_outage_in_the_middle_leaves_no_half_move(world: World) -> None:
    """A group that was made and whose reply was lost can be sent again; a claim it made is found by resync."""
    session = await world.reach(State.MAKECHALLENGE)
    other = await world.submit(2)
    move = moves.for_outcome(session, Advance(Writes(challenges=(CHALLENGE,))), NOW, KEEP)
    await world.group(move, claims=[Claim(State.MAKECHALLENGE, 1)])
    before = await world.state()
    assert (await world.group(move, again=True)).results is None
    assert await world.fenced(moves.resync([])) == ["ok", 1]
    assert diff(before, await world.state()) == {"inflight:A": None, "pending-makechallenge": [other]}


async def test_a_csr_brings_no_second_intent(world: World) -> None:
    """Law 3: where there is an intent it stays, whatever comes with a CSR."""
    session = await world.submit()
    reserved = {"state": "issue", "csr": "", "serial": "01", "intent": "{}"}
    await world.redis.hset(world.keys.session(session), mapping=reserved)
    assert await world.client(moves.finalize(session, "CSR", "", "02", '{"other": 1}')) == ["ok"]
    found = await world.redis.hmget(world.keys.session(session), "csr", "serial", "intent")
    assert found == [b"CSR", b"01", b"{}"]
