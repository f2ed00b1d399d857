"""Measure 3: the real thing: http-01 probes to a loopback responder, P-256 issuer and leaf, every write fsynced.

The program as it is run by its users, with its default settings but for one challenge type instead of three. Once more,
in turn, with its doors wrapped (`sides.timed`), to see where its CPU time goes; that one's speed is not counted.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from benchmarks.figures import CannotRun, Figure, Setting, at_least, median, told
from benchmarks.processes import cpu_seconds
from benchmarks.sides.authority import Authority

TITLE = "The real thing: http-01, P-256, every write fsynced"
_LIMIT = 120.0
_WORK = ("probes", "crypto", "store")
_PARTS = {
    "probes": "probes: sockets and HTTP",
    "crypto": "crypto: CSR, intent, certificate, lint",
    "store": "store: calls and their encoding",
    "stages": "stages: the rest of them",
    "machinery": "machinery: runner and committer",
    "logs": "logs",
}


def measure(setting: Setting) -> list[Figure]:
    """Sessions per second, and the split."""
    sessions, rounds = setting.pick(1000, 3000), setting.pick(1, 3)
    plain, timed = [], []
    for _ in range(rounds):
        plain.append(anyio.run(_once, sessions, ""))
        timed.append(anyio.run(_once, sessions, "timed"))
    least = median(sum(run["spent"].get(part, 0) for part in _WORK) for run in timed) / sessions
    figures = [
        at_least(
            "sessions/s from submission to certificate",
            median(run["rate"] for run in plain),
            400,
            "",
            floor=f"a core with nothing but probes, crypto and store: {1 / least:.0f}/s",
        ),
        *(
            told(f"CPU of the {who} for a session", median(run[who] for run in plain), " µs")
            for who in ("program", "store", "responder")
        ),
    ]
    shares = {part: median(run["spent"].get(part, 0) / run["whole"] for run in timed) for part in _PARTS}
    work = sum(shares[part] for part in _WORK) * 100
    figures.append(at_least("of the program's CPU in probes, crypto and store", work, 60, " %"))
    figures += [told(text, shares[part] * 100, " %") for part, text in _PARTS.items()]
    figures.append(told("event loop and the rest", (1 - sum(shares.values())) * 100, " %"))
    return figures


async def _once(sessions: int, timed: str) -> dict[str, Any]:
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        authority, report = Authority(folder), folder / "report.json"
        argv = [sys.executable, "-m", "benchmarks.sides.timed", str(authority.config), str(report)] if timed else None
        with authority.responder() as responder:
            async with authority.program(argv) as (program, store):
                pids = {"program": program.process.pid, "store": authority.store_pid, "responder": responder}
                before = {who: cpu_seconds(pid) for who, pid in pids.items()}
                began = time.perf_counter()
                await authority.submit(store, sessions)
                while await store.redis.zcard(store.keys.certificates) < sessions:
                    if time.perf_counter() - began > _LIMIT:
                        raise CannotRun(f"not all certificates within {_LIMIT:g} s; log:\n{program.log()}")
                    await anyio.sleep(0.02)
                took = time.perf_counter() - began
                found: dict[str, Any] = {
                    who: (cpu_seconds(pid) - before[who]) / sessions * 1e6 for who, pid in pids.items()
                }
        found["rate"] = sessions / took
        if timed:
            found.update(json.loads(report.read_text()))
        return found
