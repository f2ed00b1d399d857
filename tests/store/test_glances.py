"""Bounded looks at sessions and certificates: what each list has, and that a broken record costs only itself."""

from __future__ import annotations

import pytest

from stages.outcome import Retry
from stages.session import Problem, State
from stages.store import moves
from stages.store.expiring import Ending, count_by_expiry, count_expired, ending, last_expiry
from stages.store.glances import Glance, delayed, due_times, glances, in_flight, marks, newest, pending
from stages.store.records import Garbled
from stages.store.store import Claim
from tests.store.world import KEEP, NOW, World, sid

FIELDS = {"csr": "C" * 1000, "thumbprint": "t", "scheduled": "True"}


async def submitted(world: World, count: int) -> list[str]:
    made = [sid(number) for number in range(count)]
    for session in made:
        await world.store.move(moves.submit(session, [f"n{n}.example" for n in range(30)], FIELDS, NOW))
    return made


@pytest.mark.anyio
async def test_lists_have_who_stands_there_in_order(world: World) -> None:
    """Newest first; a queue by who is next; what is in flight; delayed ones by their due time."""
    first, second, third, fourth = await submitted(world, 4)
    assert await newest(world.store, 3) == [fourth, third, second]
    assert await pending(world.store, State.MAKECHALLENGE, 2) == [first, second]
    reply = await world.group(claims=[Claim(State.MAKECHALLENGE, 3)])
    assert {session.id for session in reply.claimed} == {first, second, third}
    assert sorted(await in_flight(world.store, ["A"], 10)) == sorted([first, second, third])
    assert len(await in_flight(world.store, ["A", "B"], 2)) == 2
    for session, after in ((reply.claimed[0], 30.0), (reply.claimed[1], 10.0)):
        await world.group(moves.for_outcome(session, Retry(after, "later"), NOW, KEEP))
    late, soon = reply.claimed[0].id, reply.claimed[1].id
    assert await delayed(world.store, 10) == [soon, late]
    assert await delayed(world.store, 1) == [soon]
    found = [each.session for each in await glances(world.store, [soon, late, third]) if isinstance(each, Glance)]
    assert await due_times(world.store, found) == [NOW + 10.0, NOW + 30.0, 0.0]


@pytest.mark.anyio
async def test_glances_leave_out_what_is_large(world: World) -> None:
    """No CSR and 20 names at the most, with their number; one that is gone is None, one that is broken is Garbled."""
    [session, broken] = await submitted(world, 2)
    await world.redis.hset(broken, "state", "nowhere")
    await world.redis.lpush("strange", "x")
    found = await glances(world.store, [session, sid(99), broken, "strange"])
    glance = found[0]
    assert isinstance(glance, Glance)
    assert (glance.session.id, glance.session.csr, glance.session.state) == (session, "", State.MAKECHALLENGE)
    assert (len(glance.session.names), glance.names_count) == (20, 30)
    assert found[1] is None
    assert [str(each) for each in found[2:]] == [
        str(Garbled(broken, "state", "not one of the four states")),
        str(Garbled("strange", "key", "not of the type that the schema says")),
    ]


@pytest.mark.anyio
async def test_marks_tell_how_the_newest_stand(world: World) -> None:
    """Waiting, dead and unreadable ones are told apart; no more are looked at than are asked for."""
    waits, dead, broken = await submitted(world, 3)
    [claimed] = (await world.group(claims=[Claim(State.MAKECHALLENGE, 1)])).claimed
    assert claimed.id == waits
    await world.redis.hset(waits, mapping={"waiting": str(NOW + 9)})
    await world.store.move(moves.cancel(dead, Problem("unauthorized", "no"), KEEP))
    await world.redis.delete(broken)
    found = [(mark.session, mark.state, mark.live, mark.waiting) for mark in await marks(world.store, 10)]
    assert found == [
        (broken, "", False, False),
        (dead, "makechallenge", False, False),
        (waits, "makechallenge", True, True),
    ]
    assert len(await marks(world.store, 2)) == 2


async def certificate(world: World, serial: str, not_after: int, **fields: str) -> None:
    record = {
        "serial": serial, "issuer": "main", "names": "a.example,b.example", "pem": "P" * 3000, "not_before": str(NOW),
        "not_after": str(not_after), "account": "", "session": sid(1), "spki": "", **fields,
    }  # fmt: skip
    await world.redis.hset(f"certificate:{serial}", mapping=record)
    await world.redis.zadd("certificates", {serial: not_after})


@pytest.mark.anyio
async def test_certificates_are_counted_and_paged_by_expiry(world: World) -> None:
    """Each bar has what ends in it, borders belong to the later one; pages follow one another; revoked ones say so."""
    assert await last_expiry(world.store) == 0
    for number, not_after in enumerate((NOW - 1, NOW, NOW + 99, NOW + 100, NOW + 250)):
        await certificate(world, f"{number:032x}", not_after)
    await certificate(world, f"{5:032x}", NOW + 250, revoked=str(NOW), reason="4", delivery="confirmed")
    assert await count_expired(world.store, NOW) == 1
    assert await last_expiry(world.store) == NOW + 250
    assert await count_by_expiry(world.store, [NOW, NOW + 100, NOW + 200, NOW + 300]) == [2, 1, 2]
    found = await ending(world.store, NOW, NOW + 300, 1, 2)
    assert [each.serial for each in found if isinstance(each, Ending)] == [f"{2:032x}", f"{3:032x}"]
    [last] = await ending(world.store, NOW, NOW + 300, 4, 5)
    assert last == Ending(
        f"{5:032x}", ("a.example", "b.example"), 2, "main", NOW, NOW + 250, "", sid(1), "confirmed", NOW, 4
    )


@pytest.mark.anyio
async def test_a_broken_certificate_costs_its_row_only(world: World) -> None:
    """It comes as Garbled with the field, and the others are there."""
    await certificate(world, "1a", NOW + 1, not_before="soon")
    await certificate(world, "1b", NOW + 2)
    await world.redis.hdel("certificate:1b", "names")
    await certificate(world, "1c", NOW + 3)
    bad, lacking, good = await ending(world.store, NOW, NOW + 9, 0, 9)
    assert str(bad) == str(Garbled("1a", "record", "cannot be read", what="certificate"))
    assert str(lacking) == str(Garbled("1b", "names", "missing", what="certificate"))
    assert isinstance(good, Ending)
