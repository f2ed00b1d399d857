"""A plain HTTP client on loopback, and a free port."""

from __future__ import annotations

import random
import socket
from typing import NamedTuple

import anyio

_SERVICES = (10_000, 30_000)
"""Below the ports that systems give to connections."""


class Answer(NamedTuple):
    """An HTTP answer; `head` is everything above the body."""

    status: int
    head: str
    text: str


def service_port() -> int:
    """A free TCP and UDP port of 127.0.0.1 that no connection gets by chance, for what listens there later on."""
    while True:
        port = random.randrange(*_SERVICES)
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(type=kind) as tried:
                    tried.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port


async def fetch(port: int, path: str, method: str = "GET") -> Answer:
    """The answer of 127.0.0.1 to one request."""
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n"
    return await send(port, head.encode())


async def send(port: int, data: bytes) -> Answer:
    """The answer to these bytes; status 0 when the connection ended without one."""
    received = b""
    with anyio.fail_after(15):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            try:
                await stream.send(data)
                while True:
                    received += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                pass
    if not received:
        return Answer(0, "", "")
    head, _, body = received.partition(b"\r\n\r\n")
    return Answer(int(head.split()[1]), head.decode(), body.decode())
