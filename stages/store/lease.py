"""The lease: which supervisor owns the store, and since when (its fencing number). Only the store room talks to Redis.

A supervisor whose lease ran out (paused, partitioned) can commit nothing: every fenced script compares the fencing
number with the one in `supervisor:<id>` and does nothing when they differ.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

import anyio
import msgspec
from redis.asyncio import Redis

from stages.errors import StoreUnavailable
from stages.store import scripts
from stages.store.connection import translated
from stages.store.keys import Keys


class Who(msgspec.Struct, frozen=True):
    """Where a supervisor runs, so that another on the same host can see that it is dead.

    Attributes:
        host, pid: for people.
        boot, pid_space: identify the kernel's run and the PID namespace; only with both equal can `pid` be looked up.
        started: the process's start time in clock ticks, which tells a reused PID.
    """

    host: str
    pid: int
    boot: str
    pid_space: str
    started: int


class Held(msgspec.Struct, frozen=True):
    """Another supervisor holds the store: its id, where it runs, and the milliseconds left of its lease."""

    id: str
    who: Who | None
    left: int


class Lease:
    """One supervisor's lease on one store."""

    def __init__(self, redis: Redis, keys: Keys, supervisor: str, ttl: float) -> None:
        self.supervisor = supervisor
        self.ttl = ttl
        self.token = ""
        self._redis = redis
        self._keys = keys

    async def acquire(self, who: Who, *, several: bool = False, dead: Sequence[str] = ()) -> Held | None:
        """Take the lease; None when it is ours, else who holds it. `dead` are supervisors known not to live."""
        keys = self._keys
        names = [keys.supervisors, keys.fencing, keys.lease(self.supervisor), keys.groups]
        ttl = int(self.ttl * 1000)
        args: list[Any] = [keys.prefix, self.supervisor, msgspec.json.encode(who), ttl, int(several), *dead]
        answer = await self._call(self._redis.eval(scripts.source("acquire.lua"), len(names), *names, *args))
        if answer[0] == b"ok":
            self.token = str(int(answer[1]))
            return None
        return Held(id=answer[1].decode(), who=_read_who(answer[2]), left=int(answer[3]))

    async def others(self) -> dict[str, Who | None]:
        """Every supervisor that ever took a lease and has not been cleared away, by id."""
        found: dict[bytes, bytes] = await self._call(self._redis.hgetall(self._keys.supervisors))
        return {id_.decode(): _read_who(who) for id_, who in found.items() if id_.decode() != self.supervisor}

    async def renew(self) -> bool:
        """Keep the lease for another `ttl` seconds; False when it is not ours any more."""
        key, ttl = self._keys.lease(self.supervisor), int(self.ttl * 1000)
        return bool(await self._call(self._redis.eval(scripts.source("renew.lua"), 1, key, self.token, ttl)))

    async def yield_(self) -> bool:
        """Give the lease up; False when it was not ours any more."""
        keys = self._keys
        names = [keys.lease(self.supervisor), keys.supervisors, keys.inflight(self.supervisor), keys.groups]
        args = [self.token, self.supervisor]
        return bool(await self._call(self._redis.eval(scripts.source("yield.lua"), len(names), *names, *args)))

    async def _call(self, awaitable: Awaitable[Any]) -> Any:
        """A server that hangs is as good as away once the lease would have run out: StoreUnavailable."""
        with translated():
            try:
                with anyio.fail_after(self.ttl):
                    return await awaitable
            except TimeoutError:
                raise StoreUnavailable(f"store: no answer within {self.ttl:g} s") from None


def _read_who(text: bytes) -> Who | None:
    try:
        return msgspec.json.decode(text, type=Who)
    except msgspec.DecodeError:
        return None
