"""A task queue as a peer: four chained tasks that do nothing, `appendfsync everysec`. Runs in the peers' own venv.

`python peers.py huey|taskiq|saq --url URL --sessions N --workers N`. Each peer is set up for speed, as its
documentation offers it: no results kept, no retries, its longest list of workers that still helps. A session is one
chain; its second, third and fourth task are sent when the one before has ended. Prints one JSON line.
"""

# mypy: disable-error-code="import-not-found, untyped-decorator"
# The peers live in a venv of their own, which the type checker does not see.
from __future__ import annotations

import argparse
import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import uvloop


class Count:
    """When the first task began and the last chain ended."""

    def __init__(self, wanted: int, end: Callable[[], object]) -> None:
        self._wanted = wanted
        self._end = end
        self._lock = threading.Lock()
        self._done = 0
        self._began = 0.0
        self.cpu = 0.0
        self.rate = 0.0

    def begin(self) -> None:
        """A worker is about to start."""
        self._began, self.cpu = time.perf_counter(), time.process_time()

    def chain_done(self) -> None:
        """A fourth task has ended."""
        with self._lock:
            self._done += 1
            if self._done == self._wanted:
                self.rate = self._wanted / (time.perf_counter() - self._began)
                self.cpu = (time.process_time() - self.cpu) / self._wanted * 1e6
                self._end()


def run_huey(url: str, sessions: int, workers: int) -> Count:
    """Huey: its own pipelines, worker threads, a blocking pop."""
    from huey import RedisHuey  # noqa: PLC0415  a peer is imported when it runs

    huey = RedisHuey("bench", url=url, results=False, blocking=True)
    finished = threading.Event()
    count = Count(sessions, finished.set)

    def nothing(session: int) -> int:
        return session

    tasks = [huey.task(name=f"stage{step}")(nothing) for step in (1, 2, 3)]

    @huey.task()
    def last(_: int) -> None:
        count.chain_done()

    for session in range(sessions):
        chain = tasks[0].s(session)
        for task in (*tasks[1:], last):
            chain = chain.then(task)
        huey.enqueue(chain)
    consumer = huey.create_consumer(workers=workers, periodic=False, check_worker_health=False)
    count.begin()
    consumer.start()
    finished.wait()
    consumer.stop(graceful=False)
    return count


async def run_taskiq(url: str, sessions: int, workers: int) -> Count:
    """Taskiq with its list broker: each task sends the next."""
    from taskiq.api import run_receiver_task  # noqa: PLC0415  a peer is imported when it runs
    from taskiq_redis import ListQueueBroker  # noqa: PLC0415  a peer is imported when it runs

    broker = ListQueueBroker(url, queue_name="bench")
    finished = asyncio.Event()
    count = Count(sessions, finished.set)

    @broker.task(task_name="stage4")
    async def last(_: int) -> None:
        count.chain_done()

    following = last
    for step in (3, 2, 1):

        async def stage(session: int, following: Any = following) -> None:
            await following.kiq(session)

        following = broker.task(task_name=f"stage{step}")(stage)
    await broker.startup()
    for session in range(sessions):
        await following.kiq(session)
    count.begin()
    receiver = asyncio.create_task(run_receiver_task(broker, max_async_tasks=workers))
    await finished.wait()
    receiver.cancel()
    await asyncio.gather(receiver, return_exceptions=True)
    await broker.shutdown()
    return count


async def run_saq(url: str, sessions: int, workers: int) -> Count:
    """Saq: each job enqueues the next; finished jobs are not kept."""
    from redis.asyncio import Redis  # noqa: PLC0415  a peer is imported when it runs
    from saq import Worker  # noqa: PLC0415  a peer is imported when it runs
    from saq.queue.redis import RedisQueue  # noqa: PLC0415  a peer is imported when it runs

    queue = RedisQueue(Redis.from_url(url), name="bench", max_concurrent_ops=workers)
    finished = asyncio.Event()
    count = Count(sessions, finished.set)

    async def stage(_: dict[str, Any], *, session: int, step: int) -> None:
        if step == 4:  # noqa: PLR2004  the last of four
            count.chain_done()
        else:
            await queue.enqueue("stage", session=session, step=step + 1, ttl=-1, retries=0)

    for session in range(sessions):
        await queue.enqueue("stage", session=session, step=1, ttl=-1, retries=0)
    worker = Worker(queue, functions=[("stage", stage)], concurrency=workers, dequeue_timeout=1, timers={"sweep": 3600})
    count.begin()
    running = asyncio.create_task(worker.start())
    await finished.wait()
    await worker.stop()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await queue.disconnect()
    return count


def main() -> None:
    """Run one peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=["huey", "taskiq", "saq"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    arguments = (options.url, options.sessions, options.workers)
    if options.peer == "huey":
        count = run_huey(*arguments)
    else:
        count = uvloop.run((run_taskiq if options.peer == "taskiq" else run_saq)(*arguments))
    print(json.dumps({"rate": count.rate, "cpu_us": count.cpu}), flush=True)


if __name__ == "__main__":
    main()
