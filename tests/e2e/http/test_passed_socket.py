"""A listening socket that somebody else keeps: used as it is, and left as it is."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.abc
import pytest

from supervisor.http.server import serve
from supervisor.http.settings import HttpSettings
from tests.e2e.http.door import GET, PATIENCE, Client, Door, echo, request_of

pytestmark = pytest.mark.anyio


def kept() -> socket.socket:
    """A socket on IPv6 and IPv4, as `ListenStream=443` makes it."""
    return socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)


@asynccontextmanager
async def serving(sock: socket.socket) -> AsyncIterator[None]:
    """A server on a descriptor of its own, as a process has it; it is stopped in order when the block ends."""
    door = Door(HttpSettings())

    async def run(*, task_status: anyio.abc.TaskStatus[list[tuple[str, int]]]) -> None:
        own = sock.dup()
        own.setblocking(False)  # noqa: FBT003  the socket's own signature
        await serve(
            [own],
            echo,
            lambda: door.settings,
            tls=None,
            on_refused=door.on_refused,
            stopping=door.stopping,
            task_status=task_status,
        )

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            await group.start(run)
            yield
            door.stopping.set()


async def test_a_client_over_ipv4_has_its_ipv4_address() -> None:
    """Limits and rules that are counted for each address see the same one as on a socket of the server's own."""
    with kept() as sock:
        port = sock.getsockname()[1]
        async with serving(sock), Client(await anyio.connect_tcp("127.0.0.1", port)) as client:
            await client.send(GET)
            assert request_of(await client.answer()).peer == "127.0.0.1"


async def test_what_connects_between_two_servers_is_answered_by_the_second() -> None:
    """The first closes its descriptor and nothing more; the kernel keeps the connection and what it has sent."""
    with kept() as sock:
        port = sock.getsockname()[1]
        async with serving(sock):
            pass
        async with Client(await anyio.connect_tcp("127.0.0.1", port)) as client:
            await client.send(GET)
            async with serving(sock):
                assert (await client.answer()).status == 200
