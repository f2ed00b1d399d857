"""An HTTP/1.1 client with TLS that keeps connections open and opens as many as are needed at once.

For clients of tests: `tests.harness.acme_client` and what asks an ACME server without an account.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus

from supervisor.http.message import Response

_PATIENCE = 30.0
"""Seconds in which an answer has to be there."""


class Web:
    """A way to a port of 127.0.0.1; without `tls` it is plain HTTP. `asked` counts requests that were sent."""

    def __init__(self, port: int, tls: ssl.SSLContext | None, host: str = "") -> None:
        self.asked = 0
        self._port = port
        self._tls = tls
        self._host = host or f"127.0.0.1:{port}"
        self._idle: list[_Connection] = []

    async def ask(self, method: str, path: str, body: bytes = b"", fields: Mapping[str, str] | None = None) -> Response:
        """Send a request and wait for its answer; raises OSError when the connection ends without one.

        As other clients do, it tries another connection when one that was left open turns out to be closed.
        """
        head = {"host": self._host, "content-length": str(len(body)), **(fields or {})}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
        data = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        self.asked += 1
        while self._idle:
            with suppress(_NothingCame):
                return await self._exchange(self._idle.pop(), method, data)
        return await self._exchange(await self._connect(), method, data)

    async def _connect(self) -> _Connection:
        return _Connection(*await asyncio.open_connection("127.0.0.1", self._port, ssl=self._tls))

    async def _exchange(self, connection: _Connection, method: str, data: bytes) -> Response:
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await connection.exchange(method, data)
        except BaseException:
            connection.abort()
            raise
        if ("connection", "close") in {(name.lower(), value.lower()) for name, value in answer.headers}:
            await connection.close()
        else:
            self._idle.append(connection)
        return answer

    async def aclose(self) -> None:
        """Close what is open."""
        while self._idle:
            await self._idle.pop().close()


class _NothingCame(ConnectionError):  # noqa: N818  what happened, not a fault
    """The connection ended before the first byte of an answer."""


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def exchange(self, method: str, data: bytes) -> Response:
        try:
            self._writer.write(data)
            await self._writer.drain()
            top = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise (ConnectionError if error.partial else _NothingCame)("no answer came") from None
        except ConnectionError:
            raise _NothingCame("the connection was lost") from None
        line, *fields = top.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
        headers = [(name, value) for name, _, value in (field.partition(": ") for field in fields)]
        status = int(line.split()[1])
        size = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        if method == "HEAD" or status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            size = 0
        try:
            return Response(status, await self._reader.readexactly(size), headers)
        except asyncio.IncompleteReadError:
            raise ConnectionError("half an answer came") from None

    def abort(self) -> None:
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
