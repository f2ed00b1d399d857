"""The clients' web servers: one listener for all of 127.0.0.0/8, whose address decides how it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

GOOD, BAD, FLAKY, SLOW, ALSO_GOOD = (f"127.0.0.{n}" for n in range(1, 6))
"""Answers; answers something else; drops a token's first request; answers late; answers."""


class Peer:
    """`hold` keeps the slow one from answering at all; `slow` is its delay in seconds; `thumbprint` is all clients'."""

    def __init__(self, thumbprint: str) -> None:
        self.port = 0
        self.slow = 0.5
        self.hold = False
        self.asked = 0
        self.thumbprint = thumbprint
        self._dropped: set[str] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            token = head.split(b" ", 2)[1].rsplit(b"/", 1)[1].decode()
            self.asked += 1
            body = await self._answer(writer.get_extra_info("sockname")[0], token)
            if body:
                fields = f"content-length: {len(body)}\r\nconnection: close\r\n"
                writer.write(f"HTTP/1.1 200 OK\r\n{fields}\r\n{body}".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the program was killed in the middle
        finally:
            writer.close()

    async def _answer(self, address: str, token: str) -> str:
        if address == BAD:
            return "nothing of the kind"
        if address == SLOW:
            await asyncio.sleep(3600.0 if self.hold else self.slow)
        if address == FLAKY and token not in self._dropped:
            self._dropped.add(token)
            return ""
        return f"{token}.{self.thumbprint}"


@asynccontextmanager
async def listening(thumbprint: str) -> AsyncIterator[Peer]:
    """A running peer on a free port."""
    peer = Peer(thumbprint)
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  for the type checker
        serving.add(task)
        try:
            await peer.serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the end of the block
        finally:
            serving.discard(task)

    server = await asyncio.start_server(serve, "0.0.0.0", 0, backlog=1024)  # noqa: S104  all of 127.0.0.0/8, for the run
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in tuple(serving):
            task.cancel()
        if serving:
            await asyncio.wait(tuple(serving))
