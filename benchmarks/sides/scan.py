"""One recovery scan of a store, in a process that does nothing else: how long it takes and how much memory it needs.

`python -m benchmarks.sides.scan --url URL [--bare] [--profile]`; prints one JSON line. Settings and logs are the
program's defaults; what is logged goes to /dev/null. `--bare` is the floor: one script call after the other reads the
same fields in the same batches, moves each to the head of the list, and nothing is decided.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import sys
import time
from pathlib import Path
from typing import Any

import anyio

from stages.store.connection import StoreSettings
from stages.store.scanning import Scanner
from stages.store.store import Store
from supervisor.config.program import Recovery as RecoveryTable
from supervisor.config.program import Sessions
from supervisor.logs import setup as logs
from supervisor.recovery.decide import Limits
from supervisor.recovery.scan import Recovery
from supervisor.term.identity import who_am_i
from supervisor.term.leasing import take_lease


async def scan(url: str, profile: cProfile.Profile | None) -> dict[str, Any]:
    """Seconds, CPU seconds, and bytes of memory at its highest above what the process had before."""
    store, ages = Store(StoreSettings(url=url), time.time), Sessions()
    limits = Limits(*map(int, (ages.makechallenge_max_age, ages.testchallenge_max_age, ages.issue_max_age)))
    try:
        lease = await take_lease(store, who_am_i(), 3600.0, several=False)  # nobody renews it here
        recovery = Recovery(
            Scanner(store), lease, limits=limits, batch=RecoveryTable().batch, keep=int(ages.keep), now=int(time.time())
        )
        _forget_peak()
        before, began, cpu = _memory("VmRSS"), time.perf_counter(), time.process_time()
        if profile is not None:
            profile.enable()
        report = await recovery.run()
        if profile is not None:
            profile.disable()
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        growth = _memory("VmHWM") - before
        await lease.yield_()
    finally:
        await store.aclose()
    return {"took": took, "cpu": cpu, "growth": growth, "seen": report.seen, "changed": report.changed()}


async def bare(url: str, _: cProfile.Profile | None) -> dict[str, Any]:
    """Seconds of the floor."""
    store = Store(StoreSettings(url=url), time.time)
    try:
        step, batch, active = store.redis.register_script(_BARE), RecoveryTable().batch, store.keys.active
        left = await store.redis.llen(active)
        began = time.perf_counter()
        while left > 0:
            left -= await step(keys=[active], args=[min(batch, left)])
        return {"took": time.perf_counter() - began}
    finally:
        await store.aclose()


_BARE = """
local batch = redis.call('RPOP', KEYS[1], ARGV[1]) or {}
for _, session in ipairs(batch) do
  redis.call('HMGET', session, 'live', 'state', 'created', 'waiting', 'schema', 'serial')
end
for from = 1, #batch, 1000 do redis.call('LPUSH', KEYS[1], unpack(batch, from, math.min(from + 999, #batch))) end
return #batch
"""


def _forget_peak() -> None:
    """Let the high-water mark of our memory begin anew (proc(5))."""
    Path("/proc/self/clear_refs").write_text("5")


def _memory(name: str) -> int:
    """Bytes of a line of /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")


def main() -> None:
    """Scan once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    output = logs.setup("info", "json", fd=os.open(os.devnull, os.O_WRONLY))
    profile = cProfile.Profile(time.process_time) if options.profile else None
    found = anyio.run(bare if options.bare else scan, options.url, profile, backend_options={"use_uvloop": True})
    output.close()
    print(json.dumps(found))
    if profile is not None:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()
