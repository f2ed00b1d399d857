"""The ways to the server of a data directory: own the directory and run it, or use the one that its owner runs.

For `supervisor.embedded`, and for a restore, which owns a directory in its own way.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import anyio

from supervisor.embedded.binary import server_binary
from supervisor.embedded.owner import EmbeddedError, end_left_over, locked, prepare, socket_path
from supervisor.embedded.server import Embedded, ping

_POLL: Final = 0.003
_COMMAND_LIMIT: Final = 10.0
"""Seconds for which a command waits for an owner that is only starting, or stopping."""


@asynccontextmanager
async def embedded_store(data_dir: Path, clock: Callable[[], float] = time.monotonic) -> AsyncIterator[Embedded]:
    """Own `data_dir` and run its server; the server stops when the block ends.

    Raises:
        EmbeddedError: another process owns the directory, or the server cannot start.
    """
    prepare(data_dir)
    with locked(data_dir):
        async with server_of(data_dir, clock) as store:
            yield store


@asynccontextmanager
async def server_of(data_dir: Path, clock: Callable[[], float] = time.monotonic) -> AsyncIterator[Embedded]:
    """Run the server of a directory that this process owns already (`owner.locked`); one left over is ended first.

    Raises:
        EmbeddedError: the server cannot start.
    """
    binary = server_binary()
    left_over = await anyio.to_thread.run_sync(end_left_over, data_dir, binary)
    store = Embedded(data_dir, binary, left_over, clock)
    await store.start()
    try:
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await store.stop()


def end_left_over_server(data_dir: Path) -> int:
    """As `owner.end_left_over`, of the server that would be started here."""
    return end_left_over(data_dir, server_binary())


@asynccontextmanager
async def store_for_command(data_dir: Path, clock: Callable[[], float] = time.monotonic) -> AsyncIterator[str]:
    """The URL of `data_dir`'s server for a second process: the running one, or one that runs for this block.

    Raises:
        EmbeddedError: the owner's server does not answer, or none can be started.
    """
    async with AsyncExitStack() as stack:
        yield await _running_or_started(stack, data_dir, clock)


async def _running_or_started(stack: AsyncExitStack, data_dir: Path, clock: Callable[[], float]) -> str:
    deadline = clock() + _COMMAND_LIMIT
    while True:
        if (await ping(socket_path(data_dir))).startswith(b"+PONG"):
            return f"unix://{socket_path(data_dir)}"
        try:
            return (await stack.enter_async_context(embedded_store(data_dir, clock))).url
        except EmbeddedError as error:
            if not error.held_by or clock() > deadline:
                raise
        await anyio.sleep(_POLL)  # its owner is only starting, or stopping
