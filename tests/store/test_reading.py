"""What people and the front door read, and what the store says of itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from stages.outcome import Advance, Retry
from stages.session import Session, State
from stages.store import moves
from stages.store.connection import StoreSettings
from stages.store.health import check_store
from stages.store.reading import Overview, each_session, overview, quarantined, read_whole
from stages.store.records import Garbled
from stages.store.store import Store
from tests.store.world import CHALLENGE, World, knows, sid

pytestmark = pytest.mark.anyio


async def test_a_whole_session_has_names_and_challenges(world: World) -> None:
    """What the claim gives and what is read are the same."""
    session = await world.reach(State.TESTCHALLENGE)
    found = await read_whole(world.store, session.id)
    assert session == found
    assert session.challenges == (CHALLENGE,)
    assert await read_whole(world.store, sid(9)) is None


@pytest.mark.parametrize(
    ("key", "field", "value", "said"),
    [
        ("", None, None, "key"),
        (":names", None, None, "key"),
        (":1", None, None, "key"),
        ("", "csr", b"\xff", "record"),
        ("", "challenges", "many", "challenges"),
        ("", "state", "x", "state"),
        (":1", "type", "x", "1"),
    ],
)
async def test_a_garbled_session_is_told_as_such(
    world: World, key: str, field: str | None, value: str | bytes | None, said: str
) -> None:
    """Reading one raises Garbled with what is wrong, never anything else."""
    session = await world.reach(State.TESTCHALLENGE)
    if field is None:
        await world.redis.delete(session.id + key)
        await world.redis.set(session.id + key, "garbage")
    else:
        await world.redis.hset(session.id + key, field, value)
    with pytest.raises(Garbled) as raised:
        await read_whole(world.store, session.id)
    assert (session.id, said) == (raised.value.session, raised.value.field)


async def collect(items: AsyncIterator[Session | Garbled]) -> list[tuple[str, str]]:
    return [(item.session, item.field) if isinstance(item, Garbled) else (item.id, item.state) async for item in items]


async def test_every_session_is_listed_the_newest_first(world: World) -> None:
    """One that cannot be read is told among the others."""
    for number in range(1, 5):
        await world.submit(number)
    await world.redis.set(f"{sid(2)}:names", "garbage")
    await world.redis.hset(sid(3), "live", "x")
    await world.redis.hset(sid(4), "csr", b"\xff")
    assert await collect(each_session(world.store)) == [
        (sid(4), "record"),
        (sid(3), "live"),
        (sid(2), "key"),
        (sid(1), "makechallenge"),
    ]


async def test_the_overview_counts_every_place(world: World) -> None:
    """Lists, sets, in-flight lists by supervisor, and totals."""
    await world.supervisor("B")
    await world.commit(await world.reach(State.DONE, 1), Advance())
    await world.client(moves.revoke("01", 1, 5))
    await world.commit(await world.reach(State.TESTCHALLENGE, 2), Retry(9, "later"))
    await world.fenced(moves.quarantine((await world.reach(State.ISSUE, 3)).id))
    await world.reach(State.TESTCHALLENGE, 4)
    await world.submit(5)
    await world.dies("B")
    nothing = dict.fromkeys((state.value for state in State), 0)
    assert Overview(
        pending={**nothing, "makechallenge": 1},
        delayed={**nothing, "testchallenge": 1},
        inflight={"A": 1, "B": 0},
        living=("A",),
        active=4,
        quarantined=1,
        certificates=1,
        revoked=1,
        retired=1,
        rejected=0,
    ) == await overview(world.store)
    assert [sid(3)] == await quarantined(world.store)


async def test_a_store_that_keeps_what_it_says_has_no_warnings(world: World) -> None:
    """With `appendfsync always` there is nothing to say, with WAITAOF or without it (Redis 7.0)."""
    server = "valkey" if "valkey_version" in await world.redis.info("server") else "redis"
    found = await check_store(world.store)
    assert (server, (), await knows(world.redis, "waitaof")) == (found.server, found.warnings, found.has_waitaof)


@pytest.mark.parametrize(
    ("setting", "good", "bad", "said"),
    [
        ("appendonly", "yes", "no", "appendonly is off"),
        ("maxmemory-policy", "noeviction", "allkeys-lru", "maxmemory-policy is allkeys-lru"),
    ],
)
async def test_a_store_that_may_forget_is_warned_of(world: World, setting: str, good: str, bad: str, said: str) -> None:
    """Each thing that is missing is one sentence."""
    await world.redis.config_set(setting, bad)
    try:
        (warning,) = (await check_store(world.store)).warnings
        assert warning.startswith(said)
    finally:
        await world.redis.config_set(setting, good)


async def test_a_store_that_syncs_each_second_is_warned_of_where_it_cannot_be_waited_for(world: World) -> None:
    """`appendfsync everysec` is enough for a server with WAITAOF, and for no other."""
    await world.redis.config_set("appendfsync", "everysec")
    try:
        found = await check_store(world.store)
        assert [warning[:23] for warning in found.warnings] == ["appendfsync is everysec"] * (not found.has_waitaof)
    finally:
        await world.redis.config_set("appendfsync", "always")


async def test_the_script_cache_may_be_flushed_at_any_time(clean_store: str, world: World) -> None:
    """A server that restarted knows no scripts; they are loaded again."""
    wait = 1000 if await knows(world.redis, "waitaof") else 0
    store = Store(StoreSettings(url=clean_store, wait_aof_timeout=wait), world.clock)
    for _ in range(2):
        await world.redis.script_flush()
        assert (await store.group([])).results == []
    await store.aclose()
