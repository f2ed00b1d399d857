"""A few numbers that tell whether a store is the one that was read. For backups."""

from __future__ import annotations

import msgspec
from redis.asyncio import Redis

from stages.store.store import Store


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What stood in the store at that moment: entries of active-requests, certificates, revocations, the CRL number."""

    active: int
    quarantined: int
    certificates: int
    revoked: int
    crl_number: int


async def count(store: Store, redis: Redis) -> Counts:
    """The numbers as they are now, asked for through `redis`."""
    keys = store.keys
    return Counts(
        active=await store.call(redis.llen(keys.active)),
        quarantined=await store.call(redis.llen(keys.quarantine)),
        certificates=await store.call(redis.zcard(keys.certificates)),
        revoked=await store.call(redis.hlen(keys.revoked)),
        crl_number=int(await store.call(redis.get(keys.crl_number)) or 0),
    )
