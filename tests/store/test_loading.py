"""A backup in an empty store: what comes back, what ends with the old life, and the mark of a restore."""

from __future__ import annotations

import time

import pytest

from stages.errors import Refused
from stages.session import State
from stages.store.certificates import next_crl_number
from stages.store.loading import (
    CRL_NUMBERS_A_SECOND,
    Mark,
    check_whole,
    empty,
    is_empty,
    load,
    read_mark,
    settle,
    write_mark,
)
from tests.store.test_dumping import put_back, taken
from tests.store.world import World, snapshot

pytestmark = pytest.mark.anyio


async def test_another_prefix_takes_it(world: World) -> None:
    """What was read without a prefix can be loaded behind one, beside keys of others."""
    await world.submit()
    before = await snapshot(world.redis)
    _, blobs = await taken(world)
    await empty(world.store)
    assert await is_empty(world.store)
    await world.redis.set("other", "1")
    assert not await is_empty(world.store)
    world.store.keys.prefix = "new[*]:"
    assert await is_empty(world.store)
    await put_back(world, blobs)
    assert await snapshot(world.redis) == {"other": "1", **{f"new[*]:{key}": value for key, value in before.items()}}


async def test_what_expired_meanwhile_stays_away(world: World) -> None:
    """A rate limit that is over when the backup is restored is not there any more, and a lease neither."""
    await world.redis.set("rate:x:y", "1", pxat=int(time.time() * 1000) + 5_000)
    await world.redis.set("rate:x:z", "1", pxat=int(time.time() * 1000) + 500_000)
    _, blobs = await taken(world)
    await empty(world.store)
    world.clock.now = time.time() + 60
    for blob in blobs:
        await load(world.store, blob)
    assert await world.redis.keys("rate:*") == [b"rate:x:z"]


async def test_settling_ends_the_old_life(world: World) -> None:
    """No lease is left, the lists of what was in flight are; the CRL number goes far up; what is missing is refused."""
    await world.reach(State.ISSUE)
    for _ in range(7):
        await next_crl_number(world.store, 0)
    found, blobs = await taken(world)
    await put_back(world, blobs)
    before = await snapshot(world.redis)
    assert await settle(world.store, found.counts, 5, 60) == 7 + 60 * CRL_NUMBERS_A_SECOND
    after = await snapshot(world.redis)
    assert before.pop(world.keys.lease("A"))
    assert before | {"crl-number": str(7 + 60 * CRL_NUMBERS_A_SECOND)} == after
    assert world.keys.inflight("A") in after
    assert await next_crl_number(world.store, 0) == 8 + 60 * CRL_NUMBERS_A_SECOND
    await world.redis.lpop("active-requests")
    with pytest.raises(Refused, match="active=0"):
        await settle(world.store, found.counts, 5, 60)


async def test_the_number_of_the_file_counts_too(world: World) -> None:
    """A CRL whose number was higher than the counter's is passed as well."""
    found, blobs = await taken(world)
    await put_back(world, blobs)
    assert await settle(world.store, found.counts, 40, 1) == 40 + CRL_NUMBERS_A_SECOND


async def test_the_mark_outlives_loading(world: World) -> None:
    """The mark of an earlier restore, which is in the backup, does not replace the one of this restore."""
    old = Mark(backup="old", restore="a", made=1, at=2, whole=True)
    await write_mark(world.store, old)
    assert await check_whole(world.store) == old
    _, blobs = await taken(world)
    half = Mark(backup="new", restore="b", made=3, at=4, whole=False)
    await write_mark(world.store, half)
    await empty(world.store)
    assert not await is_empty(world.store)
    for blob in blobs:
        await load(world.store, blob)
    assert await read_mark(world.store) == half
    with pytest.raises(Refused, match="backup new into it was never finished"):
        await check_whole(world.store)


async def test_a_mark_that_cannot_be_read_is_refused(world: World) -> None:
    """It is not taken for no mark."""
    await world.redis.set("restored", "yes")
    with pytest.raises(Refused, match="cannot be read"):
        await check_whole(world.store)
