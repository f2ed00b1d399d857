"""Hears what other processes push (the command line), on one subscribed connection. No polling, no timeouts."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from stages.errors import StoreUnavailable
from stages.store.connection import translated
from stages.store.store import Store

_RECONNECT = 0.2


async def hear_pushes(store: Store, wake: Callable[[], None]) -> None:
    """Call `wake` for every push of another process, and once after each (re)connection, for what went unheard."""
    while True:
        try:
            with translated():
                async with store.redis.pubsub(ignore_subscribe_messages=False) as subscription:
                    await subscription.subscribe(store.keys.wake)
                    async for _ in subscription.listen():
                        wake()
        except StoreUnavailable:
            await anyio.sleep(_RECONNECT)
