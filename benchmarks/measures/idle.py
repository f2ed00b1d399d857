"""Measure 4: what the program and its store cost while nothing happens, with sessions that wait for their clients.

The program as it is run by its users, with its default settings. Nothing is asked of it meanwhile; what the store was
asked is read from its own counters afterwards.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from benchmarks.figures import Figure, Setting, at_most, told
from benchmarks.processes import cpu_nanoseconds
from benchmarks.sides.authority import Authority
from benchmarks.sides.crowd import waiting
from benchmarks.sides.stores import store_in

TITLE = "Idle, with 1,000 waiting sessions"
_SESSIONS = 1000
_SETTLE = 2.0
"""Seconds after "supervisor.ready" before the measure begins."""
_RENEWAL = {"eval": 1, "evalsha": 1, "get": 1, "pexpire": 1}
"""What one renewal of the lease calls: the script, and what is in it."""
_OURS = {"info", "config|resetstat"}


def measure(setting: Setting) -> list[Figure]:
    """Shares of a core, and what the store was asked."""
    found = anyio.run(_once, setting.pick(5, 20))
    seconds, commands = found["seconds"], found["commands"]
    lease = {name: commands.pop(name) for name in list(commands) if name in _RENEWAL}
    said = ", ".join(f"{name} {times}" for name, times in sorted(lease.items()))
    others = ", ".join(f"{name} {times}" for name, times in sorted(commands.items()))
    return [
        at_most("program, of a core", found["program"] * 100, 0.3, " %", places=2, floor=f"over {seconds:.0f} s"),
        at_most("store, of a core", found["store"] * 100, 0.3, " %", places=2, floor=f"over {seconds:.0f} s"),
        told("both together, of a core", (found["program"] + found["store"]) * 100, " %", places=2),
        at_most(
            "store commands but the lease's", sum(commands.values()), 0, "", floor=others or f"the lease's: {said}"
        ),
    ]


async def _once(seconds: int) -> dict[str, Any]:
    with TemporaryDirectory(prefix="bench-") as name:
        authority = Authority(Path(name))
        with authority.responder():
            async with store_in(authority.folder / "data") as store:
                await waiting(store, _SESSIONS)
            async with authority.program() as (program, store):
                await store.redis.ping()
                await anyio.sleep(_SETTLE)
                pids = {"program": program.pid, "store": authority.store_pid}
                await store.redis.config_resetstat()
                before, began = {who: cpu_nanoseconds(pid) for who, pid in pids.items()}, time.perf_counter()
                await anyio.sleep(seconds)
                took = time.perf_counter() - began
                shares: dict[str, Any] = {
                    who: (cpu_nanoseconds(pid) - before[who]) / 1e9 / took for who, pid in pids.items()
                }
                stats = await store.redis.info("commandstats")
    commands = Counter({name.removeprefix("cmdstat_"): int(stat["calls"]) for name, stat in stats.items()})
    for ours in _OURS:
        commands.pop(ours, None)
    return {**shares, "seconds": took, "commands": commands}
