"""Reads the whole store as it stands at one moment, while it is written to: for a backup. Changes nothing.

Every key is read once, in small batches, and meanwhile the server tells which keys change (CLIENT TRACKING, BCAST).
Those are read again, round after round, until few are left; then writers are paused (CLIENT PAUSE WRITE) for as long as
the last round takes. What was read is handed on at once, so a key may come several times: its last record is the one
that counts. That nothing changed while the last round was read is not assumed: the server would have told.

There is one connection, and it is never opened again: on a new one the server would have told nothing.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from stages.errors import Refused, StoreUnavailable
from stages.store import scripts
from stages.store.connection import connect
from stages.store.keys import Keys
from stages.store.store import Store
from stages.store.tally import Counts, count

PAUSE: Final = 2000
"""Milliseconds after which the server lets writers go on by itself, should this process die while they are paused.

The shortest lease, which is renewed after a third of its time, outlives it.
"""
_PAGE: Final = 1000
_AT_ONCE: Final = 64
"""Keys in one script call: the server does nothing else meanwhile."""
_PIECE: Final = 20_000
"""Entries of a list or sorted set in one script call, for the same reason."""
_FEW: Final = 500
_ROUNDS: Final = 12
_PAUSES: Final = 3

Take = Callable[[bytes], Awaitable[None]]
"""Gets records as msgpack, as dump.lua packs them and load.lua reads them."""


class Dumped(msgspec.Struct, frozen=True, kw_only=True):
    """How it went.

    Attributes:
        at: unix time of the moment.
        counts: what stood there.
        records: how many were handed on; a key may have several.
        rounds: how often changed keys were read again.
        paused: seconds for which writers were held up.
    """

    at: float
    counts: Counts
    records: int
    rounds: int
    paused: float


async def dump(store: Store, take: Take, clock: Callable[[], float] = time.monotonic) -> Dumped:
    """Hand every key of the store to `take`; `clock` measures the pause.

    Raises:
        Refused: the user lacks a permission, or a key is of a type that this program never writes.
        StoreUnavailable: the store went away, or it changed although its writers were paused.
    """
    redis = connect(store.settings, protocol=3)
    try:
        return await _Reader(store, redis.client(), take, clock).run()
    finally:
        await redis.aclose()


class _Reader:
    """One reading."""

    def __init__(self, store: Store, redis: Redis, take: Take, clock: Callable[[], float]) -> None:
        self._store = store
        self._redis = redis
        self._take = take
        self._clock = clock
        self._changed: set[bytes] = set()
        self._lost = False
        self._pausing = False
        keys = store.keys
        growing = (keys.active, keys.quarantine, keys.certificates, *keys.pending, *keys.delayed)
        self._long = {key.encode() for key in growing}
        self._records = 0

    async def run(self) -> Dumped:
        await self._track()
        try:
            async for page in self._scan():
                await self._read(page, self._take)
            rounds = await self._catch_up()
            return await self._last(rounds)
        finally:
            await self._redis.aclose()

    async def _track(self) -> None:
        redis = self._redis
        await self._store.call(redis.initialize())
        connection = redis.connection
        assert connection is not None  # noqa: S101  a client of one connection has it from here on
        parser: Any = connection._parser  # noqa: SLF001  redis-py has no other way to what the server tells
        parser.set_invalidation_push_handler(self._hear)
        await self._do("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", self._keys.prefix)
        await self._store.call(redis.script_load(scripts.source("dump.lua")))

    async def _hear(self, message: list[Any]) -> None:
        """The server says that keys have changed; None for all of them (FLUSHALL, or it forgot what it told)."""
        keys = message[1]
        if keys is None:
            self._lost = True
        else:
            self._changed.update(keys)

    async def _scan(self) -> Any:
        """Pages of all keys; one that is there from the first page to the last is in one of them at least."""
        cursor = 0
        while True:
            cursor, page = await self._store.call(
                self._redis.scan(cursor, match=literally(self._keys.prefix) + "*", count=_PAGE)
            )
            yield page
            if not cursor:
                return

    async def _read(self, keys: Iterable[bytes], take: Take) -> None:
        """Read keys and hand them to `take`. One that changes from here on is told, and read again."""
        wanted = set(keys)
        for some in _batches(wanted - self._long):
            self._changed.difference_update(some)
            await self._read_some(some, 0, -1, take)
        for key in wanted & self._long:
            self._changed.discard(key)
            for start in range(0, max(1, await self._length(key)), _PIECE):
                await self._read_some([key], start, start + _PIECE - 1, take)
        if self._lost:
            raise StoreUnavailable("store: it was emptied while it was read")

    async def _read_some(self, some: list[bytes], first: int, last: int, take: Take) -> None:
        if self._pausing:
            await self._do("CLIENT", "PAUSE", PAUSE, "WRITE")  # from now on anew
        words = [len(some), *some, self._keys.prefix, first, last]
        try:
            blob = await self._do("EVALSHA", scripts.digest("dump.lua"), *words)
        except NoScriptError:
            raise StoreUnavailable("store: its scripts were flushed while it was read") from None
        except ResponseError as error:
            if not str(error).startswith("KIND"):
                raise
            raise Refused("config", "store.prefix", f"a stranger's key is there: {error}") from None
        self._records += len(some)
        await take(blob)

    async def _length(self, key: bytes) -> int:
        """Entries of a list or sorted set; 0 for what somebody else has put there."""
        for command in ("LLEN", "ZCARD"):
            try:
                return int(await self._do(command, key))
            except ResponseError:
                continue
        return 0

    async def _catch_up(self) -> int:
        """Read what has changed until it is little, or does not become less; gives the number of rounds."""
        rounds, before = 0, len(self._changed) + 1
        while _FEW < len(self._changed) < before and rounds < _ROUNDS:
            before = len(self._changed)
            await self._read(list(self._changed), self._take)
            rounds += 1
        return rounds

    async def _last(self, rounds: int) -> Dumped:
        """The last round, with the writers paused."""
        for _ in range(_PAUSES):
            blobs: list[bytes] = []  # handed on when the writers work again
            began = self._clock()
            await self._do("CLIENT", "PAUSE", PAUSE, "WRITE")
            try:
                self._pausing = True
                await self._do("PING")  # what was changed before the pause is told before this is answered
                at = self._store.clock()
                await self._read(list(self._changed), _into(blobs))
                found = await count(self._store, self._redis)
                await self._do("PING")  # as above, for what was changed in spite of it
                still = not self._changed
            finally:
                self._pausing = False
                await self._do("CLIENT", "UNPAUSE")
            paused = self._clock() - began
            rounds += 1
            for blob in blobs:
                await self._take(blob)
            if still:
                return Dumped(at=at, counts=found, records=self._records, rounds=rounds, paused=paused)
        raise StoreUnavailable("store: it changed although its writers were paused; the server is too slow to be read")

    @property
    def _keys(self) -> Keys:
        return self._store.keys

    async def _do(self, *words: Any) -> Any:
        return await self._store.call(self._redis.execute_command(*words))  # type: ignore[no-untyped-call]


def _into(blobs: list[bytes]) -> Take:
    async def take(blob: bytes) -> None:
        blobs.append(blob)

    return take


def _batches(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    some: list[bytes] = []
    for key in keys:
        some.append(key)
        if len(some) == _AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def literally(prefix: str) -> str:
    """A prefix as a glob pattern that matches it and nothing else."""
    return "".join(f"\\{char}" if char in r"*?[]\^-" else char for char in prefix)
