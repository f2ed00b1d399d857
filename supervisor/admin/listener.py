"""Serves the admin pages on the shared web server: few connections, short times, no TLS. For the program only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final

import anyio
import structlog
from anyio.abc import TaskStatus

from stages.errors import Refused
from supervisor import build
from supervisor.admin.door import Door, Routes
from supervisor.admin.gate import Gate
from supervisor.admin.socket_file import listening
from supervisor.config import Settings
from supervisor.config.addresses import socket_path, tcp_addresses
from supervisor.http.activation import Activation
from supervisor.http.server import serve
from supervisor.http.settings import HttpSettings
from supervisor.meter import ServerMeter

log = structlog.get_logger()

LIMITS: Final = HttpSettings(
    max_target=4096,
    max_head=8192,
    max_body=0,
    connections=32,
    ahead=4,
    header_timeout=5.0,
    body_timeout=5.0,
    idle_timeout=15.0,
    write_timeout=10.0,
    grace=1.0,
)
TOKEN_LENGTH: Final = 16
"""Characters that a token must have at least."""


class AdminToken:
    """The token of `admin.token_file`, read when it is made and again on each reload: a new one needs no restart."""

    def __init__(self, settings: Settings) -> None:
        self._token = _read(settings)

    def __call__(self) -> str:
        """The token in effect; "" where none is asked for."""
        return self._token

    def follow(self, settings: Settings) -> Callable[[], None]:
        """Read the file again; what comes back puts its token in place. Raises Refused("config", ...)."""
        token = _read(settings)

        def put() -> None:
            self._token = token

        return put


def _read(settings: Settings) -> str:
    file, listen = settings.admin.token_file, settings.admin.listen
    if file is None and not all(address.loopback for address in tcp_addresses(listen)):
        # A reload leaves the address as it is; the token must not go before it.
        raise Refused("config", "admin.token_file", f"must name a token while {listen} is listened on")
    token = build.read_secret(file, "admin.token_file")
    if token and (len(token) < TOKEN_LENGTH or not token.isascii() or not token.isprintable() or " " in token):
        wanted = f"at least {TOKEN_LENGTH} characters of ASCII without blanks"
        raise Refused("config", "admin.token_file", f"the first line of {file} is no token: {wanted} are wanted")
    return token


async def serve_admin(
    listen: str,
    routes: Routes,
    token: Callable[[], str],
    meter: ServerMeter,
    activation: Activation,
    *,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Listen on `listen` ("127.0.0.1:8470", "[::1]:8470", "unix:/run/ca.sock") until cancelled.

    A socket that `activation` has for admin.listen is used in its place; its file is systemd's.

    Raises Refused("config", "admin.listen", ...) when the address cannot be used.
    """
    path = socket_path(listen)
    door = Door(routes, Gate(token, browsers=path is None))
    sockets = activation.listening("admin.listen", tcp_addresses(listen))
    with ExitStack() as stack:
        if path is not None and not sockets:
            sockets.append(stack.enter_context(listening(path, "admin.listen")))
        await serve(
            sockets,
            door.handle,
            lambda: LIMITS,
            tls=None,
            on_refused=door.refuse,
            stopping=anyio.Event(),
            setting="admin.listen",
            meter=meter,
            task_status=_Started(listen, task_status),
        )


class _Started(TaskStatus[Sequence[object]]):
    """Says that the listener listens, in the log too."""

    def __init__(self, listen: str, outer: TaskStatus[None]) -> None:
        self._listen = listen
        self._outer = outer

    def started(self, value: object = None) -> None:
        """The web server calls it, with its addresses."""
        del value  # the settings say them
        log.info("admin.listening", listen=self._listen)
        self._outer.started()
