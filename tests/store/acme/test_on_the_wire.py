"""The door behind its web server: what a socket sees."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.abc
import pytest

from supervisor.http.server import serve
from supervisor.http.settings import HttpSettings
from tests.harness.acme_moves import JOSE
from tests.store.acme.front import URLS, Client, Front, opened
from tests.store.world import World
from tests.unit.acme import signing


@asynccontextmanager
async def served(front: Front) -> AsyncIterator[int]:
    """The port on which the door is served, without TLS."""
    stopping = anyio.Event()

    async def run(*, task_status: anyio.abc.TaskStatus[list[tuple[str, int]]]) -> None:
        await serve(
            [("127.0.0.1", 0)],
            front.door.handle,
            lambda: HttpSettings(max_body=4096),
            tls=None,
            on_refused=front.door.refuse,
            stopping=stopping,
            task_status=task_status,
        )

    async with anyio.create_task_group() as group:
        ((_, port),) = await group.start(run)
        try:
            yield port
        finally:
            stopping.set()


async def exchange(port: int, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """One request; the status, the fields in lower case, the body."""
    async with await anyio.connect_tcp("127.0.0.1", port) as client:
        await client.send(data)
        answer = b""
        while True:
            try:
                answer += await client.receive()
            except anyio.EndOfStream:
                break
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    return int(status.split()[1]), {k.lower(): v for k, _, v in (field.partition(": ") for field in fields)}, body


@pytest.mark.anyio
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204)])
async def test_new_nonce_on_the_wire(world: World, method: str, status: int) -> None:
    """It has no body, Cache-Control: no-store and a nonce, read from a socket."""
    async with opened(world, pipeline=False) as front, served(front) as port:
        request = f"{method} /acme/new-nonce HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = await exchange(port, request.encode())
    assert (answer[0], answer[2]) == (status, b"")
    assert answer[1]["cache-control"] == "no-store"
    assert answer[1]["replay-nonce"]
    assert answer[1]["link"] == f'<{URLS.directory}>;rel="index"'


@pytest.mark.anyio
async def test_body_over_the_cap_on_the_wire(world: World) -> None:
    """It is 413 before it is read, as a problem document, with a nonce."""
    async with opened(world, pipeline=False) as front, served(front) as port:
        head = f"POST /acme/new-order HTTP/1.1\r\nHost: x\r\nContent-Type: {JOSE}\r\nContent-Length: 5000\r\n\r\n"
        status, headers, body = await exchange(port, head.encode())
    assert status == 413
    assert headers["content-type"] == "application/problem+json"
    assert headers["replay-nonce"]
    assert json.loads(body)["status"] == 413


@pytest.mark.anyio
async def test_certificate_on_the_wire_counts_as_sent(world: World) -> None:
    """Issue item 7: when the server has written the whole reply, the delivery is on record."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.issued("a.example")
        url = order.json["certificate"]
        nonce = front.desk.nonces.issue()
        body = signing.body({"alg": "ES256", "nonce": nonce, "url": url, "kid": client.kid}, b"", client.private)
        path = url.removeprefix(URLS.base)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {JOSE}\r\nContent-Length: {len(body)}\r\n"
        async with served(front) as port:
            status, _, chain = await exchange(port, head.encode() + b"Connection: close\r\n\r\n" + body)
        await front.settled()
        record = await front.desk.reader.certificate(url.rsplit("/", 1)[1])
    assert status == 200
    assert chain.startswith(b"-----BEGIN CERTIFICATE-----")
    assert record is not None
    assert record.delivery == "sent"


@pytest.mark.anyio
async def test_one_nonce_passes_one_of_fifty_at_once(world: World) -> None:
    """Fifty parallel posts with one nonce: one is answered, all others are badNonce."""
    async with opened(world, pipeline=False) as front:
        client = await front.client()
        nonce, ends = client.nonce, list[int]()

        async def ask() -> None:
            answer = await Client(front, client.private, client.kid).post(client.kid, nonce=nonce)
            ends.append(answer.status if answer.status == 200 else answer.problem[0])

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(ask)
    assert sorted(ends) == [200] + [400] * 49
