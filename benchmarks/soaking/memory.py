"""How much memory the program and its store take, and how much of it is on record. For the soak only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import msgspec

from stages.store.store import Store

_SAMPLE: Final = 40
"""One key in so many is asked for its size."""


class Memory(msgspec.Struct, frozen=True):
    """Bytes at one moment: of the program, used by the store, of those on record, and sessions finished so far."""

    program: int
    store: int
    on_record: int
    finished: int


async def measure(pid: int, store: Store, finished: int) -> Memory:
    """Ask the kernel and the store."""
    redis: Any = store.redis
    used = int((await store.call(redis.info("memory")))["used_memory"])
    return Memory(resident(pid), used, await _on_record(store), finished)


def resident(pid: int) -> int:
    """Bytes of a process that are in memory and its own."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


async def _on_record(store: Store) -> int:
    """The sizes of all keys, guessed from one in `_SAMPLE`; lists are asked one by one."""
    redis: Any = store.redis
    sampled, cursor, count = 0, 0, 0
    whole = 0
    while True:
        cursor, keys = await store.call(redis.scan(cursor, count=1000))
        for key in keys:
            big = not re.match(rb"[0-9a-f]{64}|certificate:", key)
            count += not big
            if big or count % _SAMPLE == 0:
                size = int(await store.call(redis.memory_usage(key, samples=0)) or 0)
                whole, sampled = (whole + size, sampled) if big else (whole, sampled + size)
        if not cursor:
            return whole + sampled * _SAMPLE
