"""The program's side of the control socket: it answers its own user and root, one question on each connection.

The socket belongs to whoever has the data directory locked: a second program with the same directory (it may wait for
the lease of a store elsewhere) gets the socket when the first has ended.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
import anyio.abc
import msgspec
import structlog

from supervisor.control.messages import LONGEST, SOCKET, Answer, Question, path_below

log = structlog.get_logger()

CONNECTIONS: Final = 8
"""Questions at once; one more is closed unheard."""
TIME_LIMIT: Final = 10.0
"""Seconds from a connection to its end."""
AGAIN: Final = 2.0
"""Seconds until the next try to own the data directory's socket."""
_BACKLOG: Final = 16
_PIECE: Final = 65_536
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid

Answering = Callable[[Question], Answer]


async def serve_control(
    data_dir: Path, answer: Answering, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Answer questions until cancelled. What keeps the socket from being made is logged; the program needs it not."""
    told, started = "", False
    while True:
        try:
            with _owned(data_dir) as listening:
                if told:
                    log.info("control.available", socket=str(data_dir / SOCKET))
                    told = ""
                if not started:
                    started = True
                    task_status.started()
                await _accept(listening, answer)
        except OSError as error:
            why = "another process uses it" if isinstance(error, BlockingIOError) else error.strerror or str(error)
            if why != told:
                log.warning("control.unavailable", socket=str(data_dir / SOCKET), why=why)
                told = why
        if not started:
            started = True
            task_status.started()
        await anyio.sleep(AGAIN)


@contextmanager
def _owned(data_dir: Path) -> Iterator[socket.socket]:
    """The listening socket, mode 0600. Raises BlockingIOError when another process owns it, OSError."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path = path_below(directory)
        new = f"{path}.new"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.setblocking(False)  # noqa: FBT003  the socket's own signature
            for left in (new, path):
                with suppress(FileNotFoundError):
                    os.unlink(left)  # noqa: PTH108  as in path_below
            listening.bind(new)
            os.chmod(new, 0o600)  # noqa: PTH101  as above
            listening.listen(_BACKLOG)
            os.rename(new, path)  # noqa: PTH104  as above
            try:
                yield listening
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(path)  # noqa: PTH108  as above
    finally:
        os.close(directory)


async def _accept(listening: socket.socket, answer: Answering) -> None:
    loop, free = asyncio.get_running_loop(), CONNECTIONS

    async def serve(client: socket.socket) -> None:
        nonlocal free
        with client:
            free -= 1
            try:
                told = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
                if free >= 0 and may_ask(told, os.geteuid()):
                    with anyio.move_on_after(TIME_LIMIT):
                        await _serve(client, answer)
            except OSError:
                pass  # the other side went away
            except Exception:
                log.exception("control.failed")
            finally:
                free += 1

    async with anyio.create_task_group() as group:
        while True:
            client, _ = await loop.sock_accept(listening)
            client.setblocking(False)  # noqa: FBT003  the socket's own signature
            group.start_soon(serve, client)


def may_ask(credentials: bytes, own: int) -> bool:
    """Whether a process with these credentials may ask: those of user `own` and of root.

    The socket's mode says so too, and this does not hang on modes.
    """
    return _CREDENTIALS.unpack(credentials)[1] in {0, own}


async def _serve(client: socket.socket, answer: Answering) -> None:
    loop, line = asyncio.get_running_loop(), b""
    while not line.endswith(b"\n"):
        piece = await loop.sock_recv(client, _PIECE)
        line += piece
        if not piece or len(line) > LONGEST:
            return
    try:
        question = msgspec.json.decode(line, type=Question)
    except msgspec.MsgspecError as error:
        found = Answer(os.getpid(), "", f"the question is not understood: {error}")
    else:
        found = answer(question)
    await loop.sock_sendall(client, msgspec.json.encode(found) + b"\n")
