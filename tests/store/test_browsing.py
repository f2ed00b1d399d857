"""Certificates page by page, rounds through them, and the clocks, on a real server."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stages.store.browsing import by_expiry, ending, unfetched
from stages.store.certificates import count_revoked
from stages.store.clocks import Clocks, bring_earlier, tick
from supervisor.config.notices import Warnings as Limits
from supervisor.warnings.facts import Certificates
from supervisor.warnings.rounds import SHOWN, Rounds
from tests.store.world import NOW, World

pytestmark = pytest.mark.anyio

DAY = 86_400
LIMITS = Limits()


async def put(
    world: World, serial: str, ends: int, names: str = "a.example", *, life: int = 90 * DAY, **fields: str
) -> None:
    """A certificate on record that ends in so many seconds."""
    record = {
        "serial": serial,
        "names": names,
        "not_before": str(NOW + ends - life),
        "not_after": str(NOW + ends),
        "account": "me",
        "session": f"session-{serial}",
        "delivery": "confirmed",
        **fields,
    }
    await world.redis.hset(world.keys.certificate(serial), mapping=record)
    await world.redis.zadd(world.keys.certificates, {serial: NOW + ends})


def serials(found: Sequence[object]) -> list[str]:
    return [getattr(one, "serial", "") for one in found]


async def test_pages_go_from_the_last_to_expire(world: World) -> None:
    """Each page costs the same; what has ended is not on one; what cannot be read is left out."""
    for number, ends in enumerate((5, 4, 3, 2, -1)):
        await put(world, f"{number}", ends * DAY)
    await world.redis.hset(world.keys.certificate("1"), "not_after", "soon")
    first = await by_expiry(world.store, 0, 2, NOW)
    second = await by_expiry(world.store, 2, 2, NOW)
    third = await by_expiry(world.store, 4, 2, NOW)
    assert (serials(first.entries), first.more) == (["0"], True)
    assert (serials(second.entries), second.more) == (["2", "3"], True)
    assert (serials(third.entries), third.more) == ([], False)


async def test_ending_gives_the_next_to_end(world: World) -> None:
    """Between two times, the next first, and no more than asked for."""
    for number, ends in enumerate((-1, 0, 1, 2, 3, 9)):
        await put(world, f"{number}", ends * DAY)
    assert serials(await ending(world.store, NOW, NOW + 3 * DAY, 2)) == ["2", "3"]


async def test_session_knows_better_whether_it_was_fetched(world: World) -> None:
    """A live session's delivery counts; the CA's own certificates are fetched by nobody."""
    await put(world, "1", DAY, delivery="issued")
    await put(world, "2", DAY, delivery="issued")
    await put(world, "3", DAY, delivery="issued", session="")
    await put(world, "4", DAY)
    await world.redis.hset(world.keys.session("session-2"), "delivery", "sent")
    page = await by_expiry(world.store, 0, 9, NOW)
    assert serials(await unfetched(world.store, page.entries)) == ["1"]


@pytest.mark.parametrize("page", [1, 2, 3, 100])
async def test_round_finds_what_was_not_renewed(world: World, page: int) -> None:
    """Near its end, good, and without a later one for the same names of the same account: whatever the page's size."""
    await put(world, "renewed", 5 * DAY, "b.example,a.example")
    await put(world, "renewal", 80 * DAY, "a.example,b.example")
    await put(world, "other-account", 6 * DAY, "c.example")
    await put(world, "not-its-renewal", 80 * DAY, "c.example", account="you")
    await put(world, "alone", 7 * DAY, "d.example")
    await put(world, "replaced", 7 * DAY, "e.example", successor="ff")
    await put(world, "revoked", 7 * DAY, "f.example", revoked=str(NOW))
    await put(world, "short", 3600, "g.example", life=5 * 3600)
    await put(world, "short-and-late", 3600, "h.example", life=7 * 3600)
    await put(world, "door", 3600, "ca.example", session="")
    await put(world, "early", 15 * DAY, "i.example")
    found = await Rounds(world.store, page).whole(LIMITS, NOW)
    assert serials(found.unrenewed) == ["short-and-late", "other-account", "alone"]
    assert found.unrenewed_count == 3


async def test_revoked_renewal_is_none(world: World) -> None:
    """What was revoked replaces nothing."""
    await put(world, "old", 5 * DAY)
    await put(world, "new", 80 * DAY, revoked=str(NOW))
    assert serials((await Rounds(world.store).whole(LIMITS, NOW)).unrenewed) == ["old"]


async def test_round_finds_what_was_never_fetched(world: World) -> None:
    """Older than two days, good, and not sent: the oldest are named, all are counted."""
    for number in range(SHOWN + 3):
        await put(world, f"{number:02}", 50 * DAY - number, life=60 * DAY, delivery="issued")
    await put(world, "young", 89 * DAY, delivery="issued")
    await put(world, "revoked", 50 * DAY, delivery="issued", revoked=str(NOW))
    found = await Rounds(world.store, 7).whole(LIMITS, NOW)
    assert [f"{number:02}" for number in range(SHOWN + 2, 2, -1)] == serials(found.undelivered)
    assert found.undelivered_count == SHOWN + 3


async def test_round_counts_when_it_is_through(world: World) -> None:
    """A look reads a page; the result is that of the last whole round; what is issued meanwhile is counted once."""
    for number in range(4):
        await put(world, f"{number}", (80 - number) * DAY, life=85 * DAY, delivery="issued")
    rounds = Rounds(world.store, 2)
    assert await rounds.look(LIMITS, NOW) is None
    await put(world, "new", 89 * DAY)
    assert await rounds.look(LIMITS, NOW) is None
    found = await rounds.look(LIMITS, NOW)
    assert found is not None
    assert (serials(found.undelivered), found.undelivered_count) == (["3", "2", "1", "0"], 4)
    await world.redis.flushall()
    assert await rounds.look(LIMITS, NOW) == Certificates()


async def test_limits_of_nothing_look_for_nothing(world: World) -> None:
    """A limit of 0 turns its half of a round off."""
    await put(world, "1", 5 * DAY, delivery="issued")
    limits = Limits.model_validate({"undelivered": "0s", "unrenewed": "0s"})
    assert await Rounds(world.store).whole(limits, NOW) == Certificates()


async def test_tick_tells_the_time_before(world: World) -> None:
    """Each look writes its time down and gets the last one."""
    assert (await tick(world.store)).last == 0.0
    world.clock.now += 60
    assert (await tick(world.store)).last == float(NOW)
    await world.redis.set(world.keys.clock, "soon")
    assert (await tick(world.store)).last == 0.0


async def test_difference_of_the_clocks_is_told(world: World) -> None:
    """The server's clock is the real one; ours stands at a time of its own."""
    seconds, _ = await world.redis.time()
    found = await tick(world.store)
    assert found.last == 0.0
    assert found.differs == pytest.approx(seconds - NOW, abs=30)


async def test_clock_that_may_not_be_asked_is_not_known(world: World) -> None:
    """A user without TIME gets no warning, and everything else goes on."""
    await world.redis.execute_command("ACL", "SETUSER", "default", "-time")
    try:
        assert await tick(world.store) == Clocks(0.0, None)
    finally:
        await world.redis.execute_command("ACL", "SETUSER", "default", "+time")


async def test_revoked_are_counted(world: World) -> None:
    """As many as there are in the list."""
    await world.redis.hset(world.keys.revoked, mapping={"1": "1 0", "2": "1 0"})
    assert await count_revoked(world.store) == 2


async def test_what_waits_is_due_earlier_when_the_clock_went_back(world: World) -> None:
    """By as much as the clock went back, never before now; what is due is left alone."""
    for number, key in enumerate(world.keys.delayed):
        later = {f"{number}-far": NOW + 3630.5, f"{number}-near": NOW + 5, f"{number}-due": NOW - 5}
        await world.redis.zadd(key, later)
    many = {f"session-{number}": NOW + 4000 + number for number in range(2500)}
    await world.redis.zadd(world.keys.delayed[0], many)
    assert await bring_earlier(world.store, 3600.0) == 8 + 2500
    for number, key in enumerate(world.keys.delayed):
        found = dict(await world.redis.zrange(key, 0, 2, withscores=True))
        assert found == {
            f"{number}-due".encode(): NOW - 5,
            f"{number}-near".encode(): NOW,
            f"{number}-far".encode(): NOW + 30.5,
        }
    assert await world.redis.zscore(world.keys.delayed[0], "session-2499") == NOW + 400 + 2499
