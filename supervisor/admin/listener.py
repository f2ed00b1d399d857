"""Serves the admin pages: one request on each connection, few connections, little time. For the program only."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import anyio
import structlog
from anyio.abc import SocketStream, TaskStatus

from stages.errors import Refused
from supervisor.admin.facts import Facts
from supervisor.admin.pages import Page, error, page
from supervisor.admin.request import BadRequest, Request

log = structlog.get_logger()

CONNECTIONS = 32
"""Connections at once; one more is closed unheard."""
TIME_LIMIT = 5.0
"""Seconds from a connection to its end."""
_PIECE = 4096
_METHODS = ("GET", "HEAD")


async def serve_admin(listen: str, facts: Callable[[], Facts], *, task_status: TaskStatus[None]) -> None:
    """Listen on `listen` ("127.0.0.1:8470", "[::1]:8470") until cancelled; `facts` is asked for each request.

    Raises Refused("config", "admin.listen", ...) when the address cannot be used.
    """
    host, _, port = listen.rpartition(":")
    try:
        listener = await anyio.create_tcp_listener(local_host=host.strip("[]"), local_port=int(port))
    except OSError as fault:
        raise Refused("config", "admin.listen", f"{listen} cannot be listened on: {fault.strerror or fault}") from None
    free = CONNECTIONS

    async def handle(stream: SocketStream) -> None:
        nonlocal free
        async with stream:
            if not free:
                return
            free -= 1
            try:
                with anyio.move_on_after(TIME_LIMIT):
                    await _answer(stream, facts)
            except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
                pass  # the other side went away
            except Exception:
                log.exception("admin.failed")
            finally:
                free += 1

    async with listener:
        log.info("admin.listening", listen=listen)
        task_status.started()
        await listener.serve(handle)


async def _answer(stream: SocketStream, facts: Callable[[], Facts]) -> None:
    request, method = Request(), ""
    try:
        while not request.complete:
            request.feed(await stream.receive(_PIECE))
        method = request.method
        if method in _METHODS:
            found = page(request.path, facts())
        else:
            found = error(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are answered")
    except BadRequest as bad:
        found = error(bad.status, bad.why)
    await stream.send(response(found, body=method != "HEAD"))
    await stream.send_eof()


def response(found: Page, *, body: bool = True) -> bytes:
    """The bytes of an answer (RFC 9112 4); the connection ends with it."""
    allow = f"allow: {', '.join(_METHODS)}\r\n" if found.status == HTTPStatus.METHOD_NOT_ALLOWED else ""
    head = (
        f"HTTP/1.1 {found.status} {HTTPStatus(found.status).phrase}\r\n"
        f"content-type: {found.content_type}\r\n"
        f"content-length: {len(found.body)}\r\n"
        f"{allow}cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    )
    return head.encode("ascii") + (found.body if body else b"")
