"""A receiver of webhooks on 127.0.0.1: keeps what came, and answers as a test says."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

_PATIENCE = 10.0


class Post(NamedTuple):
    """One request: its line, its header fields by lower-case name, its body."""

    line: str
    fields: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


class Hook:
    """What came so far.

    Attributes:
        at_work: the tasks of its connections.
        answers: the status lines for the next requests, in order, such as "500 no"; then "204 taken". With a newline
            further header lines follow. "silence" answers nothing, "hang up" ends the connection.
    """

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.answers: list[str] = []
        self.port = 0
        self.at_work: set[asyncio.Task[None] | None] = set()
        self._news = asyncio.Event()

    async def wait(self, count: int, seconds: float = 30.0) -> list[Post]:
        """The first `count` posts; AssertionError when they do not come."""
        try:
            async with asyncio.timeout(seconds):
                while len(self.posts) < count:
                    await self._news.wait()
                    self._news.clear()
        except TimeoutError:
            raise AssertionError(f"{len(self.posts)} posts of {count} within {seconds} s: {self.posts}") from None
        return self.posts[:count]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        self.at_work.add(asyncio.current_task())
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").removesuffix("\r\n\r\n")
            line, *rest = head.split("\r\n")
            fields = {name.lower(): value for name, _, value in (field.partition(": ") for field in rest)}
            self.posts.append(Post(line, fields, await reader.readexactly(int(fields["content-length"]))))
            answer = self.answers.pop(0) if self.answers else "204 taken"
            self._news.set()
            if answer == "silence":
                await reader.read()
            elif answer != "hang up":
                more = answer.replace("\n", "\r\n")
                writer.write(f"HTTP/1.1 {more}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side went away
        finally:
            await closed(writer)


@asynccontextmanager
async def hook(tls: ssl.SSLContext | None = None) -> AsyncIterator[Hook]:
    """A receiver that runs for a while."""
    made = Hook()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        await ended(server, made.at_work)


async def closed(writer: asyncio.StreamWriter) -> None:
    """End a connection whatever the other side does."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def ended(server: asyncio.Server, at_work: set[asyncio.Task[None] | None]) -> None:
    """Listen no more, and wait until the clients have hung up."""
    server.close()
    if tasks := [task for task in at_work if task is not None]:
        _, left = await asyncio.wait(tasks, timeout=_PATIENCE)
        assert not left, "a client does not hang up"
