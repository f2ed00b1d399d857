"""Clients that are slow, silent, deaf or too many cannot hold the server."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from supervisor.http.message import Request, Response
from supervisor.http.server import REFUSED_AT_ONCE
from supervisor.http.tls import ServerTls
from tests.e2e.http.door import GET, PATIENCE, Client, open_door
from tests.harness.tls import Certificates

pytestmark = pytest.mark.anyio

SHORT = 0.05
LONG = 60.0

LIMITS = ("header_timeout", "body_timeout", "idle_timeout", "write_timeout", "handshake_timeout")


def only(limit: str) -> dict[str, Any]:
    """This limit is short, and nothing else can be the reason."""
    return {each: SHORT if each == limit else LONG for each in LIMITS}


@pytest.mark.parametrize(
    ("limit", "sent", "statuses"),
    [
        ("header_timeout", b"", []),
        ("header_timeout", b"\r\n", []),
        ("header_timeout", b"GE", [408]),
        ("header_timeout", b"GET / HTTP/1.1\r\nHost: a\r\nX: ", [408]),
        ("header_timeout", GET + b"G", [200, 408]),
        ("body_timeout", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell", [408]),
        (
            "body_timeout",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
            [100, 408],
        ),
        ("body_timeout", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", [408]),
        ("idle_timeout", GET, [200]),
        ("idle_timeout", GET * 3 + b"\r\n", [200] * 3),
    ],
)
async def test_a_client_that_stops_in_the_middle_is_cut_off(limit: str, sent: bytes, statuses: list[int]) -> None:
    """With 408 where a request has begun (RFC 9110 15.5.9), else without a word."""
    async with open_door(**only(limit)) as door:
        assert statuses == [answer.status for answer in await door.ask(sent)]


async def test_a_client_that_dribbles_has_no_more_time_than_one_that_is_silent() -> None:
    """The head has one deadline, which its bytes do not move."""
    async with open_door(**only("header_timeout") | {"header_timeout": 0.3}) as door, await door.connect() as client:
        began = anyio.current_time()
        await client.send(b"GET /")
        async with anyio.create_task_group() as group:
            group.start_soon(_dribble, client)
            assert [answer.status for answer in await client.rest()] == [408]
            group.cancel_scope.cancel()
        assert 0.29 <= anyio.current_time() - began < 3


async def _dribble(client: Client) -> None:
    with suppress(anyio.BrokenResourceError):
        while True:
            await client.send(b"x")
            with anyio.move_on_after(0.01):
                await anyio.sleep_forever()


async def test_the_time_of_a_handler_is_not_the_clients() -> None:
    """No deadline of a client runs while the server works."""
    release = anyio.Event()

    async def handler(request: Request) -> Response:
        if request.path == "/slow":
            await release.wait()
        return Response(200, request.path.encode())

    every: dict[str, Any] = dict.fromkeys(LIMITS, SHORT)
    async with open_door(handler, **every) as door, await door.connect() as client:
        await client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /next HT")
        async with await door.connect() as other:
            await other.ended()  # its time is over
        release.set()
        assert [(a.status, a.body * (a.status == 200)) for a in await client.rest()] == [(200, b"/slow"), (408, b"")]


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    """Its answer waits for `write_timeout`; with one more request in the line behind it."""
    written = []

    async def handler(_: Request) -> Response:
        return Response(200, b"x" * 8_000_000, written=lambda: written.append(1))

    async with open_door(handler, connections=1, **only("write_timeout")) as door:
        with _deaf(door.port) as client:
            await anyio.wait_writable(client)
            client.sendall(GET * 2)
            with anyio.fail_after(PATIENCE):
                while (await door.ask(GET[:-2] + b"Connection: close\r\n\r\n"))[0].status == 503:
                    await anyio.lowlevel.checkpoint()
    assert written == [1]  # of the client that read


async def test_a_slow_client_that_takes_something_gets_all() -> None:
    """Each `write_timeout` some of it; the whole takes longer than one."""
    size = 2_000_000

    async def handler(_: Request) -> Response:
        return Response(200, b"x" * size)

    async with open_door(handler, **only("write_timeout") | {"write_timeout": 0.2}) as door:
        with _deaf(door.port) as client, anyio.fail_after(60):
            client.sendall(GET[:-2] + b"Connection: close\r\n\r\n")
            received, began = 0, anyio.current_time()
            while True:
                await anyio.wait_readable(client)
                # About 2 MB in half a second, in steps.
                until = began + received / 4_000_000
                while anyio.current_time() < until:
                    await anyio.lowlevel.checkpoint()
                data = client.recv(100_000)
                received += len(data)
                if not data:
                    break
    assert received > size


def _deaf(port: int) -> socket.socket:
    """A client whose system takes only a few kilobytes while nobody reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.setblocking(False)  # noqa: FBT003  the socket's own signature
    return client


async def test_one_connection_too_many_is_told_to_come_back() -> None:
    """503 with Retry-After, without being asked anything; beyond that the server has no time for it."""
    with capture_logs() as logs:
        async with open_door(connections=2) as door, await door.connect() as one, await door.connect() as two:
            for client in (one, two):
                await client.send(GET)
                await client.answer()
            (refused,) = await door.ask(b"")
            assert (
                refused.status,
                refused.headers["retry-after"],
                refused.headers["connection"],
            ) == (503, "5", "close")
            await one.stream.aclose()
            with anyio.fail_after(PATIENCE):
                while (await door.ask(GET[:-2] + b"Connection: close\r\n\r\n"))[0].status != 200:
                    await anyio.lowlevel.checkpoint()
    assert [line["event"] for line in logs] == ["http.listening", "http.full"]


async def test_far_too_many_connections_are_closed_unheard() -> None:
    """So that telling them costs no more than a few sockets."""
    answers = []

    async def knock() -> None:
        answers.append([answer.status for answer in await door.ask(b"")])

    async with open_door(connections=1, **only("handshake_timeout")) as door, await door.connect() as one:
        await one.send(GET)
        await one.answer()
        async with anyio.create_task_group() as group:
            for _ in range(2 * REFUSED_AT_ONCE):
                group.start_soon(knock)
        await one.send(GET)
        assert (await one.answer()).status == 200
    assert answers.count([503]) >= REFUSED_AT_ONCE
    assert answers.count([503]) + answers.count([]) == 2 * REFUSED_AT_ONCE


@pytest.mark.parametrize("hello", [b"", b"\x16", bytes.fromhex("16030100c8010000c40303")])
async def test_a_handshake_that_does_not_come_to_its_end_is_cut_off(hello: bytes, tmp_path: Path) -> None:
    """Until then it counts as a connection."""
    made = Certificates(tmp_path)
    trusting = ssl.create_default_context(cafile=made.ca)
    settings = only("handshake_timeout") | {"handshake_timeout": 0.3}
    async with open_door(tls=ServerTls(made.server, made.server), connections=1, **settings) as door:
        async with await door.connect() as half:
            await half.send(hello)
            async with await door.connect(trusting) as other:
                assert [answer.status for answer in await other.rest()] == [503]
            assert await half.ended() == b""
        async with await door.connect(trusting) as other:
            await other.send(GET)
            assert (await other.answer()).status == 200
