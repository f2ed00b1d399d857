"""Measure 5: the recovery scan at growing numbers of live sessions, every write fsynced.

Half of the sessions wait for their clients, a tenth is delayed, as many as the program's default slots were in flight
with a supervisor that is dead, the rest is on two queues. The scan runs in a fresh process (`sides.scan`), and beside
it, in turn, the floor: the same fields read by one bare script call after the other.
"""

from __future__ import annotations

from typing import Any

import anyio

from benchmarks.figures import CannotRun, Figure, Setting, at_least, at_most, median, told
from benchmarks.processes import run_side
from benchmarks.sides.crowd import Crowd, fill
from benchmarks.sides.stores import fresh_store

TITLE = "Recovery scan"
LOST = 160
"""In flight with the dead supervisor: the default slots of the four queues."""
_SHORT = ((10_000, 3), (50_000, 1))
_FULL = ((10_000, 5), (100_000, 3), (1_000_000, 1))
"""How many sessions, and how often."""


def measure(setting: Setting) -> list[Figure]:
    """Sessions a second at each size, whether that stays, and the memory at the largest."""
    figures, rates, growth, runs = [], [], 0.0, []
    for size, times in _SHORT if setting.short else _FULL:
        runs = [anyio.run(_once, size) for _ in range(times)]
        rates.append(median(size / run["took"] for run in runs))
        growth = max(run["growth"] for run in runs) / 2**20
        bare = median(size / run["bare"] for run in runs)
        floor = f"bare script calls {bare:,.0f}/s"
        figures.append(at_least(f"sessions/s at {size:,}", rates[-1], 50_000, "", floor=floor))
    largest = f"at {size:,}"
    figures += [
        at_least(
            f"rate {largest}, of that at {(_SHORT if setting.short else _FULL)[0][0]:,}",
            rates[-1] / rates[0],
            0.7,
            "",
            places=2,
        ),
        at_most(f"memory growth of the program {largest}", growth, 200, " MiB", places=1),
    ]
    for what, name in (("program", "cpu"), ("store", "store_cpu")):
        figures.append(
            told(
                f"CPU of the {what} for a session {largest}",
                median(run[name] for run in runs) / size * 1e6,
                " µs",
                places=1,
            )
        )
    return figures


async def _once(size: int) -> dict[str, Any]:
    async with fresh_store("no") as store:
        redis = store.redis
        await redis.config_set("appendonly", "no")
        await fill(store, Crowd.mixed(size, LOST))
        await redis.config_set("appendonly", "yes")
        await _until_rewritten(redis)
        await redis.config_set("appendfsync", "always")
        before = await redis.info("cpu")
        found = await anyio.to_thread.run_sync(run_side, "scan", "--url", store.settings.url)
        after = await redis.info("cpu")
        bare = await anyio.to_thread.run_sync(run_side, "scan", "--bare", "--url", store.settings.url)
    if (found["seen"], found["changed"]) != (size, LOST):
        raise CannotRun(f"the scan saw {found['seen']} of {size} sessions and moved {found['changed']} of {LOST}")
    found["store_cpu"] = sum(after[f"used_cpu_{kind}"] - before[f"used_cpu_{kind}"] for kind in ("sys", "user"))
    return {**found, "bare": bare["took"]}


async def _until_rewritten(redis: Any) -> None:
    """Wait until the append-only file holds everything."""
    while True:
        state = await redis.info("persistence")
        if not (state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"]):
            break
        await anyio.sleep(0.05)
    if state["aof_last_bgrewrite_status"] != "ok":
        raise CannotRun("the store could not write its append-only file: is there room?")
