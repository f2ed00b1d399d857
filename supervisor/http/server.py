"""Listens and keeps the connections: addresses, TLS, the cap, and the end in order. It never owns signals.

`supervisor.acme` and what starts it use `serve`. Sockets are accepted here and not by the event loop's own server: a
connection counts from its first byte on, TLS handshake included, and gets the certificate that is in place by then.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import anyio
import structlog
from anyio.abc import TaskStatus

from stages.errors import Refused
from supervisor.http.message import Handler, Request, Response
from supervisor.http.protocol import Connection, OnRefused
from supervisor.http.settings import HttpSettings
from supervisor.meter import ServerMeter

log = structlog.get_logger()

BACKLOG: Final = 1024
REFUSED_AT_ONCE: Final = 64
"""Connections beyond the cap that are told so; further ones are closed unheard."""
_BATCH: Final = 64
"""Connections accepted in one go, so that those which are there get their turn."""
_AGAIN: Final = 0.5
"""Seconds until the next try when the system has no room for a connection."""
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_LAST: Final = 0.5
"""Seconds that the last answers and TLS goodbyes have once nothing is in work any more."""
_FIRST: Final = 1.0
"""Seconds that a client which has just connected has for its handshake and its first request when the server stops: it
could not know, and where systemd holds the socket the next process would have answered it."""


async def serve(  # noqa: PLR0913  a program's listener has so many parts, and all but three are named
    addresses: Sequence[tuple[str, int] | socket.socket],
    handler: Handler,
    settings: Callable[[], HttpSettings],
    *,
    tls: Callable[[], ssl.SSLContext] | None,
    on_refused: OnRefused,
    stopping: anyio.Event,
    setting: str = "acme.listen",
    meter: ServerMeter | None = None,
    task_status: TaskStatus[list[tuple[str, int]]] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on `addresses` until `stopping` is set; then end in order and come back.

    An address is (host, port), or a socket that listens already: its file, where it has one, is its maker's to remove.

    The order: nothing more is accepted, connections that are idle after a request end, new ones have a second to bring
    theirs, requests in work are answered for `grace` seconds, then everything ends. When it is cancelled everything
    ends at once. `tls` gives the context for each new connection, None is plain HTTP. `task_status` gets the addresses
    as they are, with the ports that the system chose for 0. `meter` counts connections, and answers of its own.

    Raises Refused("config", `setting`, ...) when an address cannot be listened on.
    """
    server = _Server(handler, settings, on_refused, tls, meter if meter is not None else ServerMeter())
    sockets = await _listen(addresses, setting)
    try:
        server.accept_from(sockets)
        bound = [_bound(sock) for sock in sockets]
        log.info("http.listening", listen=[_text(*address) for address in bound], tls=tls is not None)
        task_status.started(bound)
        await stopping.wait()
        server.stop_accepting()
        await server.wind_up()
    finally:
        server.stop_accepting()
        with anyio.CancelScope(shield=True):
            await server.end()


async def _listen(addresses: Sequence[tuple[str, int] | socket.socket], setting: str) -> list[socket.socket]:
    opened: list[socket.socket] = []
    loop = asyncio.get_running_loop()
    for wanted in addresses:
        if isinstance(wanted, socket.socket):
            opened.append(wanted)
            continue
        host, port = wanted
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, kind, protocol, _, address in dict.fromkeys(found):
                sock = socket.socket(family, kind, protocol)
                opened.append(sock)
                sock.setblocking(False)  # noqa: FBT003  the socket's own signature
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    # 0.0.0.0 and [::] can then both be listened on.
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind(address)
                sock.listen(BACKLOG)
        except (OSError, OverflowError, UnicodeError) as fault:
            for sock in opened:
                sock.close()
            why = getattr(fault, "strerror", None) or "it is no address and port"
            raise Refused("config", setting, f"{_text(host, port)} cannot be listened on: {why}") from None
    return opened


def _bound(sock: socket.socket) -> tuple[str, int]:
    """Where it listens; a unix socket has a path and no port."""
    name = sock.getsockname()
    return (name, 0) if sock.family == socket.AF_UNIX else name[:2]


def _text(host: str, port: int) -> str:
    if not port:
        return f"unix:{host}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Server:
    """The connections of one `serve`."""

    def __init__(
        self,
        handler: Handler,
        settings: Callable[[], HttpSettings],
        on_refused: OnRefused,
        tls: Callable[[], ssl.SSLContext] | None,
        meter: ServerMeter,
    ) -> None:
        self.handler = handler
        self.settings = settings
        self.on_refused: OnRefused = self._refuse
        self._answer_refused = on_refused
        self._meter = meter
        self.stopping = False
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._connections: set[Connection] = set()
        self._opening: dict[asyncio.Task[None], tuple[socket.socket, Connection]] = {}
        self._changed = asyncio.Event()
        self._full = False

    def accept_from(self, sockets: list[socket.socket]) -> None:
        """Take connections from these."""
        self._sockets = sockets
        for sock in sockets:
            self._loop.add_reader(sock.fileno(), self._accept, sock)

    def stop_accepting(self) -> None:
        """Take none any more."""
        self.stopping = True
        for sock in self._sockets:
            self._loop.remove_reader(sock.fileno())
            sock.close()
        self._sockets = []

    async def wind_up(self) -> None:
        """Let what is in work come to its end, for `grace` seconds; the rest has nothing to wait for."""
        grace = self.settings().grace
        for connection in tuple(self._connections):
            if connection.served:
                connection.quiet()
        with anyio.move_on_after(min(_FIRST, grace)):
            while any(connection.awaited for connection in self._connections):
                await self._change()
        for sock, connection in self._opening.values():
            if connection.awaited:  # a request may be in work before the loop has told of the end of the handshake
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for connection in tuple(self._connections):
            connection.quiet()
        with anyio.move_on_after(grace):
            while any(connection.busy for connection in self._connections):
                await self._change()
        with anyio.move_on_after(_LAST):
            while self._connections:
                await self._change()

    async def end(self) -> None:
        """End whatever is left, and come back when nothing is."""
        for sock, _ in self._opening.values():
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        while self._connections or self._opening:
            for connection in tuple(self._connections):
                connection.abort()
            await self._change()

    def _refuse(self, status: int, detail: str, request: Request | None) -> Response:
        """The answer to what the server itself refuses."""
        self._meter.refused[status] += 1
        return self._answer_refused(status, detail, request)

    def released(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        self._meter.open = len(self._connections)
        if self._full and len(self._connections) < self.settings().connections:
            self._full = False
        self._changed.set()

    def changed(self) -> None:
        """A connection may have stopped being busy."""
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                sock, _ = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as fault:
                if fault.errno in _NO_ROOM:
                    self._tell_full(f"the system has no room for a connection: {fault.strerror}")
                    self._loop.remove_reader(listening.fileno())
                    self._loop.call_later(_AGAIN, self._accept_again, listening)
                    return
                continue  # the client has gone already
            self._take(sock)

    def _accept_again(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            self._full = False
            self._loop.add_reader(listening.fileno(), self._accept, listening)

    def _take(self, sock: socket.socket) -> None:
        most, now = self.settings().connections, len(self._connections)
        self._meter.accepted += 1
        if now >= most:
            self._meter.full += 1
            self._tell_full(f"{most} connections are open, as many as are allowed")
        if now >= most + REFUSED_AT_ONCE:
            sock.close()
            return
        sock.setblocking(False)  # noqa: FBT003  the socket's own signature
        connection = Connection(self, full=now >= most)
        self._connections.add(connection)
        self._meter.open = len(self._connections)
        task = self._loop.create_task(self._open(sock, connection))
        self._opening[task] = sock, connection
        task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        del self._opening[task]
        self._changed.set()

    async def _open(self, sock: socket.socket, connection: Connection) -> None:
        try:
            if self._tls is None:
                await self._loop.connect_accepted_socket(lambda: connection, sock)
                return
            patience = self.settings().handshake_timeout
            await self._loop.connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=self._tls(),
                ssl_handshake_timeout=patience,
                ssl_shutdown_timeout=patience,
            )
        except (OSError, ssl.SSLError) as fault:
            # Every port scanner does it; an operator who looks for a client's trouble turns on debug.
            log.debug("http.handshake_failed", why=getattr(fault, "reason", None) or fault.strerror or str(fault))
            self.released(connection)
        except Exception:
            log.exception("http.failed", method="", path="")
            self.released(connection)

    def _tell_full(self, why: str) -> None:
        """Once for each time that it becomes so."""
        if not self._full:
            self._full = True
            log.warning("http.full", why=why)
