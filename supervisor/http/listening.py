"""Listening sockets: opens them, and accepts what connects while the system has room. No HTTP; for `server` only."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from typing import Final, Protocol

from stages.errors import Refused

BACKLOG: Final = 1024
_BATCH: Final = 64
"""Connections accepted in one go, so that those which are there get their turn."""
_AGAIN: Final = 0.5
"""Seconds until the next try when the system has no room for a connection."""
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


async def listen(addresses: Sequence[tuple[str, int] | socket.socket], setting: str) -> list[socket.socket]:
    """Listen on each (host, port); a socket among them listens already. Raises Refused("config", `setting`, ...)."""
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
            raise Refused("config", setting, f"{address_text(host, port)} cannot be listened on: {why}") from None
    return opened


def bound(sock: socket.socket) -> tuple[str, int]:
    """Where it listens; a unix socket has a path and no port."""
    name = sock.getsockname()
    return (name, 0) if sock.family == socket.AF_UNIX else name[:2]


def address_text(host: str, port: int) -> str:
    """What `bound` says, as the log has it."""
    if not port:
        return f"unix:{host}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Taker(Protocol):
    """Whoever gets the connections."""

    def take(self, sock: socket.socket) -> None:
        """A connection has been accepted."""

    def no_room(self, why: str) -> None:
        """The system has no room for one; the next try is soon."""

    def room(self) -> None:
        """There may be room again: this is the next try."""


class Listening:
    """Accepts from these sockets between `start` and `stop`, which closes them."""

    def __init__(self, sockets: list[socket.socket], taker: Taker) -> None:
        self._sockets = sockets
        self._taker = taker
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Hand on what connects from now on."""
        for sock in self._sockets:
            self._loop.add_reader(sock.fileno(), self._accept, sock)

    def stop(self) -> None:
        """Accept nothing any more; it may be called again."""
        for sock in self._sockets:
            self._loop.remove_reader(sock.fileno())
            sock.close()
        self._sockets = []

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                sock, _ = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as fault:
                if fault.errno in _NO_ROOM:
                    self._taker.no_room(f"the system has no room for a connection: {fault.strerror}")
                    self._loop.remove_reader(listening.fileno())
                    self._loop.call_later(_AGAIN, self._accept_again, listening)
                    return
                continue  # the client has gone already
            self._taker.take(sock)

    def _accept_again(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            self._taker.room()
            self._loop.add_reader(listening.fileno(), self._accept, listening)
