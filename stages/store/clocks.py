"""What the store knows of time: its own clock, when a supervisor last looked, and what waits for a time to come."""

from __future__ import annotations

import msgspec
from redis.exceptions import ResponseError

from stages.errors import Refused
from stages.store.store import Store


class Clocks(msgspec.Struct, frozen=True):
    """Unix times in seconds.

    Attributes:
        last: the time that a supervisor wrote down before, 0 for never.
        differs: how far the store's clock is ahead of ours (negative: behind), the way there and back taken off; None
            where the user may not ask (TIME).
    """

    last: float
    differs: float | None


async def tick(store: Store) -> Clocks:
    """Write the present time down in place of the last one. Raises StoreUnavailable."""
    before = await store.call(store.redis.set(store.keys.clock, f"{store.clock():.3f}", get=True))
    return Clocks(_seconds(before), await differs(store))


async def last_tick(store: Store) -> float:
    """The time that was written down last, 0 for never. Raises StoreUnavailable."""
    return _seconds(await store.call(store.redis.get(store.keys.clock)))


async def bring_earlier(store: Store, seconds: float) -> int:
    """The clock went back by so many seconds: what waits for its next try waits that much less; how many did.

    Raises StoreUnavailable.
    """
    keys = store.keys
    return int(await store.script("earlier.lua", [*keys.delayed], [f"{store.clock():.6f}", f"{seconds:.6f}"]))


async def differs(store: Store) -> float | None:
    """How far the store's clock is ahead of ours; None where that cannot be asked. Raises StoreUnavailable."""
    asked = store.clock()
    try:
        seconds, micros = await store.call(store.redis.time())
    except (ResponseError, Refused):
        return None
    answered, there = store.clock(), int(seconds) + int(micros) / 1e6
    if asked <= there <= answered:
        return 0.0
    return there - (asked if there < asked else answered)


def _seconds(text: bytes | None) -> float:
    try:
        return max(0.0, float(text or b"0"))
    except ValueError:
        return 0.0
