"""Serves and keeps the connections: TLS, the cap, and the end in order. It never owns signals.

`supervisor.acme` and what starts it use `serve`. Connections are made here and not by the event loop's own server: one
counts from its first byte on, TLS handshake included, and gets the certificate that is in place by then.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import anyio
import structlog
from anyio.abc import TaskStatus

from supervisor.http.listening import Listening, address_text, bound, listen
from supervisor.http.message import Handler
from supervisor.http.protocol import Connection
from supervisor.http.refusing import OnRefused, Refusals
from supervisor.http.settings import HttpSettings
from supervisor.meter import ServerMeter

log = structlog.get_logger()

REFUSED_AT_ONCE: Final = 64
"""Connections beyond the cap that are told so; further ones are closed unheard."""
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
    meter = meter if meter is not None else ServerMeter()
    server = _Server(handler, settings, Refusals(on_refused, meter), tls, meter)
    sockets = await listen(addresses, setting)
    listening = Listening(sockets, server)
    try:
        listening.start()
        at = [bound(sock) for sock in sockets]
        log.info("http.listening", listen=[address_text(*address) for address in at], tls=tls is not None)
        task_status.started(at)
        await stopping.wait()
        listening.stop()
        await server.wind_up()
    finally:
        listening.stop()
        with anyio.CancelScope(shield=True):
            await server.end()


class _Server:
    """The connections of one `serve`."""

    def __init__(
        self,
        handler: Handler,
        settings: Callable[[], HttpSettings],
        refusals: Refusals,
        tls: Callable[[], ssl.SSLContext] | None,
        meter: ServerMeter,
    ) -> None:
        self.handler = handler
        self.settings = settings
        self.refusals = refusals
        self._meter = meter
        self.stopping = False
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._connections: set[Connection] = set()
        self._opening: dict[asyncio.Task[None], tuple[socket.socket, Connection]] = {}
        self._changed = asyncio.Event()
        self._full = False

    async def wind_up(self) -> None:
        """Let what is in work come to its end, for `grace` seconds; the rest has nothing to wait for."""
        self.stopping = True
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
        self.stopping = True
        for sock, _ in self._opening.values():
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        while self._connections or self._opening:
            for connection in tuple(self._connections):
                connection.abort()
            await self._change()

    def released(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        self._meter.open = len(self._connections)
        if self._full and len(self._connections) < self.settings().connections:
            self.room()
        self._changed.set()

    def changed(self) -> None:
        """A connection may have stopped being busy."""
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def no_room(self, why: str) -> None:
        """There is none for a connection: warn, once for each time that it becomes so."""
        if not self._full:
            self._full = True
            log.warning("http.full", why=why)

    def room(self) -> None:
        """There may be room again."""
        self._full = False

    def take(self, sock: socket.socket) -> None:
        """A connection has been accepted: serve it, answer 503 above the cap, and close it unheard far above."""
        most, now = self.settings().connections, len(self._connections)
        self._meter.accepted += 1
        if now >= most:
            self._meter.full += 1
            self.no_room(f"{most} connections are open, as many as are allowed")
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
