"""An http-01 responder on loopback: answers every token with the key authorization of one thumbprint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Responder:
    """Counts what it was asked. `answer(token)` may be exchanged; None drops the connection.

    `delay` is in seconds: a number, or a function that is asked for each answer.
    """

    def __init__(self, thumbprint: str) -> None:
        self.port = 0
        self.asked = 0
        self.delay: float | Callable[[], float] = 0.0
        self.answer: Callable[[str], str | None] = lambda token: f"{token}.{thumbprint}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            token = head.split(b" ", 2)[1].rsplit(b"/", 1)[1].decode()
            self.asked += 1
            if delay := self.delay() if callable(self.delay) else self.delay:
                await asyncio.sleep(delay)
            body = self.answer(token)
            if body is not None:
                fields = f"content-length: {len(body)}\r\nconnection: close\r\n"
                writer.write(f"HTTP/1.1 200 OK\r\n{fields}\r\n{body}".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the program under test was stopped or killed in the middle
        finally:
            writer.close()


@asynccontextmanager
async def responder(thumbprint: str) -> AsyncIterator[Responder]:
    """A running responder on a free port of 127.0.0.1; those who still wait for an answer get none at its end."""
    peer = Responder(thumbprint)
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await peer._serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            serving.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in tuple(serving):
            task.cancel()
        if serving:
            await asyncio.wait(tuple(serving))
