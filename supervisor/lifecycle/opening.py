"""Opens the store of a program: the one that comes with it, or the one at store.url. For `lifecycle.program` only."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import structlog

from stages.errors import StoreUnavailable
from stages.store.connection import StoreSettings
from stages.store.health import check_store
from stages.store.loading import check_whole
from stages.store.store import Store
from supervisor import build
from supervisor.config import Settings
from supervisor.embedded import Embedded, EmbeddedError, embedded_store
from supervisor.upkeep.tasks import keep_embedded

log = structlog.get_logger()

_COMMAND_MOMENT, _COMMAND_LOOKS = 3.0, 15
"""Seconds for which a command may own the embedded store while the program starts, and looks in that time."""
_FIRST_TRIES = 20
"""Tries, half a second apart, for a store that is not there yet when the program starts."""


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store, checked; an embedded one is kept alive, and ends with the block.

    Raises:
        EmbeddedError: the embedded store cannot be started, or another program has it.
        StoreUnavailable: the store cannot be reached.
        Refused: the store does not take what the settings say.
    """
    log.info("store.starting", url=settings.store.url if settings.store.url == "embedded" else "remote")
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        embedded: Embedded | None = None
        if settings.store.url == "embedded":
            embedded = await _own_store(stack, settings.data_dir)
            _tell_about(embedded)
        address = build.store_settings(settings, embedded.url if embedded else "")
        store = Store(address, time.time)
        stack.push_async_callback(store.aclose)
        await _check(store, address, began)
        if embedded is not None:
            group = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(group.cancel_scope.cancel)
            group.start_soon(keep_embedded, embedded, name="embedded")
        yield store


async def _own_store(stack: AsyncExitStack, data_dir: Path) -> Embedded:
    """The embedded store; a command that has started it for its moment is waited for, another program is not."""
    for remaining in range(_COMMAND_LOOKS, -1, -1):
        try:
            return await stack.enter_async_context(embedded_store(data_dir))
        except EmbeddedError as error:
            if not error.held_by or not remaining:
                raise
        await anyio.sleep(_COMMAND_MOMENT / _COMMAND_LOOKS)
    raise AssertionError  # the loop returns or raises


async def _check(store: Store, address: StoreSettings, began: float) -> None:
    for remaining in range(_FIRST_TRIES, -1, -1):
        try:
            found = await check_store(store)
            break
        except StoreUnavailable:
            if not remaining or store.settings.wait_aof_timeout == 0:
                raise
            await anyio.sleep(0.5)
    for reason in found.warnings:
        log.warning("store.warning", reason=reason)
    if address.wait_aof_timeout and not found.has_waitaof:
        store.settings = build.without_wait(address)
    mark = await check_whole(store)
    took = round(time.monotonic() - began, 3)
    log.info("store.ready", server=found.server, version=found.version, took=took)
    if mark is not None:
        log.info("store.restored", backup=mark.backup, made=mark.made, at=mark.at)


def _tell_about(embedded: Embedded) -> None:
    report = embedded.aof_report()
    if embedded.left_over:
        log.warning("store.warning", reason=f"ended the server {embedded.left_over} which a killed run had left")
    if report.truncated:
        log.warning(
            "store.warning",
            reason=f"an unfinished write of {report.lost} bytes was cut off the append-only file; it was never"
            " acknowledged",
            lines=list(report.lines),
        )
