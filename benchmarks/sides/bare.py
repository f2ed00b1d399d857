"""The floor of the machinery: a bare group commit, the least that plain redis-py, hiredis and uvloop can do.

One coroutine for each session; one script call for all that is ready, one call in flight; every write fsynced. No
claims, no lease, no state machine, no limits, no time-outs, no recovery.
`python -m benchmarks.sides.bare --sessions N --slots N`; prints one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any

import anyio

from benchmarks.sides.stores import fresh_store, reset_counters, submit
from stages.session import State
from stages.store.store import Store

_STEP = """
for i = 1, #ARGV, 2 do
  local session, step = ARGV[i], tonumber(ARGV[i + 1])
  redis.call('LREM', KEYS[step], -1, session)
  if step < 4 then redis.call('LPUSH', KEYS[step + 1], session) end
  redis.call('HSET', session, 'state', step)
end
"""


class Committer:
    """Sends what is ready while nothing is under way."""

    def __init__(self, store: Store) -> None:
        self._script = store.redis.register_script(_STEP)
        self._keys = store.keys.pending
        self._ready: list[tuple[str, int, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self.groups = 0

    def move(self, session: str, step: int) -> asyncio.Future[None]:
        """Do one step; await it for its writes to be on disk."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ready.append((session, step, future))
        self._wake.set()
        return future

    async def run(self) -> None:
        """Exchange for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._ready = self._ready, []
            await self._script(keys=self._keys, args=[part for move in batch for part in move[:2]])
            self.groups += 1
            for _, _, future in batch:
                future.set_result(None)


async def through_all_queues(sessions: int, slots: int) -> dict[str, Any]:
    """Sessions per second with `slots` of them under way."""
    async with fresh_store() as store:
        ids = await submit(store, sessions)
        report = await reset_counters(store)
        committer = Committer(store)
        room = asyncio.Semaphore(slots)

        async def session(one: str) -> None:
            async with room:
                for step in range(1, len(State) + 1):
                    await committer.move(one, step)

        running = asyncio.create_task(committer.run())
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*map(session, ids))
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        running.cancel()
        found = await report(sessions)
        return {"rate": sessions / took, "cpu_us": cpu / sessions * 1e6, "groups": committer.groups, **found}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--slots", type=int, required=True)
    options = parser.parse_args()
    found = anyio.run(through_all_queues, options.sessions, options.slots, backend_options={"use_uvloop": True})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
