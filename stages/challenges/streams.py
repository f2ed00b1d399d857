"""One outgoing TCP connection, plain or TLS, to an address that was judged before. For this package alone.

Sockets are used directly, with anyio's waits: a probe sends one small request and reads one small answer, and
building a transport for that costs more than the probe. Nothing here resolves a name. Everything raises
OSError (of which ssl.SSLError is one); callers translate it.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TypeVar

import anyio

T = TypeVar("T")

CHUNK: Final = 8192

_PHRASES: Final = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: "connection reset",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network unreachable",
    errno.ETIMEDOUT: "connection timed out",
}


class Connection:
    """A connected socket; leaving its `with` block closes it at once, also when cancelled."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()

    @classmethod
    async def open(cls, address: str, port: int) -> Self:
        """Connect to a literal address."""
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.settimeout(0)
            fault = sock.connect_ex((address, port))
            if fault == errno.EINPROGRESS:
                await anyio.wait_writable(sock)
                fault = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if fault:
                raise OSError(fault, os.strerror(fault))  # noqa: TRY301  an errno becomes what it stands for
        except BaseException:  # cancellation too: the socket has no other owner yet
            sock.close()
            raise
        return cls(sock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()

    async def send(self, data: bytes) -> None:
        """Send all of `data`."""
        if self._tls is None:
            await self._send_raw(data)
        else:
            tls = self._tls
            await self._drive(lambda: tls.write(data))

    async def receive(self) -> bytes:
        """Return what has come, at most 8 KiB; b"" at the end of the stream."""
        if self._tls is None:
            return await self._receive_raw()
        tls = self._tls
        try:
            return await self._drive(lambda: tls.read(CHUNK))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    async def start_tls(self, context: ssl.SSLContext, server_name: str) -> ssl.SSLObject:
        """Shake hands as a client; `server_name` goes out as SNI unless it is an address (RFC 6066 3)."""
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        await self._drive(tls.do_handshake)
        self._tls = tls
        return tls

    async def _drive(self, step: Callable[[], T]) -> T:
        """Repeat a TLS step, feeding it from the socket, until it is done."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                if data := await self._receive_raw():
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            await self._send_raw(data)

    async def _send_raw(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._sock.send(view) :]
            except BlockingIOError:
                await anyio.wait_writable(self._sock)

    async def _receive_raw(self) -> bytes:
        while True:
            await anyio.wait_readable(self._sock)
            try:
                return self._sock.recv(CHUNK)
            except BlockingIOError:  # a wake-up without data
                continue


def phrase(error: OSError) -> str:
    """Return what an OSError says in a few words of printable ASCII, such as "connection refused"."""
    if isinstance(error, ssl.SSLError):
        if isinstance(error, ssl.SSLEOFError):
            return "the connection ended in the middle of the TLS handshake"
        # OpenSSL's own words, "[SSL: REASON] words (_ssl.c:1)": `reason` is None for newer alerts
        words = re.search(r"\] ([A-Za-z0-9 ]+)", str(error))
        return f"TLS error: {words[1].strip() if words else 'unknown'}"
    return _PHRASES.get(error.errno or 0) or os.strerror(error.errno or 0).lower()


def is_answer(error: OSError) -> bool:
    """Whether a failed handshake was an answer, an alert or what is no TLS, and not a broken connection."""
    return isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)
