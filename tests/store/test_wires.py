"""Script calls on bare connections: whatever is cancelled, closed or refused, each call gets its own answer."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import ResponseError

from stages.errors import Refused, StoreUnavailable
from stages.store import moves
from stages.store.store import Store
from tests.harness.fetching import service_port
from tests.harness.relay import Relay, relay
from tests.harness.valkey import Valkey
from tests.store.wired import WAYS, Watched, echo, open_some, outcome, see, settings, turns, until, wires_to
from tests.store.world import sid

pytestmark = pytest.mark.anyio

AT_ONCE = 30


LOOPS = [
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
]
"""The program runs on uvloop, its commands on asyncio's own loop."""
WRITES_TO_THE_CLOSED = (3, 12) <= sys.version_info < (3, 13, 6)
"""asyncio's own loop takes writes for a connection that is closed, and trips over them (python/cpython#136234)."""


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Each loop in turn."""
    backend: tuple[str, dict[str, Any]] = request.param
    return backend


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Watched]:
    """A server of the test's own."""
    port = service_port()
    with Valkey(tmp_path / "valkey", port=str(port)) as valkey:
        made = Watched(valkey, port, tmp_path)
        await made.let_in()
        yield made
        await made.all_gone()
        await made.admin.aclose()


async def all_asked(line: Relay, number: int) -> None:
    """Wait until so many requests have passed."""

    async def passed() -> bool:
        return line.asked >= number

    await until(passed, expected=True)


@pytest.mark.parametrize("fresh", [True, False], ids=["connecting", "connected"])
@pytest.mark.parametrize("way", WAYS)
async def test_no_call_gets_the_answer_of_a_cancelled_one(server: Watched, way: str, *, fresh: bool) -> None:
    """A call is cancelled after each number of turns that it may take, from connecting to its answer."""
    async with server.way(way) as wires:
        if not fresh:
            await echo(wires, "connected")
        number, how = 0, "cancelled"
        while how == "cancelled":
            if fresh:
                await wires.aclose()
            task = asyncio.create_task(echo(wires, f"cancelled {number}"))
            await turns(number)
            task.cancel()
            how = await outcome(task)
            assert how in {"cancelled", f"cancelled {number}"}
            assert await echo(wires, f"next {number}") == f"next {number}"
            assert wires._at_work == set()
            number += 1 if way != "tls" else 3
        assert number > 3, "nothing was cancelled under way"


@pytest.mark.parametrize("fresh", [True, False], ids=["connecting", "connected"])
async def test_an_answer_that_comes_late_is_nobodys(server: Watched, *, fresh: bool) -> None:
    """All calls are cancelled while the server has answered and the answers are on their way."""
    async with relay(server.valkey.socket) as line, wires_to(f"redis://127.0.0.1:{line.port}") as wires:
        if not fresh:
            await open_some(wires, AT_ONCE)
        line.hold()
        asked = line.asked
        tasks = [asyncio.create_task(echo(wires, f"late {n}")) for n in range(AT_ONCE)]
        await all_asked(line, asked + AT_ONCE)
        for task in tasks:
            task.cancel()
        assert [await outcome(task) for task in tasks] == ["cancelled"] * AT_ONCE
        line.let_go()
        texts = [f"next {n}" for n in range(AT_ONCE)]
        assert await asyncio.gather(*(echo(wires, text) for text in texts)) == texts


@pytest.mark.parametrize("seed", range(5))
async def test_each_of_many_calls_gets_its_own_answer(server: Watched, seed: int) -> None:
    """Calls at once, some of them cancelled at any moment: no answer is another's."""
    chance = random.Random(seed)
    ends: list[str] = []

    async def caller(who: int) -> None:
        for n in range(20):
            text = f"{who}.{n}"
            task = asyncio.create_task(echo(wires, text))
            if chance.random() < 0.3:
                await turns(chance.randrange(30))
                task.cancel()
            ends.append(await outcome(task))
            assert ends[-1] in {text, "cancelled"}

    async with relay(server.valkey.socket) as line, wires_to(f"redis://127.0.0.1:{line.port}") as wires:
        async with anyio.create_task_group() as group:
            for who in range(AT_ONCE):
                group.start_soon(caller, who)
        assert len(ends) == AT_ONCE * 20
        assert 0 < ends.count("cancelled") < len(ends) / 2


async def test_as_many_connections_as_calls_at_once(server: Watched) -> None:
    """A second round of as many calls opens no more, and its answers come over the same connections."""
    async with server.way("unix") as wires:
        await open_some(wires, AT_ONCE)
        opened, ours = await server.opened(), await server.ours()
        ids = await asyncio.gather(*(wires.call("CLIENT", "ID") for _ in range(AT_ONCE)))
        assert sorted(ids) == ours
        assert await server.opened() == opened


@pytest.mark.parametrize("way", WAYS)
async def test_connections_that_the_server_has_closed_are_opened_anew(server: Watched, way: str) -> None:
    """As it does with idle ones (`timeout`): the next calls do not notice."""
    async with server.way(way) as wires:
        await open_some(wires)
        for client in await server.ours():
            await server.admin.client_kill_filter(_id=str(client))
        await see(wires)
        assert await asyncio.gather(*(echo(wires, text) for text in "abc")) == list("abc")


async def test_connections_that_were_reset_are_opened_anew(server: Watched) -> None:
    """As a firewall does with idle ones."""
    async with relay(server.valkey.socket) as line, wires_to(f"redis://127.0.0.1:{line.port}") as wires:
        await open_some(wires)
        line.reset()
        await see(wires)
        assert await asyncio.gather(*(echo(wires, text) for text in "abc")) == list("abc")


@pytest.mark.parametrize("stray", [b"$5\r\nstray\r\n", b"$5\r\nst", b"-ERR stray\r\n"])
async def test_what_nobody_has_asked_for_is_no_answer(server: Watched, stray: bytes) -> None:
    """Whatever lies on an idle connection, whole or in part."""
    async with relay(server.valkey.socket) as line, wires_to(f"redis://127.0.0.1:{line.port}") as wires:
        await open_some(wires)
        line.say(stray)
        await see(wires)
        assert await asyncio.gather(*(echo(wires, text) for text in "abc")) == list("abc")


async def test_a_refused_call_keeps_its_connection(server: Watched) -> None:
    """An error is an answer: the next call goes over the same connection and gets its own."""
    async with server.way("unix") as wires:
        before = await wires.call("CLIENT", "ID")
        with pytest.raises(ResponseError, match="LEASE gone"):
            await wires.call("EVAL", "return redis.error_reply('LEASE gone')", 0)
        assert await wires.call("CLIENT", "ID") == before


async def test_a_store_survives_its_servers_restart(server: Watched) -> None:
    """Away, its calls are refused; back, with no script loaded, the first call is made on the old wire's successor."""
    store = Store(settings(server.valkey.url), time.time)
    try:
        assert await store.move(moves.submit(sid(1), ["a.example"], {}, 1)) == ["ok"]
        server.valkey.kill()
        await see(store._wires)
        with pytest.raises(StoreUnavailable):
            await store.move(moves.submit(sid(2), ["a.example"], {}, 1))
        server.valkey.start()
        await server.let_in()
        assert await store.move(moves.submit(sid(3), ["a.example"], {}, 1)) == ["ok"]
        assert await server.admin.lrange(store.keys.active, 0, -1) == [sid(3).encode(), sid(1).encode()]
    finally:
        await store.aclose()


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("way", ["unix", "tcp"])
async def test_a_wrong_password_is_refused_until_it_is_right(server: Watched, way: str, protocol: int) -> None:
    """The setting is named, no connection stays open, and the call is answered once the server knows the password."""
    url = server.valkey.url if way == "unix" else f"redis://127.0.0.1:{server.port}"
    store = Store(settings(f"{url}?protocol={protocol}", password="another"), time.time)  # noqa: S106  a wrong one
    try:
        for _ in range(2):
            with pytest.raises(Refused) as refused:
                await store.move(moves.submit(sid(1), ["a.example"], {}, 1))
            assert refused.value.field == "store.username"
        await until(server.connected, 1)  # the test itself
        await server.let_in("another")
        assert await store.move(moves.submit(sid(1), ["a.example"], {}, 1)) == ["ok"]
    finally:
        await store.aclose()


@pytest.mark.parametrize("anyio_backend", LOOPS[:1] if WRITES_TO_THE_CLOSED else LOOPS)
@pytest.mark.parametrize("way", WAYS)
async def test_a_call_under_way_ends_when_the_wires_are_closed(server: Watched, way: str) -> None:
    """At whatever turn: it has its own answer or none, at once, and no connection is left open."""
    async with server.way(way) as wires:
        number, done = 0, False
        while not done:
            task = asyncio.create_task(echo(wires, f"closed {number}"))
            await turns(number)
            done, begun = task.done(), bool(wires._at_work)
            await wires.aclose()
            assert await outcome(task) in {f"closed {number}", Lost.__name__}
            assert wires._at_work == set()
            assert not (begun and wires._free)
            await wires.aclose()  # what had not begun
            await server.all_gone()
            number += 1 if way != "tls" else 3
        assert number > 3, "nothing was closed under way"
        assert await echo(wires, "later") == "later"


async def test_calls_whose_answers_do_not_come_end_when_the_wires_are_closed(server: Watched) -> None:
    """Idle ones and those under way, the handshake too."""
    async with relay(server.valkey.socket) as line, wires_to(f"redis://127.0.0.1:{line.port}") as wires:
        await open_some(wires)
        line.hold()
        asked = line.asked
        tasks = [asyncio.create_task(echo(wires, "held")) for _ in range(5)]
        await all_asked(line, asked + 5)
        await wires.aclose()
        assert [await outcome(task) for task in tasks] == [Lost.__name__] * 5
        line.let_go()
        await server.all_gone()
        assert await echo(wires, "later") == "later"


async def test_closing_that_is_cancelled_closes_all(server: Watched) -> None:
    """No connection is left open when nobody waits for the end of the first."""
    async with server.way("tls") as wires:
        await open_some(wires)
        task = asyncio.create_task(wires.aclose())
        await turns(1)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await server.all_gone()
