"""What the front door reads: right, together, and each for itself where a record is garbled."""

from __future__ import annotations

import anyio.lowlevel
import pytest

from stages.account import Account, AccountStatus
from stages.errors import StoreUnavailable
from stages.outcome import Advance
from stages.session import State
from stages.store import moves
from stages.store.account_records import account_fields
from stages.store.batch import BATCH_LIMIT, Reader
from stages.store.certificates import read_certificate
from stages.store.connection import StoreSettings
from stages.store.records import Garbled
from stages.store.store import Store
from tests.store.world import NOW, World, aid, knows, sid, thumb

pytestmark = pytest.mark.anyio


async def calls(world: World) -> int:
    """Script calls that the server has seen."""
    stats = await world.redis.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))


async def test_look_gives_account_and_whole_session(world: World) -> None:
    """Both as the other readers give them, with names and challenges."""
    await world.account(1, **account_fields(contact=["mailto:a@a.example"], terms=NOW, binding="{}"))
    await world.order(1, names=("a.example", "b.example"))
    (session,) = await world.claim(State.MAKECHALLENGE)
    await world.fenced(moves.release(session.id, session.state))
    account = Account(
        id=aid(1),
        created=NOW,
        status=AccountStatus.VALID,
        jwk='{"n":1}',
        thumbprint=thumb(1),
        contact=("mailto:a@a.example",),
        terms=NOW,
        binding="{}",
    )
    reader = Reader(world.store)
    assert (account, await world.whole(sid(1))) == await reader.look(aid(1), sid(1))
    assert await reader.look(aid(1), "") == (account, None)
    assert await reader.look("", sid(1)) == (None, await world.whole(sid(1)))
    assert await reader.holder(thumb(1)) == account


async def test_look_gives_challenges_and_certificate(world: World) -> None:
    """A session with all that it can have, and its certificate with the delivery of the session."""
    done = await world.reach(State.DONE)
    reader = Reader(world.store)
    assert await reader.look("", done.id) == (None, done)
    assert await reader.certificate("01") == await read_certificate(world.store, "01")
    await world.client(moves.deliver(done.id, "sent"))
    assert getattr(await reader.certificate("01"), "delivery", "") == "sent"
    await world.fenced(moves.resync([]))
    (done,) = await world.claim(State.DONE)
    await world.commit(done, Advance())
    await world.redis.delete(done.id)
    assert await reader.certificate("01") == await read_certificate(world.store, "01")


async def test_look_for_what_is_not_there(world: World) -> None:
    """Unknown ids and keys give nothing."""
    reader = Reader(world.store)
    assert await reader.look(aid(1), sid(1)) == (None, None)
    assert (await reader.holder(thumb(1)), await reader.certificate("ab")) == (None, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "certificate:01",
        f"{sid(1)}:names",
        f"{sid(1)}\n",
        sid(1).upper(),
        aid(1) + "=",
        f"{aid(1)}:orders",
        "*",
    ],
)
async def test_look_asks_for_nothing_that_is_no_id(world: World, text: str) -> None:
    """What a client writes in a URL reaches the store as an id, or not at all."""
    await world.account()
    await world.order()
    reader, before = Reader(world.store), await calls(world)
    assert await reader.look(text, text) == (None, None)
    assert (await reader.holder(text), await reader.certificate(text.upper())) == (None, None)
    assert before == await calls(world)


async def test_look_of_many_in_one_tick_is_one_call(world: World) -> None:
    """Fifty requests of one moment cost one round trip, and each gets its own."""
    for number in range(1, 6):
        await world.account(number)
        await world.order(number, aid(number))
    reader, found = Reader(world.store), {}
    await reader.look(aid(1), "")
    before = await calls(world)

    async def look(n: int) -> None:
        number = n % 6 + 1  # number 6 is not there
        found[n] = number, await reader.look(aid(number), sid(number))

    async with anyio.create_task_group() as group:
        for n in range(50):
            group.start_soon(look, n)
    assert await calls(world) == before + 1
    for number, (account, session) in found.values():
        ids = (account and account.id, session and session.id)
        assert ((aid(number), sid(number)) if number < 6 else (None, None)) == ids


async def test_look_of_more_than_a_call_may_hold(world: World) -> None:
    """No call holds the server for long: the rest comes with the next one."""
    await world.account()
    reader = Reader(world.store)
    await reader.look(aid(1), "")
    before, found = await calls(world), []

    async def look() -> None:
        found.append(await reader.look(aid(1), ""))

    async with anyio.create_task_group() as group:
        for _ in range(BATCH_LIMIT + 1):
            group.start_soon(look)
    assert (len(found), await calls(world)) == (BATCH_LIMIT + 1, before + 2)


async def test_look_that_nobody_waits_for_any_more(world: World) -> None:
    """One that went away takes nobody with it, and the reader goes on."""
    await world.account()
    reader, found = Reader(world.store), []

    async def look(scope: anyio.CancelScope) -> None:
        with scope:
            found.append(await reader.look(aid(1), ""))

    gone, staying = anyio.CancelScope(), anyio.CancelScope()
    async with anyio.create_task_group() as group:
        group.start_soon(look, gone)
        group.start_soon(look, staying)
        await anyio.lowlevel.checkpoint()
        gone.cancel()
    found.append(await reader.look(aid(1), ""))
    assert [getattr(account, "id", "") for account, _ in found] == [aid(1), aid(1)]


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [
        (f"account:{aid(1)}", "status", "odd"),
        (f"account:{aid(1)}", "contact", "{"),
        (f"account:{aid(1)}", "jwk", None),
        (f"account:{aid(1)}", "created", b"\xff"),
        (f"account:{aid(1)}", None, "text"),
        (sid(1), "state", "odd"),
        (sid(1), "csr", b"\xff"),
        (sid(1), None, "text"),
        (f"{sid(1)}:names", None, "text"),
        (f"{sid(1)}:1", None, "text"),
        ("certificate:01", "not_after", "soon"),
        ("certificate:01", "names", None),
        ("certificate:01", None, "text"),
    ],
)
async def test_look_of_a_garbled_record_harms_no_other(
    world: World, key: str, field: str | None, value: str | bytes | None
) -> None:
    """Who asks for it hears of it; who asks in the same call for another gets it."""
    await world.reach(State.DONE)
    await world.account(1), await world.account(2)
    await world.order(2, aid(2))
    if field is None:
        await world.redis.delete(key)
        await world.redis.set(key, value)
    elif value is None:
        await world.redis.hdel(key, field)
    else:
        await world.redis.hset(key, field, value)
    reader, outcome = Reader(world.store), {}

    async def garbled() -> None:
        with pytest.raises(Garbled):
            await (reader.certificate("01") if key == "certificate:01" else reader.look(aid(1), sid(1)))

    async def good() -> None:
        outcome["good"] = await reader.look(aid(2), sid(2))

    async with anyio.create_task_group() as group:
        group.start_soon(garbled)
        group.start_soon(good)
    account, session = outcome["good"]
    assert (account and account.id, session and session.id) == (aid(2), sid(2))


async def test_holder_of_a_garbled_claim(world: World) -> None:
    """A claim on a key that leads nowhere finds nobody."""
    await world.redis.set(f"account-key:{thumb(1)}", aid(1))
    await world.redis.lpush(f"account-key:{thumb(2)}", aid(1))
    reader = Reader(world.store)
    assert (await reader.holder(thumb(1)), await reader.holder(thumb(2))) == (None, None)


async def test_look_while_the_store_is_away(world: World) -> None:
    """All that wait hear of it, and the next one is asked anew."""
    store = Store(StoreSettings(url="unix:///nowhere/store.sock"), world.clock)
    reader, heard = Reader(store), []

    async def look() -> None:
        with pytest.raises(StoreUnavailable):
            await reader.look(aid(1), "")
        heard.append(True)

    for _ in range(2):
        async with anyio.create_task_group() as group:
            group.start_soon(look)
            group.start_soon(look)
    assert heard == [True] * 4
    await store.aclose()


async def test_look_behind_a_prefix(tagged: World) -> None:
    """The prefix {ca}: is put before every key."""
    await tagged.account()
    await tagged.order()
    account, session = await Reader(tagged.store).look(aid(1), sid(1))
    assert (account and account.id, session and session.id) == (aid(1), sid(1))


async def test_look_changes_nothing_where_replies_wait_for_the_disk(world: World) -> None:
    """Only WAITAOF needs a write to wait for."""
    await world.account()
    before = await world.state()
    await Reader(world.store).look(aid(1), "")
    assert before == await world.state()


async def test_look_waits_for_the_disk_behind_a_write(world: World, clean_store: str) -> None:
    """With WAITAOF the script writes: what a client is shown is on disk (law 4)."""
    store = Store(StoreSettings(url=clean_store, wait_aof_timeout=5000), world.clock)
    await world.account()
    if await knows(world.redis, "waitaof"):
        account, _ = await Reader(store).look(aid(1), "")
        assert (account and account.id) == aid(1)
    else:
        with pytest.raises(Exception, match="WAITAOF"):
            await Reader(store).look(aid(1), "")
    assert (await world.state())["reads"] == "1"
    await store.aclose()
