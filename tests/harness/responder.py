"""An http-01 responder on loopback: answers every token with the key authorization of one thumbprint, as `delay` says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Responder:
    """Counts what it was asked. `answer(token)` may be exchanged; None drops the connection."""

    def __init__(self, thumbprint: str) -> None:
        self.port = 0
        self.asked = 0
        self.delay = 0.0
        self.answer: Callable[[str], str | None] = lambda token: f"{token}.{thumbprint}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            token = head.split(b" ", 2)[1].rsplit(b"/", 1)[1].decode()
            self.asked += 1
            if self.delay:
                await asyncio.sleep(self.delay)
            body = self.answer(token)
            if body is not None:
                data = body.encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (len(data), data))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def responder(thumbprint: str) -> AsyncIterator[Responder]:
    """A running responder on a free port of every loopback address."""
    peer = Responder(thumbprint)
    server = await asyncio.start_server(peer._serve, "127.0.0.1", 0, backlog=1024)  # noqa: SLF001  its own server
    peer.port = server.sockets[0].getsockname()[1]
    async with server:
        yield peer
