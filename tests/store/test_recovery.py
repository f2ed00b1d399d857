"""Recovery on a real store: each row of the table with the whole state before and after, and a second run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from stages.outcome import Advance, Retry, Wait, Writes
from stages.session import Problem, State
from stages.store import moves
from stages.store.lease import Lease
from stages.store.scanning import Scanner
from supervisor.recovery.decide import Decision, Limits
from supervisor.recovery.scan import Recovery, Report
from tests.store.world import CHALLENGE, KEEP, NOW, World, diff, sid, snapshot

pytestmark = pytest.mark.anyio

LIMITS = Limits(makechallenge=100, testchallenge=1000, issue=1000)
Told = list[tuple[str, str, str]]


async def recover(
    world: World, *, batch: int = 100, dry: bool = False, at: int = NOW, told: Told | None = None
) -> Report:
    def judged(session: str, decision: Decision) -> None:
        if told is not None:
            told.append((session, decision.action.value, decision.row))

    lease: Lease | None = None if dry else world.leases["A"]
    world.clock.now = float(at)
    scanner = Scanner(world.store)
    return await Recovery(scanner, lease, limits=LIMITS, batch=batch, keep=KEEP, now=at, judged=judged).run()


async def in_state(world: World, state: State, by: str = "dead") -> str:
    """A session in flight with a supervisor of this name."""
    session = await world.reach(state)
    if by != "A":
        await world.supervisor(by)
        await world.redis.rename("inflight:A", f"inflight:{by}")
        if by == "dead":
            await world.dies(by)
    return session.id


async def orphaned(world: World) -> str:
    return await in_state(world, State.TESTCHALLENGE)


async def intended(world: World) -> str:
    session = await world.reach(State.ISSUE)
    await world.fenced(moves.reserve(session.id, "0a", "{}"))
    await world.redis.delete("inflight:A")
    return session.id


async def old_and_intended(world: World) -> str:
    session = await intended(world)
    await world.redis.hset(session, "created", str(NOW - 1001))
    return session


async def certified(world: World) -> str:
    session = await world.reach(State.ISSUE)
    await world.redis.hset(session.id, "cert", "PEM")
    await world.fenced(moves.release(session.id, session.state))
    return session.id


async def lost(world: World) -> str:
    session = await in_state(world, State.TESTCHALLENGE, "A")
    await world.redis.delete("inflight:A")
    return session


async def twice_in_its_queue(world: World) -> str:
    session = await world.submit()
    await world.redis.lpush("pending-makechallenge", session)
    return session


async def pending_and_delayed(world: World) -> str:
    session = await world.submit()
    await world.redis.zadd("delayed-makechallenge", {session: NOW + 9})
    return session


async def living_and_pending(world: World) -> str:
    session = await in_state(world, State.MAKECHALLENGE, "A")
    await world.redis.lpush("pending-makechallenge", session)
    return session


async def living_elsewhere_and_pending(world: World) -> str:
    session = await in_state(world, State.MAKECHALLENGE, "B")
    await world.redis.lpush("pending-makechallenge", session)
    return session


async def dead_and_pending(world: World) -> str:
    session = await in_state(world, State.MAKECHALLENGE)
    await world.redis.lpush("pending-makechallenge", session)
    return session


async def waiting_and_pending(world: World) -> str:
    session = await world.reach(State.TESTCHALLENGE)
    await world.commit(session, Wait(NOW + 9))
    await world.redis.lpush("pending-testchallenge", session.id)
    return session.id


async def astray(world: World) -> str:
    session = await world.submit()
    await world.redis.rename("pending-makechallenge", "pending-issue")
    return session


async def wait_over(world: World) -> str:
    session = await world.reach(State.TESTCHALLENGE)
    await world.commit(session, Wait(NOW))
    return session.id


async def old(world: World) -> str:
    session = await world.submit()
    await world.redis.hset(session, "created", str(NOW - 101))
    return session


async def old_and_waiting(world: World) -> str:
    session = await world.reach(State.TESTCHALLENGE)
    await world.commit(session, Wait(NOW + 9))
    await world.redis.hset(session.id, "created", str(NOW - 1001))
    return session.id


async def dead(world: World) -> str:
    session = await world.reach(State.TESTCHALLENGE)
    await world.client(moves.cancel(session.id, Problem("unauthorized", "no"), KEEP))
    await world.redis.lpush("pending-issue", session.id)
    await world.redis.zadd("delayed-done", {session.id: 1})
    return session.id


async def gone(world: World) -> str:
    session = await world.submit()
    await world.redis.delete(session, f"{session}:names")
    return session


async def wrong_type(world: World) -> str:
    session = await world.submit()
    await world.redis.delete(session)
    await world.redis.set(session, "garbage")
    return session


def garbled(field: str, value: str | bytes | None) -> Callable[[World], Awaitable[str]]:
    async def setup(world: World) -> str:
        session = await world.submit()
        await (world.redis.hdel(session, field) if value is None else world.redis.hset(session, field, value))
        return session

    return setup


S = sid(1)
BACK = f"{NOW} recovered: back on "
KILLED = '{"kind":"serverInternal","detail":"ended by recovery: older than '
ASIDE = {"active-requests": None, "pending-makechallenge": None, "quarantine": [S]}

TABLE: list[tuple[Any, str, dict[str, Any]]] = [
    (
        orphaned,
        "in flight with a dead supervisor",
        {S: {"story": BACK + "testchallenge\n"}, "inflight:dead": None, "pending-testchallenge": [S]},
    ),
    (
        intended,
        "state issue with an intent and no certificate",
        {S: {"story": BACK + "issue\n"}, "pending-issue": [S]},
    ),
    (
        old_and_intended,
        "state issue with an intent and no certificate",
        {S: {"story": BACK + "issue\n"}, "pending-issue": [S]},
    ),
    (
        certified,
        "state issue with a certificate on record",
        {
            S: {
                "state": "done",
                "delivery": "issued",
                "delivered": str(NOW),
                "story": f"{NOW} recovered: has its certificate, on to done\n",
            },
            "pending-issue": None,
            "pending-done": [S],
        },
    ),
    (lost, "in no place", {S: {"story": BACK + "testchallenge\n"}, "pending-testchallenge": [S]}),
    (
        twice_in_its_queue,
        "in two places",
        {S: {"story": BACK + "makechallenge\n"}, "pending-makechallenge": [S]},
    ),
    (pending_and_delayed, "in two places", {S: {"story": BACK + "makechallenge\n"}, "delayed-makechallenge": None}),
    (living_and_pending, "in two places", {"pending-makechallenge": None}),
    (living_elsewhere_and_pending, "in two places", {"pending-makechallenge": None}),
    (dead_and_pending, "in flight with a dead supervisor", {"inflight:dead": None}),
    (waiting_and_pending, "in two places", {"pending-testchallenge": None}),
    (
        astray,
        "on the queue of another state",
        {S: {"story": BACK + "makechallenge\n"}, "pending-issue": None, "pending-makechallenge": [S]},
    ),
    (
        wait_over,
        "its wait for the client is over",
        {
            S: {"waiting": None, "story": f"{NOW} wait for the client ended: back on testchallenge\n"},
            "pending-testchallenge": [S],
        },
    ),
    (
        old,
        "older than its state allows",
        {
            S: {
                "live": "False",
                "error": KILLED + '100 s in state makechallenge"}',
                "story": f"{NOW} ended: too old for makechallenge\n",
            },
            "active-requests": None,
            "pending-makechallenge": None,
            "finished": {"rejected": "1"},
        },
    ),
    (
        old_and_waiting,
        "older than its state allows",
        {
            S: {
                "live": "False",
                "waiting": None,
                "error": KILLED + '1000 s in state testchallenge"}',
                "story": f"{NOW} ended: too old for testchallenge\n",
            },
            "active-requests": None,
            "finished": {"rejected": "1"},
        },
    ),
    (dead, "dead", {"active-requests": None, "pending-issue": None, "delayed-done": None, "inflight:A": None}),
    (gone, "gone", {"active-requests": None, "pending-makechallenge": None}),
    (wrong_type, "unreadable", ASIDE),
    (garbled("live", None), "unreadable", ASIDE),
    (garbled("live", "true"), "unreadable", ASIDE),
    (garbled("state", None), "unreadable", ASIDE),
    (garbled("state", "4"), "unreadable", ASIDE),
    (garbled("created", None), "unreadable", ASIDE),
    (garbled("created", "yesterday"), "unreadable", ASIDE),
    (garbled("waiting", "soon"), "unreadable", ASIDE),
    (garbled("state", b"\xff\xfe"), "unreadable", ASIDE),
    (garbled("schema", "2"), "from a newer version", ASIDE),
]


@pytest.mark.parametrize(("setup", "row", "changes"), TABLE)
async def test_a_row_of_the_table(
    world: World, setup: Callable[[World], Awaitable[str]], row: str, changes: dict[str, Any]
) -> None:
    """What is found is put right in one run, to the last key; a dry run and the second run change nothing."""
    await setup(world)
    before = await world.state()
    dry = await recover(world, dry=True)
    assert before == await world.state()
    report = await recover(world)
    assert changes == diff(before, await world.state())
    assert Counter({row: 1}) == report.rows == dry.rows
    after = await snapshot(world.redis)
    again = await recover(world)
    assert after == await snapshot(world.redis)
    assert again.changed() == 0


async def pending(world: World) -> None:
    await world.submit()


async def delayed(world: World) -> None:
    await world.commit(await world.reach(State.TESTCHALLENGE), Retry(9, "later"))


async def in_flight(world: World) -> None:
    await in_state(world, State.TESTCHALLENGE, "A")


async def in_flight_with_another(world: World) -> None:
    await in_state(world, State.TESTCHALLENGE, "B")


async def waiting(world: World) -> None:
    await world.commit(await world.reach(State.ISSUE), Wait(NOW + 9))


async def done_for_long(world: World) -> None:
    session = await world.reach(State.DONE)
    await world.commit(session, Wait(NOW + 9))
    await world.redis.hset(session.id, "created", "1")


@pytest.mark.parametrize(
    ("setup", "row"),
    [
        (pending, "where it belongs"),
        (delayed, "where it belongs"),
        (in_flight, "where it belongs"),
        (in_flight_with_another, "where it belongs"),
        (waiting, "waiting for its client"),
        (done_for_long, "waiting for its client"),
    ],
)
async def test_what_is_where_it_belongs_is_left(
    world: World, setup: Callable[[World], Awaitable[None]], row: str
) -> None:
    """Recovery changes not one byte of a store that is in order."""
    await setup(world)
    before = await snapshot(world.redis)
    told: Told = []
    report = await recover(world, told=told)
    assert (Counter({row: 1}), 0, []) == (report.rows, report.changed(), told)
    assert before == await snapshot(world.redis)


async def test_an_old_session_with_an_intent_is_not_killed(world: World) -> None:
    """A certificate may exist for a serial that is reserved, so the session goes on, however old it is."""
    session = await old_and_intended(world)
    await recover(world)
    assert (await world.whole(session)).live


async def test_one_garbled_session_does_not_stop_the_rest(world: World) -> None:
    """Of many sessions, each is dealt with by itself, and each finding is told once."""
    ids = [await world.submit(n) for n in range(1, 9)]
    await world.redis.delete("pending-makechallenge", ids[0], ids[3])
    await world.redis.set(ids[0], "garbage")
    await world.redis.hset(ids[1], "live", b"\xff")
    await world.redis.hset(ids[2], "schema", "99")
    await world.redis.delete(ids[3])
    told: Told = []
    report = await recover(world, batch=3, told=told)
    state = await world.state()
    assert (report.seen, report.dropped) == (8, 1)
    assert report.rows == {"unreadable": 2, "from a newer version": 1, "gone": 1, "in no place": 4}
    assert set(ids[:3]) == set(state["quarantine"])
    assert list(reversed(ids[4:])) == state["active-requests"]
    assert set(ids[4:]) == set(state["pending-makechallenge"])
    assert len(told) == 7


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 100])
async def test_every_session_is_seen_once_whatever_the_batch(world: World, batch: int) -> None:
    """Batches walk the list once round, and its order stays."""
    for n in range(7):
        await world.submit(n)
    before = await snapshot(world.redis)
    steps = []
    recovery = Recovery(
        Scanner(world.store),
        world.leases["A"],
        limits=LIMITS,
        batch=batch,
        keep=KEEP,
        now=NOW,
        progress=lambda done, total: steps.append((done, total)),
    )
    report = await recovery.run()
    assert (7, Counter({"where it belongs": 7})) == (report.seen, report.rows)
    assert before == await snapshot(world.redis)
    assert [(min(batch * n, 7), 7) for n in range(1, -(-7 // batch) + 1)] == steps


async def test_the_largest_batch_loses_nothing(world: World) -> None:
    """Ten thousand sessions in one call are more than Lua can unpack at once."""
    session = await world.submit()
    await world.redis.lpush("active-requests", *([session] * 9_999))
    await recover(world, batch=10_000)
    assert await world.redis.llen("active-requests") == 10_000


async def test_the_sweep_drops_finished_sessions(world: World) -> None:
    """active-requests forgets what is finished; the record stays to be looked at."""
    finished = await world.reach(State.DONE)
    await world.commit(finished, Advance())
    living = await world.submit(2)
    before = await world.state()
    report = await recover(world)
    assert (report.seen, report.dropped) == (2, 1)
    assert {"active-requests": [living]} == diff(before, await world.state())


async def test_a_session_outside_active_requests_is_found_in_its_list(world: World) -> None:
    """What stands in a list only is decided about as well."""
    dead_one = await dead(world)
    orphan = (await world.reach(State.TESTCHALLENGE, 2)).id
    await world.supervisor("dead")
    await world.redis.lpush("inflight:dead", orphan)
    await world.redis.lrem("inflight:A", 0, orphan)
    await world.dies("dead")
    fine = await world.submit(3)
    await world.redis.delete("active-requests")
    await recover(world)
    state = await world.state()
    assert [orphan] == state["pending-testchallenge"]
    assert [fine] == state["pending-makechallenge"]
    assert not {"inflight:A", "inflight:dead", "pending-issue", "delayed-done"} & set(state)
    assert not (await world.whole(dead_one)).live
    after = await snapshot(world.redis)
    await recover(world)
    assert after == await snapshot(world.redis)


async def test_a_supervisor_that_came_meanwhile_keeps_what_it_took(world: World) -> None:
    """Who lives is looked up where the decision is carried out, not when it was made."""
    session = await lost(world)
    scanner = Scanner(world.store)
    decision = (session, "requeue", "testchallenge", "")
    await world.supervisor("B")
    await world.redis.lpush("inflight:B", session)
    before = await world.state()
    assert await scanner.carry_out([decision], world.leases["A"], keep=KEEP) == ["done"]
    assert before == await world.state()


@pytest.mark.parametrize("action", ["requeue", "kill", "advance"])
async def test_a_session_that_moved_since_it_was_read_is_left(world: World, action: str) -> None:
    """A decision about another state than the present one is not carried out."""
    session = await world.submit()
    before = await world.state()
    scanner = Scanner(world.store)
    done = await scanner.carry_out([(session, action, "issue", "{}")], world.leases["A"], keep=KEEP)
    assert done == ["state changed"]
    assert before == await world.state()


@pytest.mark.parametrize("action", ["kill", "advance"])
async def test_a_session_that_was_taken_since_it_was_read_is_left(world: World, action: str) -> None:
    """What is at work now is not ended or moved under its stage."""
    session = await world.reach(State.ISSUE)
    before = await world.state()
    done = await Scanner(world.store).carry_out([(session.id, action, "issue", "{}")], world.leases["A"], keep=KEEP)
    assert done == ["in place now"]
    assert before == await world.state()


async def test_a_live_session_is_not_dropped(world: World) -> None:
    """A decision to drop is looked at again."""
    session = await world.submit()
    before = await world.state()
    done = await Scanner(world.store).carry_out([(session, "drop", "", "")], world.leases["A"], keep=KEEP)
    assert done == ["state changed"]
    assert before == await world.state()


async def test_after_a_crash_everything_goes_on(world: World) -> None:
    """A supervisor dies with sessions in every stage in flight; its successor finishes all of them."""
    await world.supervisor("dead")
    ids = [await world.submit(n) for n in range(1, 7)]
    moved = await world.claim(State.MAKECHALLENGE, 6, by="dead")
    for session in moved[:4]:
        await world.commit(session, Advance(Writes(challenges=(CHALLENGE,))), by="dead")
    moved = await world.claim(State.TESTCHALLENGE, 4, by="dead")
    for session in moved[:2]:
        await world.commit(session, Advance(), by="dead")
    moved = await world.claim(State.ISSUE, 2, by="dead")
    await world.fenced(moves.reserve(moved[0].id, "0a", "{}"), by="dead")
    await world.dies("dead")
    report = await recover(world)
    assert report.changed() == 6
    for state in State:
        for session in await world.claim(state, 6):
            assert await world.commit(session, Advance()) == ["ok"]
    assert [(await world.whole(session)).live for session in ids] == [False] * 6
    assert (await world.state())["finished"] == {"retired": "6"}
    assert "inflight:dead" not in await world.state()
