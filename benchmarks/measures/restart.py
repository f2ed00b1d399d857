"""Measure 6: SIGKILL under load, until the first stage of the next process has moved a session.

The program as it is run by its users, at work on real sessions (http-01 to a loopback responder) of which so many are
live when it is killed. It is started again at once; the clock runs from the signal to the first "stage.finished" line
of the new process. Its store is ended and read from its file again in between, as the program does at every start.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from benchmarks.figures import CannotRun, Figure, Setting, at_most, median, told
from benchmarks.sides.authority import Authority
from tests.harness.process import Program

TITLE = "Restart after SIGKILL under load"
_LIMIT = 60.0
_BEFORE = 300
"""Certificates issued before the kill: the load is under way."""


def measure(setting: Setting) -> list[Figure]:
    """Seconds until the first stage moves again, and what they went into."""
    live = setting.pick(2000, 10_000)
    runs = [anyio.run(_once, live) for _ in range(setting.pick(1, 3))]
    parts = {
        "python and its modules, until the settings are read": "supervisor.starting",
        "the store's end and its start": "store.ready",
        "the lease and the recovery scan": "recovery.finished",
        "the stages' start, until one has moved a session": "stage.finished",
    }
    figures = [
        at_most(
            f"until the first stage moves, {live:,} live sessions",
            median(run["stage.finished"] for run in runs),
            2,
            " s",
            places=2,
        ),
        told(
            "the slowest of the runs",
            max(run["stage.finished"] for run in runs),
            " s",
            places=2,
            floor=f"{len(runs)} runs",
        ),
    ]
    since = ""
    for text, event in parts.items():
        spent = median(run[event] - run.get(since, 0.0) for run in runs)
        figures.append(told(text, spent, " s", places=2))
        since = event
    return figures


async def _once(live: int) -> dict[str, float]:
    """Seconds from the signal to each event of the new process."""
    with TemporaryDirectory(prefix="bench-") as name:
        authority = Authority(Path(name))
        with authority.responder():
            async with authority.program() as (program, store):
                began = time.perf_counter()
                await authority.submit(store, live + _BEFORE)
                while await store.redis.zcard(store.keys.certificates) < _BEFORE:
                    if time.perf_counter() - began > _LIMIT:
                        raise CannotRun(f"no {_BEFORE} certificates within {_LIMIT:g} s; log:\n{program.log()}")
                    await anyio.sleep(0.005)
                killed = time.perf_counter()
                program.signal(signal.SIGKILL)
                program.process.wait()
                return await anyio.to_thread.run_sync(_next_life, authority.config, killed)


def _next_life(config: Path, killed: float) -> dict[str, float]:
    found = {}
    with Program(config) as program:
        try:
            for event in ("supervisor.starting", "store.ready", "recovery.finished", "stage.finished"):
                program.wait_for(event, _LIMIT)
                found[event] = time.perf_counter() - killed
            program.stop()
        except AssertionError as why:
            raise CannotRun(str(why)) from None
    return found
