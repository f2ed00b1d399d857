"""A backup's records: the whole store at one moment, whatever is written meanwhile, and back into an empty one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from stages.errors import Refused, StoreUnavailable
from stages.outcome import Retry
from stages.session import Problem, State
from stages.store import moves
from stages.store.certificates import next_crl_number
from stages.store.dumping import PAUSE, Dumped, Take, dump
from stages.store.loading import (
    empty,
    load,
)
from stages.store.tally import Counts
from tests.store.test_redis_page import accounts_run, full_run
from tests.store.world import Whole, World, sid, snapshot

pytestmark = pytest.mark.anyio


MANY = 400


TWINS = """
local number = redis.call('INCR', 'twin:0')
for twin = 1, tonumber(ARGV[1]) do redis.call('SET', 'twin:' .. twin, number) end
"""


def into(blobs: list[bytes]) -> Take:
    """Keeps records."""

    async def take(blob: bytes) -> None:
        blobs.append(blob)

    return take


async def taken(world: World) -> tuple[Dumped, list[bytes]]:
    """A dump of the world."""
    blobs: list[bytes] = []
    return await dump(world.store, into(blobs)), blobs


async def put_back(world: World, blobs: list[bytes]) -> None:
    """Load records into the emptied store, at the present time: its clock stands in another year."""
    await empty(world.store)
    world.clock.now = time.time()
    for blob in blobs:
        await load(world.store, blob)


async def whole(world: World) -> tuple[Whole, dict[bytes, int]]:
    """Every key with its value, and when each that expires will."""
    ends = {key: await world.redis.pexpiretime(key) for key in await world.redis.keys("*")}
    return await snapshot(world.redis), {key: end for key, end in ends.items() if end != -1}


async def test_everything_comes_back(world: World) -> None:
    """All that a full run leaves behind, with its times of expiry, goes out and comes back the same."""
    await goes_out_and_comes_back(world)


async def test_everything_behind_a_prefix_comes_back(tagged: World) -> None:
    """The same where every key has a prefix."""
    await goes_out_and_comes_back(tagged)


async def goes_out_and_comes_back(world: World) -> None:
    await accounts_run(world)
    await full_run(world)
    before = await whole(world)
    found, blobs = await taken(world)
    assert found.records == len(before[0])
    assert found.counts == Counts(
        active=len(before[0][world.keys.active]),
        quarantined=len(before[0][world.keys.quarantine]),
        certificates=len(before[0][world.keys.certificates]),
        revoked=len(before[0][world.keys.revoked]),
        crl_number=int(str(before[0][world.keys.crl_number])),
    )
    assert len(before[1]) > 3, "nothing expires"
    await put_back(world, blobs)
    assert before == await whole(world)


async def test_a_prefix_is_no_pattern(world: World) -> None:
    """A prefix with the signs of a glob means itself: nobody else's keys are read or removed."""
    await world.redis.set("a*b", "ours")
    await world.redis.set("aXb", "another's")
    world.store.keys.prefix = "a*"
    found, _ = await taken(world)
    assert found.records == 1
    await empty(world.store)
    assert await world.redis.keys("a*") == [b"aXb"]


async def test_several_answers_in_a_row_are_loaded(world: World) -> None:
    """Records are joined to large pieces, and loaded with one call; of large collections nothing is missing."""
    for number in range(1100):
        await world.submit(number, names=[f"{name}.example" for name in range(5 if number else 3000)])
    before = await snapshot(world.redis)
    _, blobs = await taken(world)
    assert len(blobs) > 20
    await put_back(world, [b"".join(blobs)])
    assert await snapshot(world.redis) == before


async def test_bytes_that_are_no_text_come_back(world: World) -> None:
    """A record that somebody has spoilt is packed as it is, also one of a type that is not ours."""
    await world.redis.hset(sid(1), mapping={b"\xff\x00": b"\xc3\x28" * 70_000})
    await world.redis.sadd(sid(2), b"\x80", b"")
    await world.redis.zadd("certificates", {b"\xfe": 0.1, b"": float("inf")})
    dumps = {key: await world.redis.dump(key) for key in (sid(1), "certificates")}
    _, blobs = await taken(world)
    await put_back(world, blobs)
    assert {key: await world.redis.dump(key) for key in dumps} == dumps
    assert await world.redis.smembers(sid(2)) == {b"\x80", b""}


@asynccontextmanager
async def written_to(world: World) -> AsyncIterator[tuple[list[str], anyio.Event]]:
    """Somebody writes as fast as the store takes it: sessions come, move and end; twins get the same number at once."""
    ended: list[str] = []
    begun, stopping = anyio.Event(), anyio.Event()

    async def write() -> None:
        number = 10_000
        while not stopping.is_set():
            number += 1
            await world.redis.eval(TWINS, 0, MANY)
            session = await world.submit(number)
            for claimed in await world.claim(State.MAKECHALLENGE, 2):
                await world.commit(claimed, Retry(9, "later"))
            await world.client(moves.cancel(session, Problem("unauthorized", "no"), 60))
            await next_crl_number(world.store, 0)
            await world.redis.unlink(sid(number - 10_001))
            ended.append(session)
            begun.set()

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        yield ended, begun
        stopping.set()


async def test_one_moment_under_writes(world: World) -> None:
    """Keys that always change together come back together, the counts fit, and a last group is there or is not."""
    for number in range(3000):
        await world.submit(number)
    blobs: list[bytes] = []
    async with written_to(world) as (ended, begun):
        await begun.wait()
        found = await dump(world.store, into(blobs))
        ended_then = len(ended)
    assert found.records > 3000 * 2 + MANY + found.rounds * MANY
    await put_back(world, blobs)
    state = await snapshot(world.redis)
    twins = {str(value) for key, value in state.items() if key.startswith("twin:")}
    assert len(twins) == 1, "keys of two moments"
    number = int(twins.pop())
    assert number in {found.counts.crl_number, found.counts.crl_number + 1}
    assert abs(number - ended_then) <= 3, "the moment is not that of the end of the reading"
    assert int(str(state["crl-number"])) == found.counts.crl_number
    assert len(state["active-requests"]) == found.counts.active
    assert PAUSE / 1000 > found.paused > 0


async def test_writers_are_let_go_when_the_reading_fails(world: World) -> None:
    """Whatever ends a reading in its last round, the writers go on at once."""

    def broken() -> Iterator[float]:
        yield 0.0
        raise ZeroDivisionError

    await world.submit()
    ticks = broken()
    with pytest.raises(ZeroDivisionError):
        await dump(world.store, into([]), lambda: next(ticks))
    with anyio.fail_after(PAUSE / 2000):
        await world.submit(2)


async def test_a_store_that_is_emptied_meanwhile_is_no_backup(world: World) -> None:
    """FLUSHALL in the middle ends the reading."""
    for number in range(200):
        await world.submit(number)
    first: list[Any] = []

    async def take(_: bytes) -> None:
        if not first:
            first.append(await world.redis.flushall())

    with pytest.raises(StoreUnavailable, match="emptied"):
        await dump(world.store, take)


async def test_a_key_of_a_strange_type_is_named(world: World) -> None:
    """What this program never writes cannot be packed, and is not left out silently."""
    await world.redis.xadd("stranger", {"a": "b"})
    with pytest.raises(Refused, match="stranger is a stream"):
        await dump(world.store, into([]))


async def test_long_collections_come_in_pieces(world: World) -> None:
    """Lists and sorted sets that grow with the CA are read piece by piece; nothing is missing or twice."""
    pipe = world.redis.pipeline()
    for start in range(0, 45_000, 5000):
        pipe.rpush("active-requests", *range(start, start + 5000))
        pipe.zadd("certificates", {f"{number:x}": number / 3 for number in range(start, start + 5000)})
    await pipe.execute()
    await world.redis.set("pending-done", "of another type")
    before = await snapshot(world.redis)
    found, blobs = await taken(world)
    assert found.records == len(before) + 4
    await put_back(world, [b"".join(blobs)])
    assert await snapshot(world.redis) == before
