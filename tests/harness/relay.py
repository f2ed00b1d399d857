"""A port between clients and a server on a unix socket, with faults: replies held back, strange ones, resets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER for no time: closing resets."""


class Relay:
    """Passes everything on, as long as nothing else is said. `asked` counts what clients have sent, in pieces."""

    def __init__(self, target: Path) -> None:
        self.port = 0
        self.asked = 0
        self._target = target
        self._passing = asyncio.Event()
        self._passing.set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def hold(self) -> None:
        """Replies wait here from now on; requests go on."""
        self._passing.clear()

    def let_go(self) -> None:
        """They wait no more."""
        self._passing.set()

    def say(self, data: bytes) -> None:
        """Every client hears this as if the server had said it."""
        for client in self._clients:
            client.write(data)

    def reset(self) -> None:
        """Every connection of a client is reset (RST)."""
        for client in tuple(self._clients):
            client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            client.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._clients.add(writer)
        try:
            up, down = await asyncio.open_unix_connection(self._target)
            await asyncio.gather(self._requests(reader, down), self._replies(up, writer))
        except asyncio.CancelledError:
            pass  # the end of the relay
        finally:
            self._clients.discard(writer)
            self._tasks.discard(task)

    async def _requests(self, reader: asyncio.StreamReader, down: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            try:
                while data := await reader.read(_CHUNK):
                    self.asked += 1
                    down.write(data)
                    await down.drain()
            finally:
                down.close()

    async def _replies(self, up: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            try:
                while data := await up.read(_CHUNK):
                    await self._passing.wait()
                    writer.write(data)
                    await writer.drain()
            finally:
                writer.close()

    async def end(self) -> None:
        """Close all connections."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))


@asynccontextmanager
async def relay(target: Path) -> AsyncIterator[Relay]:
    """A relay on 127.0.0.1 to the server at `target`."""
    made = Relay(target)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.end()
