"""One request and its reply, as handlers see them: no sockets, no ACME. Anyone in `supervisor.acme` may import it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec


class Request(msgspec.Struct):
    """A whole request.

    Attributes:
        method: as sent, such as "POST".
        path: without the query, not decoded.
        query: what follows "?", without it; "" where there is none.
        headers: names in lower case; repeated fields joined by ", ".
        body: all of it.
        peer: the client's address.
        secure: whether it came over TLS.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    peer: str
    secure: bool


class Response(msgspec.Struct):
    """A whole reply; its maker says its content type among the headers.

    `written` is called by the server once the whole reply has gone out to the connection, and never if it broke.
    """

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = []
    written: Callable[[], None] | None = None


def client_address(host: str) -> str:
    """An address as `Request.peer` has it: IPv4 as such, also where it came in through IPv6 (RFC 4291 2.5.5.2)."""
    return host.removeprefix("::ffff:") if host.startswith("::ffff:") and "." in host else host


Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
