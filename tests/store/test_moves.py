"""Every move: what it changes, to the last key, and what a second one changes: nothing."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from stages.outcome import Advance, Outcome, Reject, Retry, Wait, Writes
from stages.session import ChallengeData, Delivery, Problem, Session, State
from stages.store import moves
from stages.store.moves import Move
from stages.store.records import encode_data
from tests.store.world import CHALLENGE, KEEP, NOW, World, certificate, diff, places, sid

pytestmark = pytest.mark.anyio

READY = ChallengeData("token", ready=NOW)
PROBLEM = Problem("unauthorized", "no proof was found")
ERROR = '{"kind":"unauthorized","detail":"no proof was found"}'


async def test_submit_makes_a_session_of_the_note(world: World) -> None:
    """A new session is the note's hash and list, is active and stands on the first queue."""
    before = await world.state()
    assert await world.client(moves.submit(sid(1), ["a.example", "b.example"], {"account": "me"}, NOW)) == ["ok"]
    assert {
        sid(1): {
            "created": str(NOW),
            "live": "True",
            "state": "makechallenge",
            "challenges": "0",
            "csr": "",
            "cert": "",
            "schema": "1",
            "account": "me",
            "story": f"{NOW} submitted\n",
        },
        f"{sid(1)}:names": ["a.example", "b.example"],
        "active-requests": [sid(1)],
        "pending-makechallenge": [sid(1)],
    } == diff(before, await world.state())


async def test_submit_twice_changes_nothing(world: World) -> None:
    """The same submit sent again is answered as the first, and nothing is made twice."""
    await world.submit()
    before = await world.state()
    await world.submit()
    assert before == await world.state()


async def test_submit_without_names_is_refused_whole(world: World) -> None:
    """A session without names is not half made."""
    before = await world.state()
    assert await world.client(moves.submit(sid(1), [], {}, NOW)) == ["refused", "no names"]
    assert before == await world.state()


async def test_claim_takes_from_the_tail(world: World) -> None:
    """The oldest entry is taken first and is in flight; nothing of the session changes."""
    first, second = await world.submit(1), await world.submit(2)
    before = await world.state()
    (claimed,) = await world.claim(State.MAKECHALLENGE)
    assert await world.whole(first) == claimed
    assert {"pending-makechallenge": [second], "inflight:A": [first]} == diff(before, await world.state())


async def test_advance_writes_fields_and_place_together(world: World) -> None:
    """Fields, challenges, their count, the state and the next queue come in one step."""
    session = await world.reach(State.MAKECHALLENGE)
    before = await world.state()
    outcome = Advance(Writes(fields={"expires": "5"}, challenges=(CHALLENGE,)), note="1 challenge")
    assert await world.commit(session, outcome) == ["ok"]
    assert {
        session.id: {
            "state": "testchallenge",
            "expires": "5",
            "challenges": "1",
            "story": f"{NOW} makechallenge > testchallenge: 1 challenge\n",
        },
        f"{session.id}:1": {
            "challtime": str(NOW),
            "type": "4",
            "name": "a.example",
            "satisfied": "False",
            "failed": "False",
            "data": '{"token":"token"}',
        },
        "inflight:A": None,
        "pending-testchallenge": [session.id],
    } == diff(before, await world.state())


async def test_advance_from_issue_records_the_certificate(world: World) -> None:
    """The certificate is on record, and in the index by expiry, in the same step."""
    session = await world.reach(State.ISSUE)
    before = await world.state()
    writes = Writes(fields={"cert": "PEM"}, certificate=certificate(session, 10))
    assert await world.commit(session, Advance(writes)) == ["ok"]
    assert {
        session.id: {"state": "done", "cert": "PEM", "story": f"{NOW} issue > done\n"},
        "certificate:0a": {
            "serial": "0a",
            "issuer": "ca",
            "names": "a.example",
            "pem": "PEM",
            "not_before": str(NOW),
            "not_after": str(NOW + 86_400),
            "account": "account",
            "session": session.id,
            "spki": "ab" * 32,
        },
        "certificates": {"0a": NOW + 86_400.0},
        "inflight:A": None,
        "pending-done": [session.id],
    } == diff(before, await world.state())


async def test_wait_takes_the_session_out_of_every_list(world: World) -> None:
    """A waiting session costs nothing: it is only its record, with the end of its wait."""
    session = await world.reach(State.TESTCHALLENGE)
    before = await world.state()
    assert await world.commit(session, Wait(NOW + 9, note="waits")) == ["ok"]
    changed = {session.id: {"waiting": str(NOW + 9), "story": f"{NOW} waits\n"}, "inflight:A": None}
    assert changed == diff(before, await world.state())


async def test_retry_delays_and_counts(world: World) -> None:
    """A retry that costs counts an attempt; the session is due on its queue later."""
    session = await world.reach(State.TESTCHALLENGE)
    before = await world.state()
    assert await world.commit(session, Retry(2.5, "no answer")) == ["ok"]
    assert {
        session.id: {"attempts": "1", "story": f"{NOW} testchallenge again later: no answer\n"},
        "inflight:A": None,
        "delayed-testchallenge": {session.id: NOW + 2.5},
    } == diff(before, await world.state())


async def test_retry_that_costs_nothing_counts_nothing(world: World) -> None:
    """A look on a schedule is no failed attempt."""
    session = await world.reach(State.TESTCHALLENGE)
    assert await world.commit(session, Retry(1, "on schedule", costs=False)) == ["ok"]
    assert (await world.whole(session.id)).attempts == 0


async def test_retry_comes_back_when_due(world: World) -> None:
    """What is delayed cannot be claimed before its time, and can from then on; advancing forgets the attempts."""
    session = await world.reach(State.TESTCHALLENGE)
    await world.commit(session, Retry(2.5, "no answer"))
    reply = await world.group()
    assert reply.next_due == NOW + 2.5
    assert await world.claim(State.TESTCHALLENGE) == []
    world.clock.now += 2.5
    (again,) = await world.claim(State.TESTCHALLENGE)
    assert (again.id, again.attempts) == (session.id, 1)
    await world.commit(again, Advance())
    assert (await world.whole(session.id)).attempts == 0


async def test_reject_ends_the_session(world: World) -> None:
    """A rejected session is dead, in no place, says why, and goes by itself after a while."""
    session = await world.reach(State.TESTCHALLENGE)
    before = await world.state()
    failed = replace(CHALLENGE, failed=True)
    assert await world.commit(session, Reject(PROBLEM, Writes(challenges=(failed,)))) == ["ok"]
    assert {
        session.id: {
            "live": "False",
            "error": ERROR,
            "story": f"{NOW} rejected in testchallenge: no proof was found\n",
        },
        f"{session.id}:1": {"failed": "True"},
        "inflight:A": None,
        "finished": {"rejected": "1"},
    } == diff(before, await world.state())
    assert await expiring(world) == {session.id, f"{session.id}:names", f"{session.id}:1"}


async def test_retire_ends_the_session_and_keeps_the_certificate(world: World) -> None:
    """A retired session is dead; its certificate stays on record, with how far it came."""
    session = await world.reach(State.DONE)
    before = await world.state()
    assert await world.commit(session, Advance(note="retired: sent")) == ["ok"]
    assert {
        session.id: {"live": "False", "story": f"{NOW} retired: sent\n"},
        "certificate:01": {"delivery": "issued"},
        "inflight:A": None,
        "finished": {"retired": "1"},
    } == diff(before, await world.state())
    assert await expiring(world) == {session.id, f"{session.id}:names", f"{session.id}:1"}


async def test_retire_does_not_bring_a_forgotten_certificate_back(world: World) -> None:
    """A certificate that was forgotten while its session lived is not half made again."""
    session = await world.reach(State.DONE)
    await world.redis.delete("certificate:01")
    assert await world.commit(session, Advance()) == ["ok"]
    assert not await world.redis.exists("certificate:01")


async def test_release_gives_back_to_the_tail(world: World) -> None:
    """What is given back is the next one taken."""
    session = await world.reach(State.MAKECHALLENGE)
    other = await world.submit(2)
    before = await world.state()
    assert await world.fenced(moves.release(session.id, session.state)) == ["ok"]
    changed = {"inflight:A": None, "pending-makechallenge": [other, session.id]}
    assert changed == diff(before, await world.state())


async def test_reserve_writes_the_intent_and_keeps_the_place(world: World) -> None:
    """The intent is on record before the signature; the session stays in flight."""
    session = await world.reach(State.ISSUE)
    before = await world.state()
    assert await world.fenced(moves.reserve(session.id, "0b", "{}")) == ["ok", "0b", "{}"]
    changed = {session.id: {"serial": "0b", "intent": "{}", "story": f"{NOW} serial 0b reserved\n"}}
    assert changed == diff(before, await world.state())


async def test_quarantine_sets_aside(world: World) -> None:
    """What is set aside is in no other list; its record stays as it was found."""
    session = await world.reach(State.TESTCHALLENGE)
    before = await world.state()
    assert await world.fenced(moves.quarantine(session.id)) == ["ok"]
    changed = {"inflight:A": None, "active-requests": None, "quarantine": [session.id]}
    assert changed == diff(before, await world.state())


async def test_resync_gives_back_what_nobody_holds(world: World) -> None:
    """After a lost reply only what the supervisor knows stays in flight."""
    await world.submit(1), await world.submit(2), await world.submit(3)
    held, lost, dead = await world.claim(State.MAKECHALLENGE, 3)
    assert await world.client(moves.cancel(dead.id, PROBLEM, KEEP)) == ["ok"]
    before = await world.state()
    assert await world.fenced(moves.resync([held.id])) == ["ok", 1]
    changed = {"inflight:A": [held.id], "pending-makechallenge": [lost.id]}
    assert changed == diff(before, await world.state())


async def test_resync_is_seen_by_what_follows_in_its_group(world: World) -> None:
    """What was given back is in flight no more."""
    session = await world.reach(State.TESTCHALLENGE)
    other = await world.reach(State.TESTCHALLENGE, 2)
    release = moves.release(session.id, session.state)
    reply = await world.group(moves.release(other.id, other.state), moves.resync([]), release)
    assert reply.results == [["ok"], ["ok", 1], ["refused", "not in flight here"]]
    assert places(await world.state(), world.keys, session.id) == ["pending-testchallenge"]


async def waiting(world: World, state: State) -> Session:
    session = await world.reach(state)
    assert await world.commit(session, Wait(NOW + 9)) == ["ok"]
    return session


async def test_ready_wakes_the_session(world: World) -> None:
    """The challenge is marked, and the session that waited is on its queue."""
    session = await waiting(world, State.TESTCHALLENGE)
    before = await world.state()
    assert await world.client(moves.ready(session.id, 1, CHALLENGE.data, READY)) == ["ok"]
    assert {
        session.id: {"waiting": None, "story": f"{NOW} challenge 1 said to be ready\n"},
        f"{session.id}:1": {"data": encode_data(READY)},
        "pending-testchallenge": [session.id],
    } == diff(before, await world.state())


async def test_ready_asks_to_read_again_when_the_challenge_changed(world: World) -> None:
    """A challenge that is not as it was read is not written over."""
    session = await waiting(world, State.TESTCHALLENGE)
    before = await world.state()
    other = ChallengeData("another")
    assert await world.client(moves.ready(session.id, 1, other, READY)) == ["changed"]
    assert await world.client(moves.ready(session.id, 2, CHALLENGE.data, READY)) == ["changed"]
    assert before == await world.state()


async def test_ready_brings_a_delayed_session_back(world: World) -> None:
    """A client that moves need not wait for the delay of an earlier try."""
    session = await world.reach(State.TESTCHALLENGE)
    await world.commit(session, Retry(300, "no answer"))
    before = await world.state()
    assert await world.client(moves.ready(session.id, 1, CHALLENGE.data, READY)) == ["ok"]
    assert {
        session.id: {"story": f"{NOW} challenge 1 said to be ready\n"},
        f"{session.id}:1": {"data": encode_data(READY)},
        "delayed-testchallenge": None,
        "pending-testchallenge": [session.id],
    } == diff(before, await world.state())


async def test_finalize_wakes_the_session(world: World) -> None:
    """The CSR is on record, and the session that waited for it is on its queue."""
    session = await waiting(world, State.ISSUE)
    before = await world.state()
    assert await world.client(moves.finalize(session.id, "CSR")) == ["ok"]
    assert {
        session.id: {"csr": "CSR", "waiting": None, "story": f"{NOW} finalized\n"},
        "pending-issue": [session.id],
    } == diff(before, await world.state())


async def test_finalize_keeps_the_first_csr(world: World) -> None:
    """A second CSR is refused."""
    session = await waiting(world, State.ISSUE)
    await world.client(moves.finalize(session.id, "CSR"))
    before = await world.state()
    assert await world.client(moves.finalize(session.id, "another")) == ["refused", "finalized before"]
    assert before == await world.state()


async def test_deliver_wakes_the_session_and_never_goes_back(world: World) -> None:
    """Delivery goes from issued to sent to confirmed, and stays there."""
    session = await waiting(world, State.DONE)
    before = await world.state()
    world.clock.now += 1
    assert await world.client(moves.deliver(session.id, "sent")) == ["ok"]
    at = str(NOW + 1)
    assert {
        session.id: {"delivery": "sent", "delivered": at, "waiting": None, "story": f"{at} delivery sent\n"},
        "pending-done": [session.id],
    } == diff(before, await world.state())
    await world.client(moves.deliver(session.id, "confirmed"))
    before = await world.state()
    assert await world.client(moves.deliver(session.id, "sent")) == ["ok"]
    assert before == await world.state()


async def test_deliver_with_a_time_lets_the_session_wait(world: World) -> None:
    """Where nothing is to be done after it, the stage is not asked; and a confirmed one is never sent again."""
    session = await waiting(world, State.DONE)
    before = await world.state()
    assert await world.client(moves.deliver(session.id, "sent", "", NOW + 99)) == ["ok"]
    line = f"{NOW} delivery sent\n"
    changes = {"delivery": "sent", "waiting": str(NOW + 99), "story": line}
    assert {session.id: changes} == diff(before, await world.state())
    await world.client(moves.deliver(session.id, "confirmed", "", 0))
    (claimed,) = await world.claim(State.DONE)
    before = await world.state()
    assert await world.client(moves.deliver(claimed.id, "sent", "", NOW + 99)) == ["ok"]
    assert before == await world.state()


@pytest.mark.parametrize("step", ["sent", "confirmed"])
async def test_deliver_that_ends_it_retires_a_waiting_session(world: World, step: str) -> None:
    """What the done stage would make of it, in the same step; a second one changes nothing."""
    session = await waiting(world, State.DONE)
    before = await world.state()
    world.clock.now += 1
    at = str(NOW + 1)
    move = moves.deliver(session.id, step, "", retired=(KEEP, "retired: so"))
    assert await world.client(move) == ["ok", "retired"]
    assert moves.made_with(move, ["ok", "retired"]) == ["retire", session.id, KEEP, "retired: so"]
    story = f"{at} delivery {step}\n{at} retired: so\n"
    changes = {"delivery": step, "delivered": at, "live": "False", "waiting": None, "story": story}
    found = diff(before, await world.state())
    assert found.pop(session.id) == changes
    assert found == {"finished": {"retired": "1"}, "certificate:01": {"delivery": step}}
    assert await world.redis.ttl(session.id) == await world.redis.ttl(world.keys.names(session.id)) == KEEP
    before = await world.state()
    assert await world.client(move) == ["ok"]
    assert before == await world.state()


async def test_deliver_that_ends_it_leaves_a_session_in_work_to_its_stage(world: World) -> None:
    """In flight it is nudged, on a queue it stays: the stage retires it when it looks again."""
    await waiting(world, State.DONE)
    await world.client(moves.deliver(sid(1), "sent"))
    move = moves.deliver(sid(1), "confirmed", "", retired=(KEEP, "retired: so"))
    (claimed,) = await world.claim(State.DONE)
    assert await world.client(move) == ["ok"]
    assert moves.made_with(move, ["ok"]) is None
    assert (await world.whole(claimed.id)).live
    assert (await world.whole(claimed.id)).delivery is Delivery.CONFIRMED


@pytest.mark.parametrize("place", ["pending", "delayed", "waiting"])
async def test_cancel_ends_the_session_wherever_it_is(world: World, place: str) -> None:
    """A cancelled session is dead and in no place; its in-flight entry goes with its commit."""
    session = await world.reach(State.TESTCHALLENGE)
    move = {
        "pending": moves.release(session.id, session.state),
        "delayed": moves.for_outcome(session, Retry(9, "later"), NOW, KEEP),
        "waiting": moves.for_outcome(session, Wait(NOW + 9), NOW, KEEP),
    }[place]
    assert await world.fenced(move) == ["ok"]
    before = await world.state()
    assert await world.client(moves.cancel(session.id, PROBLEM, KEEP)) == ["ok"]
    changed: dict[str, Any] = {
        session.id: {"live": "False", "error": ERROR, "story": f"{NOW} cancelled: no proof was found\n"},
        "finished": {"rejected": "1"},
    }
    if place == "waiting":
        changed[session.id]["waiting"] = None
    else:
        changed[f"{place}-testchallenge"] = None
    assert changed == diff(before, await world.state())


async def test_cancel_of_a_session_in_flight_makes_its_commit_void(world: World) -> None:
    """The stage that held it cannot bring it back; its in-flight entry goes."""
    session = await world.reach(State.TESTCHALLENGE)
    await world.client(moves.cancel(session.id, PROBLEM, KEEP))
    before = await world.state()
    assert await world.commit(session, Advance()) == ["refused", "not live"]
    assert diff(before, await world.state()) == {"inflight:A": None}


async def test_cancel_refuses_what_is_issued(world: World) -> None:
    """A certificate that exists cannot be wished away."""
    session = await world.reach(State.DONE)
    before = await world.state()
    assert await world.client(moves.cancel(session.id, PROBLEM, KEEP)) == ["refused", "issued already"]
    assert before == await world.state()


async def test_revoke_is_on_the_list_that_the_crl_is_made_from(world: World) -> None:
    """Time and reason are with the certificate and on the list; the first ones stay."""
    await world.reach(State.DONE)
    before = await world.state()
    assert await world.client(moves.revoke("01", 1, NOW)) == ["ok"]
    assert {"certificate:01": {"revoked": str(NOW), "reason": "1"}, "revoked": {"01": f"{NOW} 1"}} == diff(
        before, await world.state()
    )
    before = await world.state()
    assert await world.client(moves.revoke("01", 4, NOW + 1)) == ["refused", "already"]
    assert await world.client(moves.revoke("ff", 4, NOW)) == ["refused", "unknown"]
    assert before == await world.state()


CLIENT_MOVES: list[tuple[State, Move]] = [
    (State.TESTCHALLENGE, moves.ready(sid(1), 1, CHALLENGE.data, READY)),
    (State.ISSUE, moves.finalize(sid(1), "CSR")),
    (State.DONE, moves.deliver(sid(1), "sent")),
]


@pytest.mark.parametrize(("state", "move"), CLIENT_MOVES, ids=lambda value: value[0] if isinstance(value, list) else "")
async def test_a_client_move_sent_again_changes_nothing(world: World, state: State, move: Move) -> None:
    """A client may repeat itself."""
    await waiting(world, state)
    assert await world.client(move) == ["ok"]
    before = await world.state()
    assert await world.client(move) == ["ok"]
    assert before == await world.state()


@pytest.mark.parametrize(("state", "move"), CLIENT_MOVES, ids=lambda value: value[0] if isinstance(value, list) else "")
async def test_a_client_move_in_another_state_is_refused(world: World, state: State, move: Move) -> None:
    """Each move of a client belongs to one state."""
    other = State.MAKECHALLENGE if state is not State.MAKECHALLENGE else State.DONE
    await world.reach(other)
    before = await world.state()
    assert await world.client(move) == ["refused", "state is another"]
    assert before == await world.state()


def outcomes(session: Session) -> dict[str, Move]:
    """Every fenced move of a session in state testchallenge."""
    made: dict[str, Outcome] = {
        "advance": Advance(Writes(challenges=(replace(CHALLENGE, satisfied=True),))),
        "wait": Wait(NOW + 9, note="waits"),
        "retry": Retry(9, "later"),
        "reject": Reject(PROBLEM),
    }
    found = {name: moves.for_outcome(session, outcome, NOW, KEEP) for name, outcome in made.items()}
    return {**found, "release": moves.release(session.id, session.state)}


FENCED = ["advance", "wait", "retry", "reject", "release"]


@pytest.mark.parametrize("name", FENCED)
async def test_a_second_commit_changes_nothing(world: World, name: str) -> None:
    """The same commit in a later group finds the session gone from here."""
    session = await world.reach(State.TESTCHALLENGE)
    move = outcomes(session)[name]
    assert await world.fenced(move) == ["ok"]
    before = await world.state()
    assert (await world.fenced(move))[0] == "refused"
    assert before == await world.state()


@pytest.mark.parametrize("name", FENCED)
async def test_a_group_sent_again_is_not_made_again(world: World, name: str) -> None:
    """A group whose reply was lost is recognised by its number; it neither moves nor claims."""
    session = await world.reach(State.TESTCHALLENGE)
    await world.group(outcomes(session)[name])
    before = await world.state()
    reply = await world.group(outcomes(session)[name], again=True)
    assert (reply.results, reply.claimed) == (None, [])
    assert before == await world.state()


@pytest.mark.parametrize("name", FENCED)
async def test_a_dead_session_is_not_moved(world: World, name: str) -> None:
    """Nothing brings a dead session back; the entry in flight goes."""
    session = await world.reach(State.TESTCHALLENGE)
    await world.client(moves.cancel(session.id, PROBLEM, KEEP))
    before = await world.state()
    assert await world.fenced(outcomes(session)[name]) == ["refused", "not live"]
    assert diff(before, await world.state()) == {"inflight:A": None}


@pytest.mark.parametrize("name", FENCED)
async def test_a_session_in_another_state_is_not_moved(world: World, name: str) -> None:
    """A mover that believes in another state moves nothing, and the later claim's entry stays."""
    session = await world.reach(State.TESTCHALLENGE)
    await world.commit(session, Advance())
    await world.claim(State.ISSUE)
    before = await world.state()
    assert await world.fenced(outcomes(session)[name]) == ["refused", "state is another"]
    assert before == await world.state()


@pytest.mark.parametrize("name", FENCED)
async def test_what_is_in_flight_with_another_is_not_moved(world: World, name: str) -> None:
    """A supervisor moves only what it has taken itself."""
    session = await world.reach(State.TESTCHALLENGE)
    await world.supervisor("B")
    before = await world.state()
    assert await world.fenced(outcomes(session)[name], by="B") == ["refused", "not in flight here"]
    assert before == await world.state()


@pytest.mark.parametrize("name", [*FENCED, "reserve", "quarantine", "resync"])
async def test_a_fenced_move_needs_a_lease(world: World, name: str) -> None:
    """Without a lease nothing of the supervisor's side is made."""
    session = await world.reach(State.TESTCHALLENGE)
    others = {
        "reserve": moves.reserve(session.id, "0b", "{}"),
        "quarantine": moves.quarantine(session.id),
        "resync": moves.resync([]),
    }
    before = await world.state()
    assert await world.client({**outcomes(session), **others}[name]) == ["error", "needs a lease"]
    assert before == await world.state()


@pytest.mark.parametrize("place", ["queue", "another's", "delayed", "waiting"])
async def test_reserve_of_what_is_not_in_flight_here_is_refused(world: World, place: str) -> None:
    """Only who works on a session can reserve its serial, also where one is reserved already."""
    session = await world.reach(State.ISSUE)
    if place == "another's":
        await world.supervisor("B")
    else:
        moved = {
            "queue": moves.release(session.id, session.state),
            "delayed": moves.for_outcome(session, Retry(9, "later"), NOW, KEEP),
            "waiting": moves.for_outcome(session, Wait(NOW + 9), NOW, KEEP),
        }
        await world.fenced(moves.reserve(session.id, "0a", "first"))
        await world.fenced(moved[place])
    before, by = await world.state(), "B" if place == "another's" else "A"
    assert await world.fenced(moves.reserve(session.id, "0b", "{}"), by=by) == ["refused", "not in flight here"]
    assert before == await world.state()


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (State.TESTCHALLENGE, "state is another"),
        (State.DONE, "state is another"),
    ],
)
async def test_reserve_in_another_state_is_refused(world: World, state: State, why: str) -> None:
    """Serials are reserved in the issue stage only."""
    session = await world.reach(state)
    before = await world.state()
    assert await world.fenced(moves.reserve(session.id, "0b", "{}")) == ["refused", why]
    assert before == await world.state()


async def test_retire_in_another_state_is_refused(world: World) -> None:
    """Only a done session retires."""
    session = await world.reach(State.ISSUE)
    before = await world.state()
    assert await world.commit(replace(session, state=State.DONE), Advance()) == ["refused", "state is another"]
    assert before == await world.state()


async def test_one_bad_move_in_a_group_touches_no_other(world: World) -> None:
    """Refused, failed and unknown moves stand between good ones, and only the good ones are made."""
    await world.submit(1), await world.submit(2), await world.submit(3)
    first, second, third = await world.claim(State.MAKECHALLENGE, 3)
    await world.redis.set(f"{second.id}:1", "of the wrong type")
    before = await world.state()
    reply = await world.group(
        moves.release(first.id, first.state),
        moves.for_outcome(second, Advance(Writes(challenges=(CHALLENGE,))), NOW, KEEP),
        moves.release(sid(9), State.ISSUE),
        ["no such move", third.id],
        moves.for_outcome(third, Retry(9, "later"), NOW, KEEP),
    )
    assert reply.results is not None
    assert [result if result[0] != "error" else "error" for result in reply.results] == [
        ["ok"],
        "error",
        ["refused", "not in flight here"],
        "error",
        ["ok"],
    ]
    assert {
        third.id: {"attempts": "1", "story": f"{NOW} makechallenge again later: later\n"},
        "pending-makechallenge": [first.id],
        "delayed-makechallenge": {third.id: NOW + 9.0},
        "inflight:A": [second.id],
    } == diff(before, await world.state())


async def test_a_move_that_fails_leaves_its_session_in_flight(world: World) -> None:
    """An error in the middle of a move keeps the session in one place, from which it can be set aside."""
    session = await world.reach(State.MAKECHALLENGE)
    await world.redis.set(f"{session.id}:1", "of the wrong type")
    before = await world.state()
    result = await world.commit(session, Advance(Writes(challenges=(CHALLENGE,))))
    assert result[0] == "error"
    assert "WRONGTYPE" in result[1]
    assert before == await world.state()
    assert await world.fenced(moves.quarantine(session.id)) == ["ok"]


async def expiring(world: World) -> set[str]:
    """The keys that go by themselves after `KEEP`."""
    found = set()
    for key in await world.redis.keys("*"):
        ttl = await world.redis.ttl(key)
        if ttl > 0 and not key.startswith(b"supervisor:"):
            assert KEEP - 5 <= ttl <= KEEP
            found.add(key.decode())
    return found
