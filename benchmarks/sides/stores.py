"""The store of one side: the program's embedded server, its counters, and the sessions that a side begins with.

For `benchmarks.sides` only. Every side has the same server with the same settings; peers get `appendfsync everysec`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stages.store import moves
from stages.store.connection import StoreSettings
from stages.store.store import Store
from supervisor.embedded import embedded_store

GROUP = 100
"""Sessions submitted in one script call."""


@asynccontextmanager
async def fresh_store(fsync: str = "always") -> AsyncIterator[Store]:
    """An empty store of its own, which ends with the block; `fsync` is the server's `appendfsync`."""
    with TemporaryDirectory(prefix="bench-") as folder:
        async with store_in(Path(folder)) as store:
            await store.redis.config_set("appendfsync", fsync)
            yield store


@asynccontextmanager
async def store_in(data_dir: Path) -> AsyncIterator[Store]:
    """The program's embedded store of a data directory, without its program."""
    async with embedded_store(data_dir) as server:
        store = Store(StoreSettings(url=server.url), time.time)
        try:
            yield store
        finally:
            await store.aclose()


async def submit(store: Store, count: int, names: tuple[str, ...] = ("host.example",), **fields: str) -> list[str]:
    """Submit sessions as a client does, and give their ids, the first to be served first."""
    ids = [secrets.token_hex(32) for _ in range(count)]
    now = int(store.clock())
    for start in range(0, count, GROUP):
        await store.group([moves.submit(one, names, dict(fields), now) for one in ids[start : start + GROUP]])
    return ids


async def reset_counters(store: Store) -> Callable[[float], Any]:
    """Start counting what the server does; the function that comes back awaits `(sessions)` and gives the report."""
    await store.redis.config_resetstat()
    before = await store.redis.info("cpu")

    async def report(sessions: float) -> dict[str, Any]:
        after = await store.redis.info("cpu")
        commands: Mapping[str, Mapping[str, float]] = await store.redis.info("commandstats")
        cpu = sum(after[f"used_cpu_{kind}"] - before[f"used_cpu_{kind}"] for kind in ("sys", "user"))
        scripts = commands.get("cmdstat_evalsha", {"calls": 0, "usec": 0})
        return {
            "store_cpu_us": cpu / sessions * 1e6,
            "script_calls": scripts["calls"],
            "script_us": scripts["usec"],
            "commands": {name[8:]: [stat["calls"], stat["usec"]] for name, stat in commands.items()},
        }

    return report
