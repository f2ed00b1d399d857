"""Counts what the store has, by commands whose cost does not grow with it. For the metrics; changes nothing."""

from __future__ import annotations

import msgspec

from stages.store.store import Store


class Stock(msgspec.Struct, frozen=True):
    """What the store has.

    Attributes:
        sessions: entries of active-requests: those that live, and finished ones that the next scan drops.
        certificates: on record, expired ones that are not forgotten yet among them.
        revoked: revoked ones of those.
        quarantined: records that were set aside.
        memory: bytes of memory that the server's process has.
    """

    sessions: int
    certificates: int
    revoked: int
    quarantined: int
    memory: int


async def count_stock(store: Store) -> Stock:
    """Count once; raises StoreUnavailable."""
    keys = store.keys
    pipe = store.redis.pipeline(transaction=False)
    pipe.llen(keys.active)
    pipe.zcard(keys.certificates)
    pipe.hlen(keys.revoked)
    pipe.llen(keys.quarantine)
    pipe.info("memory")
    sessions, certificates, revoked, quarantined, memory = await store.call(pipe.execute())
    return Stock(sessions, certificates, revoked, quarantined, int(memory.get("used_memory_rss", 0)))
