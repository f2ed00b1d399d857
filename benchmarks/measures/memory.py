"""Measure 7: the store's memory for a session for one name that waits for its client and has no CSR yet.

Each is made by the program's own moves: the session, its names, a challenge of each of the three types, its place in
active-requests. Counted is what the store's `used_memory` has grown by, and beside it what MEMORY USAGE says of the
keys of one session.
"""

from __future__ import annotations

import anyio

from benchmarks.figures import Figure, Setting, at_most, median, told
from benchmarks.sides.crowd import waiting
from benchmarks.sides.stores import fresh_store
from stages.store.store import Store

TITLE = "Store memory of a waiting session"
_LOOKED_AT = 100


def measure(setting: Setting) -> list[Figure]:
    """Bytes."""
    grown, keys = anyio.run(_once, setting.pick(2000, 20_000))
    return [
        at_most("one waiting session for one name", grown / 1024, 3, " KiB", places=2, floor="used_memory"),
        told("its keys", sum(keys.values()) / 1024, " KiB", places=2, floor="MEMORY USAGE"),
        *(told(f"- {name}", size, " bytes", floor="MEMORY USAGE") for name, size in keys.items()),
    ]


async def _once(number: int) -> tuple[float, dict[str, float]]:
    async with fresh_store("no") as store:
        keys, redis = store.keys, store.redis
        await waiting(store, 1)  # scripts, connections and the list are there
        before = (await redis.info("memory"))["used_memory"]
        made = await waiting(store, number)
        grown = ((await redis.info("memory"))["used_memory"] - before) / number
        some, sizes = made[:: max(1, number // _LOOKED_AT)], {}
        for name, of in (("session", keys.session), ("names", keys.names)):
            sizes[name] = median([await _size(store, of(session.id)) for session in some])
        count = len(made[0].challenges)
        one = median([await _size(store, keys.challenge(session.id, 1)) for session in some])
        sizes[f"{count} challenges"] = count * one
    return grown, sizes


async def _size(store: Store, key: str) -> int:
    return int(await store.redis.memory_usage(key) or 0)
