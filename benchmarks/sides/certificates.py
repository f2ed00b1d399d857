"""Fills a store with many certificates: copies of one that the program has issued. For `benchmarks.measures` only."""

from __future__ import annotations

import secrets
from typing import Any

from stages.store.store import Store

_GROUP = 1000
_COPY = """
for i = 3, #KEYS do
  redis.call('COPY', KEYS[2], KEYS[i])
  redis.call('HSET', KEYS[i], 'serial', ARGV[i - 1])
  redis.call('ZADD', KEYS[1], ARGV[1], ARGV[i - 1])
end
"""


async def copy_certificate(store: Store, number: int) -> None:
    """Put so many more on record, each with a serial of its own and all else as the one that is there has it."""
    redis, keys = store.redis, store.keys
    found: Any = await redis.zrange(keys.certificates, 0, 0, withscores=True)
    (serial, not_after), copy, left = found[0], redis.register_script(_COPY), number
    while left:
        serials = [secrets.token_hex(16) for _ in range(min(_GROUP, left))]
        templates = [keys.certificates, keys.certificate(serial.decode())]
        await copy(keys=[*templates, *map(keys.certificate, serials)], args=[int(not_after), *serials])
        left -= len(serials)
