"""Reaches the store for a command: the running supervisor's, or the embedded one started for the moment.

A command that has started the embedded store itself keeps a supervisor from starting, so nothing here is held for
longer than one piece of work. For `supervisor.cli`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import anyio

from stages.errors import StoreUnavailable
from stages.store.health import check_store
from stages.store.reading import overview
from stages.store.store import Store
from supervisor.build import store_settings, without_wait
from supervisor.cli.invocation import Invocation
from supervisor.config import Settings
from supervisor.embedded import socket_path, store_for_command
from supervisor.embedded.server import ping

T = TypeVar("T")

AGAIN_FOR: Final = 5.0
"""Seconds for which work is tried again while the embedded store stops under it and starts elsewhere."""
PAUSE: Final = 0.1


def is_embedded(settings: Settings) -> bool:
    """Whether the store is the one that comes with the program."""
    return settings.store.url == "embedded"


@asynccontextmanager
async def opened(settings: Settings, clock: Callable[[], float]) -> AsyncIterator[Store]:
    """The store; the embedded one is started when nobody runs it.

    Raises:
        EmbeddedError, StoreUnavailable: it cannot be reached or started.
    """
    if is_embedded(settings):
        async with store_for_command(settings.data_dir) as url, _connected(settings, url, clock) as store:
            yield store
    else:
        async with _connected(settings, "", clock) as store:
            yield store


@asynccontextmanager
async def running(settings: Settings, clock: Callable[[], float]) -> AsyncIterator[Store | None]:
    """The store if somebody runs it, else None: this never starts one, so it can be held for long."""
    if is_embedded(settings) and not (await ping(socket_path(settings.data_dir))).startswith(b"+PONG"):
        yield None
        return
    async with _connected(settings, f"unix://{socket_path(settings.data_dir)}", clock) as store:
        yield store


@asynccontextmanager
async def _connected(settings: Settings, embedded_url: str, clock: Callable[[], float]) -> AsyncIterator[Store]:
    wanted = store_settings(settings, embedded_url)
    store = Store(wanted, clock)
    try:
        if wanted.wait_aof_timeout and not (await check_store(store)).has_waitaof:
            await store.aclose()
            store = Store(without_wait(wanted), clock)
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await store.aclose()


async def work_in(settings: Settings, invocation: Invocation, work: Callable[[Store], Awaitable[T]]) -> T:
    """Do `work`, which must bear to be repeated: another command may stop the embedded store that it has started."""
    deadline = time.monotonic() + AGAIN_FOR
    while True:
        try:
            async with opened(settings, invocation.clock) as store:
                return await work(store)
        except StoreUnavailable:
            if not is_embedded(settings) or time.monotonic() > deadline:
                raise
        await anyio.sleep(PAUSE)


def with_store(invocation: Invocation, settings: Settings, work: Callable[[Store], Awaitable[T]]) -> T:
    """Run `work` on the store; see `work_in`."""
    return anyio.run(work_in, settings, invocation, work)


async def alive(store: Store) -> tuple[str, ...]:
    """The supervisors that hold a lease now."""
    return (await overview(store)).living
