"""A receiver on 127.0.0.1: a server that keeps what came, for tests of what the program sends of its own accord."""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R", bound="Receiver[Any]")

_PATIENCE = 10.0


class Receiver(ABC, Generic[T]):
    """What came so far; `port` is where it listens."""

    def __init__(self) -> None:
        self.came: list[T] = []
        self.port = 0
        self._at_work: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()

    @abstractmethod
    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; the other side may go away at any time."""

    async def wait(self, count: int, seconds: float = 30.0) -> list[T]:
        """The first `count` that came; AssertionError when they do not."""
        try:
            async with asyncio.timeout(seconds):
                while len(self.came) < count:
                    await self._news.wait()
                    self._news.clear()
        except TimeoutError:
            raise AssertionError(f"{len(self.came)} of {count} came within {seconds} s: {self.came}") from None
        return self.came[:count]

    def take(self, found: T) -> None:
        """One more has come."""
        self.came.append(found)
        self._news.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._at_work.add(task)
        try:
            await self.talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # the other side went away
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def hung_up(self) -> None:
        """Wait until all clients have ended their connections."""
        if self._at_work:
            _, left = await asyncio.wait(self._at_work, timeout=_PATIENCE)
            assert not left, "a client does not hang up"


@asynccontextmanager
async def listening(made: R, tls: ssl.SSLContext | None) -> AsyncIterator[R]:
    """A receiver that runs for a while."""
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.hung_up()
