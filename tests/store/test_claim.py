"""Claiming: what is taken, and what becomes of entries that should not be there."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from stages.outcome import Advance, CertificateRecord, Reject, Retry, Wait, Writes
from stages.session import ChallengeData, Delivery, Problem, State
from stages.store import moves
from stages.store.following import moved
from stages.store.records import advanced
from stages.store.store import Claim
from tests.store.world import CHALLENGE, KEEP, NOW, World, diff, places, sid

pytestmark = pytest.mark.anyio

GARBLED = "not of the type that the schema says"


async def test_duplicates_in_a_queue_are_claimed_once(world: World) -> None:
    """An id that stands three times on a queue is taken once, and the entries are gone."""
    session = await world.submit()
    await world.redis.rpush("pending-makechallenge", session, session)
    before = await world.state()
    assert [session] == [claimed.id for claimed in await world.claim(State.MAKECHALLENGE, 2)]
    assert diff(before, await world.state()) == {"pending-makechallenge": None, "inflight:A": [session]}


async def test_an_entry_whose_session_is_in_flight_is_dropped(world: World) -> None:
    """A late duplicate does not give the session to a second worker."""
    session = await world.reach(State.MAKECHALLENGE)
    before = await world.state()
    await world.redis.lpush("pending-makechallenge", session.id)
    assert await world.claim(State.MAKECHALLENGE) == []
    assert before == await world.state()


@pytest.mark.parametrize("entry", ["gone", "dead"])
async def test_an_entry_of_a_dead_or_gone_session_is_dropped(world: World, entry: str) -> None:
    """What is finished costs its queue one entry, and the next entry is taken in its place."""
    if entry == "dead":
        session = await world.submit()
        await world.client(moves.cancel(session, Problem("unauthorized", "no"), KEEP))
    await world.redis.lpush("pending-makechallenge", sid(1))
    good = await world.submit(2)
    assert [good] == [claimed.id for claimed in await world.claim(State.MAKECHALLENGE)]
    assert places(await world.state(), world.keys, sid(1)) == []


async def test_an_entry_of_another_state_is_sent_where_it_belongs(world: World) -> None:
    """A session that lost its place is found on the wrong queue and goes to its own."""
    session = await world.reach(State.TESTCHALLENGE)
    await world.redis.delete("inflight:A")
    await world.redis.lpush("pending-issue", session.id)
    before = await world.state()
    assert await world.claim(State.ISSUE) == []
    changes = {"pending-issue": None, "pending-testchallenge": [session.id]}
    assert changes == diff(before, await world.state())


@pytest.mark.parametrize("place", ["pending", "delayed"])
async def test_an_entry_of_another_state_that_has_its_place_is_dropped(world: World, place: str) -> None:
    """A stray second entry does not put a session in two places."""
    session = await world.reach(State.TESTCHALLENGE)
    if place == "pending":
        await world.fenced(moves.release(session.id, session.state))
    else:
        await world.commit(session, Retry(9, "later"))
    before = await world.state()
    await world.redis.lpush("pending-done", session.id)
    assert await world.claim(State.DONE) == []
    assert before == await world.state()


async def test_an_entry_of_a_waiting_session_is_dropped(world: World) -> None:
    """A session that waits for its client is not put to work by a stray entry."""
    session = await world.reach(State.TESTCHALLENGE)
    await world.commit(session, Wait(NOW + 9))
    before = await world.state()
    await world.redis.lpush("pending-testchallenge", session.id)
    assert await world.claim(State.TESTCHALLENGE) == []
    assert before == await world.state()


@pytest.mark.parametrize("suffix", ["", ":names", ":1"])
async def test_a_key_of_the_wrong_type_is_set_aside(world: World, suffix: str) -> None:
    """One garbled session is set aside with its reason; the next one is taken."""
    session = (await world.reach(State.TESTCHALLENGE)).id
    other = await world.reach(State.TESTCHALLENGE, 2)
    await world.group(moves.release(session, State.TESTCHALLENGE), moves.release(other.id, State.TESTCHALLENGE))
    await world.redis.delete(session + suffix)
    await world.redis.set(session + suffix, "garbage")
    before = await world.state()
    reply = await world.group(claims=[Claim(State.TESTCHALLENGE, 2)])
    assert [other.id] == [claimed.id for claimed in reply.claimed]
    assert [(session, "key", GARBLED)] == [(fault.session, fault.field, fault.why) for fault in reply.garbled]
    assert diff(before, await world.state()) == {
        "pending-testchallenge": None,
        "inflight:A": [other.id],
        "quarantine": [session],
        "active-requests": [other.id],
    }


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("live", "yes", "live"),
        ("state", "unknown", "state"),
        ("created", "yesterday", "created, attempts, waiting, expires or delivered"),
        ("schema", "2", "schema"),
        ("schema", "one", "schema"),
        ("delivery", "lost", "delivery"),
        ("error", "{", "error"),
        ("csr", b"\xff\xfe", "record"),
    ],
)
async def test_a_record_that_cannot_be_read_names_its_field(
    world: World, field: str, value: str | bytes, said: str
) -> None:
    """The garbled one is in flight until it is set aside; the fault names the field and no value."""
    bad, good = await world.submit(1), await world.submit(2)
    await world.redis.hset(bad, field, value)
    reply = await world.group(claims=[Claim(State.MAKECHALLENGE, 2)])
    assert [good] == [claimed.id for claimed in reply.claimed]
    assert [(bad, said)] == [(fault.session, fault.field) for fault in reply.garbled]
    assert await world.fenced(moves.quarantine(bad)) == ["ok"]
    assert (await world.state())["quarantine"] == [bad]


@pytest.mark.parametrize(
    ("field", "value"),
    [("type", "9"), ("type", "x"), ("satisfied", "true"), ("data", "{}"), ("data", "not JSON"), ("challtime", "")],
)
async def test_a_challenge_that_cannot_be_read_names_its_number(world: World, field: str, value: str) -> None:
    """A garbled challenge is a fault of its session alone."""
    session = await world.reach(State.TESTCHALLENGE)
    await world.fenced(moves.release(session.id, session.state))
    await world.redis.hset(f"{session.id}:1", field, value)
    reply = await world.group(claims=[Claim(State.TESTCHALLENGE, 1)])
    assert [(session.id, "1")] == [(fault.session, fault.field) for fault in reply.garbled]


async def test_a_challenge_that_is_missing_is_garbled(world: World) -> None:
    """The count says one, the hash is not there."""
    session = await world.reach(State.TESTCHALLENGE)
    await world.fenced(moves.release(session.id, session.state))
    await world.redis.delete(f"{session.id}:1")
    reply = await world.group(claims=[Claim(State.TESTCHALLENGE, 1)])
    assert [(session.id, "1")] == [(fault.session, fault.field) for fault in reply.garbled]


async def test_an_id_that_is_no_text_is_set_aside(world: World) -> None:
    """Garbage on a queue is set aside, and the queue goes on."""
    good = await world.submit()
    await world.redis.rpush("pending-makechallenge", b"\xff\xfe")
    reply = await world.group(claims=[Claim(State.MAKECHALLENGE, 1)])
    assert [good] == [claimed.id for claimed in reply.claimed]
    assert (await world.state())["quarantine"] == ["\\xff\\xfe"]
    assert (await world.state())["inflight:A"] == [good]


async def test_no_claim_without_a_lease(world: World) -> None:
    """Nothing can be taken into an in-flight list that nobody answers for."""
    await world.submit()
    before = await world.state()
    reply = await world.store.group([], [Claim(State.MAKECHALLENGE, 1)])
    assert reply.claimed == []
    assert before == await world.state()


READY = ChallengeData("token", ready=NOW)


@pytest.mark.parametrize("outcome", [Wait(NOW + 9), Retry(9, "later")], ids=["wait", "retry"])
async def test_a_client_that_moves_while_the_stage_works_is_not_missed(world: World, outcome: Wait | Retry) -> None:
    """The outcome of a stage that has not seen the client's move puts the session back on its queue at once."""
    session = await world.reach(State.TESTCHALLENGE)
    assert await world.client(moves.ready(session.id, 1, CHALLENGE.data, READY)) == ["ok"]
    assert await world.commit(session, outcome) == ["ok"]
    assert places(await world.state(), world.keys, session.id) == ["pending-testchallenge"]
    (again,) = await world.claim(State.TESTCHALLENGE)
    assert again.challenges[0].data == READY
    await world.commit(again, outcome)
    where = "waiting" if isinstance(outcome, Wait) else "delayed-testchallenge"
    assert places(await world.state(), world.keys, session.id) == [where]


async def test_a_client_that_moved_before_the_claim_is_seen_by_it(world: World) -> None:
    """A move that the stage has already seen does not bring the session back once more."""
    session = await world.reach(State.TESTCHALLENGE)
    await world.fenced(moves.release(session.id, session.state))
    await world.client(moves.ready(session.id, 1, CHALLENGE.data, READY))
    (claimed,) = await world.claim(State.TESTCHALLENGE)
    assert claimed.challenges[0].data == READY
    await world.commit(claimed, Retry(9, "later"))
    assert places(await world.state(), world.keys, session.id) == ["delayed-testchallenge"]


async def test_advance_keeps_the_session_for_a_mover_who_goes_on_with_it(world: World) -> None:
    """A session that advances ahead stays in flight for the next stage; what its mover knows is what is on record."""
    session = await world.reach(State.MAKECHALLENGE)
    writes = Writes(fields={"expires": str(NOW + 9)}, challenges=(CHALLENGE,))
    move = moves.ahead(moves.for_outcome(session, Advance(writes), NOW, KEEP))
    reply = await world.group(move, claims=[Claim(State.TESTCHALLENGE, 1)])
    assert (reply.results, reply.claimed, reply.lengths) == ([["ok", "kept"]], [], [0, 0, 0, 0])
    assert places(await world.state(), world.keys, session.id) == ["inflight:A"]
    known = advanced(session, writes, State.TESTCHALLENGE)
    assert replace(await world.whole(session.id), story=session.story) == known


async def test_advances_of_one_session_in_one_group_are_made_in_their_order(world: World) -> None:
    """What was done ahead is committed together, one step after the other."""
    session = await world.reach(State.MAKECHALLENGE)
    first = moves.ahead(moves.for_outcome(session, Advance(Writes(challenges=(CHALLENGE,))), NOW, KEEP))
    following = moves.for_outcome(replace(session, state=State.TESTCHALLENGE), Wait(NOW + 9), NOW, KEEP)
    reply = await world.group(first, following)
    assert reply.results == [["ok", "kept"], ["ok"]]
    assert places(await world.state(), world.keys, session.id) == ["waiting"]


async def test_what_follows_a_refused_advance_is_refused(world: World) -> None:
    """A step that was taken ahead does not outlive the one before it."""
    session = await world.reach(State.MAKECHALLENGE)
    await world.client(moves.cancel(session.id, Problem("malformed", "no more"), KEEP))
    first = moves.ahead(moves.for_outcome(session, Advance(), NOW, KEEP))
    following = moves.for_outcome(replace(session, state=State.TESTCHALLENGE), Wait(NOW + 9), NOW, KEEP)
    reply = await world.group(first, following)
    assert reply.results == [["refused", "not live"], ["refused", "not in flight here"]]
    assert places(await world.state(), world.keys, session.id) == []
    assert (await world.whole(session.id)).state is State.MAKECHALLENGE


async def test_advance_keeps_no_session_whose_client_moved(world: World) -> None:
    """What the client did meanwhile must be read: the session goes through its queue and is claimed as it is."""
    session = await world.reach(State.TESTCHALLENGE)
    assert await world.client(moves.ready(session.id, 1, CHALLENGE.data, READY)) == ["ok"]
    move = moves.ahead(moves.for_outcome(session, Advance(), NOW, KEEP))
    reply = await world.group(move, claims=[Claim(State.ISSUE, 1)])
    assert (reply.results, [s.challenges[0].data for s in reply.claimed]) == ([["ok"]], [READY])


async def test_moves_tell_what_they_made(world: World) -> None:
    """A session as its moves say it is as it is on record: who waits for it need not read it again."""
    session = await world.reach(State.ISSUE)
    assert (await world.fenced(moves.reserve(session.id, "2a", "{}")))[0] == "ok"
    session = await world.whole(session.id)
    fields = {"cert": "PEM", "delivery": Delivery.ISSUED.value, "delivered": str(NOW)}
    record = CertificateRecord("2a", "main", "a.example", "PEM", NOW, NOW + 9, "", session.id, "ff")
    advance = moves.for_outcome(session, Advance(Writes(fields=fields, certificate=record)), NOW, KEEP)
    wait = moves.for_outcome(replace(session, state=State.DONE), Wait(NOW + 9), NOW, KEEP)
    assert (await world.group(moves.ahead(advance), wait)).results == [["ok", "kept"], ["ok"]]
    told = moved(replace(session, serial="", intent=""), [advance, wait])
    assert told is not None
    found = await world.whole(session.id)
    assert replace(found, story=session.story, waiting=0) == replace(told, intent=session.intent)


async def test_moves_that_end_a_session_tell_nothing(world: World) -> None:
    """After a rejection or a retry the record is to be read."""
    session = await world.reach(State.TESTCHALLENGE)
    for outcome in (Retry(9, "later"), Reject(Problem("dns", "no"))):
        assert moved(session, [moves.for_outcome(session, outcome, NOW, KEEP)]) is None


async def stage_fields(world: World, session: str) -> set[str]:
    """Which of the fields that belong to one stage are there."""
    return {"attempts", "nudged"} & {field.decode() for field in await world.redis.hkeys(session)}


@pytest.mark.parametrize("nudged", [False, True], ids=["client is quiet", "client moved"])
@pytest.mark.parametrize("failed", [0, 2])
@pytest.mark.parametrize("ahead", [False, True], ids=["plain", "ahead"])
async def test_an_advance_leaves_nothing_of_the_stage_before(
    world: World,
    *,
    ahead: bool,
    failed: int,
    nudged: bool,
) -> None:
    """Failed attempts and the client's nudge are those of one stage: kept or queued, the next one begins without."""
    session = await world.reach(State.TESTCHALLENGE)
    for _ in range(failed):
        await world.commit(session, Retry(0, "later"))
        (session,) = await world.claim(State.TESTCHALLENGE)
    if nudged:
        assert await world.client(moves.ready(session.id, 1, CHALLENGE.data, READY)) == ["ok"]
    expected = {field for field, there in (("attempts", failed), ("nudged", nudged)) if there}
    assert await stage_fields(world, session.id) == expected
    move = moves.for_outcome(session, Advance(), NOW, KEEP)
    kept = ahead and not nudged
    assert await world.fenced(moves.ahead(move) if ahead else move) == (["ok", "kept"] if kept else ["ok"])
    assert await stage_fields(world, session.id) == set()
    assert places(await world.state(), world.keys, session.id) == ["inflight:A" if kept else "pending-issue"]


async def test_a_claim_brings_what_is_due_in_any_queue_to_its_list(world: World) -> None:
    """Also where no slot is free: the next due time is one to come. A group that claims nothing leaves it there."""
    for number, after in ((1, 5), (2, 9)):
        await world.commit(await world.reach(State.TESTCHALLENGE, number), Retry(after, "later"))
    world.clock.now += 6
    before = await world.state()
    reply = await world.group()
    assert (reply.lengths, reply.delayed, reply.next_due) == ([0] * 4, [0, 2, 0, 0], NOW + 5)
    assert before == await world.state()
    reply = await world.group(claims=[Claim(State.DONE, 1)])
    assert (reply.lengths, reply.delayed, reply.next_due) == ([0, 1, 0, 0], [0, 1, 0, 0], NOW + 9)
    assert diff(before, await world.state()) == {
        "pending-testchallenge": [sid(1)],
        "delayed-testchallenge": {sid(1): None},
    }
