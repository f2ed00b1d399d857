"""Our machinery: one term of the supervisor whose stages do nothing, log level warning, every write fsynced.

`python -m benchmarks.sides.ours machinery|alone --sessions N [--slots N] [--profile]`; prints one JSON line.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import logging
import pstats
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
import structlog

from benchmarks.sides.stores import fresh_store, reset_counters, submit
from stages.outcome import Advance
from stages.session import Session, State
from stages.store import moves
from stages.store.moves import Move
from stages.store.store import Store
from supervisor.pipeline.committer import Committer
from supervisor.term.identity import who_am_i
from supervisor.term.leasing import take_lease
from supervisor.term.term import Term

_ADVANCE = Advance()


class Queue(msgspec.Struct):
    """Settings of a queue, as config.toml has them but for `concurrency`."""

    concurrency: int
    timeout: float = 10.0
    max_attempts: int = 5
    backoff: float = 1.0
    backoff_max: float = 300.0


async def _nothing(_: Session) -> Advance:
    return _ADVANCE


class Run:
    """A term at work. `retired` counts sessions that went through; `moved` is told of each committed move."""

    def __init__(self, store: Store, committer: Committer, term: Term) -> None:
        self.store = store
        self.committer = committer
        self.term = term
        self.retired = 0
        self.wanted = 0
        self.finished = anyio.Event()
        self.ended = 0.0
        committer.answers.committed = self._committed

    def _committed(self, move: Move, *_: object) -> None:
        if move[0] != "retire":
            return
        self.retired += 1
        if self.retired == self.wanted:
            self.ended = time.perf_counter()
            self.finished.set()

    async def until_retired(self, count: int) -> None:
        """Wait until `count` more sessions are retired, which the store has on its disk."""
        self.finished, self.wanted = anyio.Event(), self.retired + count
        await self.finished.wait()


@asynccontextmanager
async def machinery(slots: int) -> AsyncIterator[Run]:
    """A term that is ready to begin; nothing has been claimed yet."""
    async with fresh_store() as store:
        lease = await take_lease(store, who_am_i(), 30.0, several=False)
        committer = Committer(store, lease, keep=lambda: 3600)
        term = Term(store, lease, committer, dict.fromkeys(State, _nothing), lambda _: Queue(slots))
        yield Run(store, committer, term)
        await lease.yield_()


async def through_all_queues(sessions: int, slots: int, profile: cProfile.Profile | None) -> dict[str, Any]:
    """Sessions per second from the start of the term, before its first claim, to the last retirement on disk."""
    async with machinery(slots) as run:
        await submit(run.store, sessions)
        report = await reset_counters(run.store)
        began, cpu = 0.0, 0.0

        async def ready() -> None:
            nonlocal began, cpu
            began, cpu = time.perf_counter(), time.process_time()

        async with anyio.create_task_group() as group:
            if profile is not None:
                profile.enable()
            group.start_soon(run.term.run, ready, lambda: 5.0)
            await run.until_retired(sessions)
            cpu = time.process_time() - cpu
            if profile is not None:
                profile.disable()
            found = await report(sessions)
            run.term.stop()
        return {"rate": sessions / (run.ended - began), "cpu_us": cpu / sessions * 1e6, **found}


async def one_alone(sessions: int, slots: int, profile: cProfile.Profile | None) -> dict[str, Any]:
    """Milliseconds from submission to retirement, one session at a time, and a bare script call's beside each."""
    took, floor = [], []
    async with machinery(slots) as run:
        bare = run.store.redis.register_script(_STEP)
        async with anyio.create_task_group() as group:
            started = anyio.Event()

            async def ready() -> None:
                started.set()

            group.start_soon(run.term.run, ready, lambda: 5.0)
            await started.wait()
            await anyio.sleep(0.1)
            if profile is not None:
                profile.enable()
            for number in range(sessions):
                began = time.perf_counter()
                run.committer.add(moves.submit(f"{number:064x}", ["host.example"], {}, int(time.time())))
                await run.until_retired(1)
                took.append((run.ended - began) * 1000)
                began = time.perf_counter()
                for step in range(4):
                    await bare(keys=["floor-a", "floor-b"], args=[number, step])
                floor.append((time.perf_counter() - began) * 1000)
            if profile is not None:
                profile.disable()
            run.term.stop()
    return {"took_ms": took, "floor_ms": floor}


_STEP = """
redis.call('LREM', KEYS[1], -1, ARGV[1])
redis.call('LPUSH', KEYS[2], ARGV[1])
redis.call('LTRIM', KEYS[2], 0, 9)
return redis.call('HSET', 'floor', 'state', ARGV[2])
"""

_WAYS: dict[str, Callable[..., Any]] = {"machinery": through_all_queues, "alone": one_alone}


def main() -> None:
    """Run one way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=_WAYS)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING), cache_logger_on_first_use=True
    )
    profile = cProfile.Profile(time.process_time) if options.profile else None
    arguments = (options.sessions, options.slots, profile)
    found = anyio.run(_WAYS[options.way], *arguments, backend_options={"use_uvloop": True})
    print(json.dumps(found))
    if profile is not None:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    main()
