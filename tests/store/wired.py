"""Wires to a server that can be looked at from outside, and calls whose answers can be told apart.

For the tests of `stages.store.wires`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
from redis.asyncio import Redis

from stages.store.connection import StoreSettings, connect
from stages.store.wires import Wires
from tests.harness.tls import Certificates, tls_door
from tests.harness.valkey import Valkey

PASSWORD: Final = "correct-horse-battery"  # noqa: S105  a user of the test's own server
OURS: Final = "ca"
"""The user of the connections under test; the test itself looks on as the default user."""
WAYS: Final = ("unix", "tcp", "resp2", "tls")
"""resp2 has another handshake: AUTH and SELECT instead of HELLO."""


class Watched:
    """A server with a user "ca", and an administrator's eye on it."""

    def __init__(self, valkey: Valkey, port: int, folder: Path) -> None:
        self.valkey = valkey
        self.port = port
        self.folder = folder
        self.admin: Redis = connect(StoreSettings(url=valkey.url))

    async def let_in(self, password: str = PASSWORD) -> None:
        """The user exists and may do everything."""
        user = f"{OURS} on >{password} ~* &* +@all"
        await self.admin.execute_command("ACL", "SETUSER", *user.split())  # type: ignore[no-untyped-call]

    async def ours(self) -> list[int]:
        """The ids of the connections that are open."""
        return sorted(int(found["id"]) for found in await self.admin.client_list() if found["user"] == OURS)

    async def connected(self) -> int:
        """How many connections of anybody's are open."""
        return len(await self.admin.client_list())

    async def all_gone(self) -> None:
        """Wait until the server has seen all of ours being closed."""
        await until(self.ours, [])

    async def opened(self) -> int:
        """How many connections there have been."""
        found: dict[str, Any] = await self.admin.info("stats")
        return int(found["total_connections_received"])

    @asynccontextmanager
    async def way(self, name: str) -> AsyncIterator[Wires]:
        """Wires that lead to it in one of WAYS."""
        async with tls_door(Certificates(self.folder / "tls"), self.valkey.socket) as port:
            url = {
                "unix": self.valkey.url,
                "tcp": f"redis://127.0.0.1:{self.port}",
                "resp2": f"redis://127.0.0.1:{self.port}/1?protocol=2",
                "tls": f"rediss://127.0.0.1:{port}",
            }[name]
            async with wires_to(url, str(self.folder / "tls" / "ca.pem")) as wires:
                yield wires


def settings(url: str, ca: str = "", password: str = PASSWORD) -> StoreSettings:
    """To reach it as "ca"."""
    return StoreSettings(url=url, username=OURS, password=password, tls_ca_file=ca)


@asynccontextmanager
async def wires_to(url: str, ca: str = "") -> AsyncIterator[Wires]:
    """Wires that are closed in the end."""
    redis = connect(settings(url, ca))
    wires = Wires(redis)
    try:
        yield wires
    finally:
        await wires.aclose()
        await redis.aclose()


async def until(look: Callable[[], Awaitable[Any]], expected: object) -> None:
    """Look until what is expected is there."""
    with anyio.fail_after(10):
        while await look() != expected:
            await anyio.lowlevel.checkpoint()


async def echo(wires: Wires, text: str) -> str:
    """What a call with this text is answered: the same, when it is its own answer."""
    answer = await wires.call("EVAL", "return ARGV[1]", 0, text)
    return str(answer.decode())


async def turns(number: int) -> None:
    """Let the loop go round."""
    for _ in range(number):
        await anyio.lowlevel.checkpoint()


async def outcome(task: asyncio.Task[str]) -> str:
    """The call's answer, or how else it has ended."""
    with anyio.fail_after(10):
        await asyncio.wait([task])
    if task.cancelled():
        return "cancelled"
    error = task.exception()
    return type(error).__name__ if error else task.result()


async def see(wires: Wires) -> None:
    """Wait until every idle wire has noticed what happened to it."""

    async def noticed() -> bool:
        readers: list[Any] = [wire._reader for wire in wires._free]
        return all(
            reader is not None and (reader.exception() or reader.at_eof() or reader._buffer) for reader in readers
        )

    await until(noticed, expected=True)


async def open_some(wires: Wires, number: int = 3) -> None:
    """That many idle wires."""
    texts = [str(n) for n in range(number)]
    assert await asyncio.gather(*(echo(wires, text) for text in texts)) == texts
    assert len(wires._free) == number
