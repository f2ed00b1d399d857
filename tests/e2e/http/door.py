"""A web server on a free port of loopback, and a client that sends raw bytes. For the tests of this folder."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

import anyio
import anyio.abc
import msgspec

from supervisor.http.message import Handler, Request, Response
from supervisor.http.refusing import OnRefused
from supervisor.http.server import serve
from supervisor.http.settings import HttpSettings
from supervisor.meter import ServerMeter

PATIENCE = 10
"""Seconds for what has to happen soon."""
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Answer(NamedTuple):
    """One answer; field names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Door:
    """A running server.

    Attributes:
        port: where it listens.
        settings: can be changed.
        refused: status and detail of its own errors.
        meter: what it counts.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self.settings = settings
        self.meter = ServerMeter()
        self.port = 0
        self.refused: list[tuple[int, str]] = []
        self.stopping = anyio.Event()
        self.stopped = anyio.Event()
        self.on_refused: OnRefused = self._refuse

    def _refuse(self, status: int, detail: str, request: Request | None) -> Response:
        """Answer an error with its sentence."""
        del request
        self.refused.append((status, detail))
        return Response(status, detail.encode(), [("Content-Type", "text/plain")])

    async def connect(self, tls: ssl.SSLContext | None = None) -> Client:
        """A connection."""
        if tls is None:
            return Client(await anyio.connect_tcp("127.0.0.1", self.port))
        return Client(await anyio.connect_tcp("127.0.0.1", self.port, ssl_context=tls, tls_standard_compatible=False))

    async def ask(self, data: bytes) -> list[Answer]:
        """Every answer to these bytes until the server ends the connection."""
        async with await self.connect() as client:
            await client.send(data)
            return await client.rest()


class Client:
    """One connection to a door."""

    def __init__(self, stream: anyio.abc.SocketStream | Any) -> None:
        self.stream = stream
        self._received = b""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.CancelScope(shield=True):
            await self.stream.aclose()

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        await self.stream.send(data)

    async def answer(self, *, head: bool = False) -> Answer:
        """The next answer; `head` says that it has no body."""
        with anyio.fail_after(PATIENCE):
            while b"\r\n\r\n" not in self._received:
                self._received += await self.stream.receive()
            found, size = _parse(self._received, head=head)
            while len(self._received) < size:
                self._received += await self.stream.receive()
        found, _ = _parse(self._received, head=head)
        self._received = self._received[size:]
        return found

    def reset(self) -> None:
        """Go away without a goodbye."""
        sock = self.stream.extra(anyio.abc.SocketAttribute.raw_socket)  # noqa: S610  no database here
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def rest(self) -> list[Answer]:
        """Every answer until the server ends the connection."""
        await self.ended()
        answers = []
        while self._received:
            found, size = _parse(self._received)
            answers.append(found)
            self._received = self._received[size:]
        return answers

    async def ended(self) -> bytes:
        """What comes until the server ends the connection."""
        with anyio.fail_after(PATIENCE):
            try:
                while True:
                    self._received += await self.stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return self._received


def _parse(data: bytes, *, head: bool = False) -> tuple[Answer, int]:
    """The first answer in these bytes, as far as it has come, and its whole size."""
    top, _, rest = data.partition(b"\r\n\r\n")
    line, *fields = top.decode("ascii").split("\r\n")
    headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
    length = 0 if head else int(headers.get("content-length", "0"))
    return Answer(int(line.split()[1]), headers, rest[:length]), len(top) + 4 + length


async def echo(request: Request) -> Response:
    """Answer with the request as JSON."""
    return Response(200, msgspec.json.encode(request), [("Content-Type", "application/json")])


def request_of(answer: Answer) -> Request:
    """The request that `echo` answered."""
    return msgspec.json.decode(answer.body, type=Request)


@asynccontextmanager
async def open_door(
    handler: Handler = echo, tls: Callable[[], ssl.SSLContext] | None = None, **settings: Any
) -> AsyncIterator[Door]:
    """A door; `settings` are those of HttpSettings."""
    door = Door(HttpSettings(**settings))

    async def run(*, task_status: anyio.abc.TaskStatus[list[tuple[str, int]]]) -> None:
        await serve(
            [("127.0.0.1", 0)],
            handler,
            lambda: door.settings,
            tls=tls,
            on_refused=lambda *args: door.on_refused(*args),  # noqa: PLW0108  a test exchanges it later
            stopping=door.stopping,
            meter=door.meter,
            task_status=task_status,
        )
        door.stopped.set()

    async with anyio.create_task_group() as group:
        ((_, door.port),) = await group.start(run)
        yield door
        group.cancel_scope.cancel()
