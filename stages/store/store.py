"""The store as the rest of the program sees it: groups of moves in one script call. What is hot goes through `group`.

A call either comes back with an answer for every move, after its writes are on disk (law 4), or raises
`StoreUnavailable` (it may or may not have happened: every move can be repeated) or `LeaseLost` (nothing happened).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from stages.errors import StoreUnavailable
from stages.session import Session, State
from stages.store import scripts
from stages.store.connection import StoreSettings, connect, translated
from stages.store.keys import QUEUES, Keys
from stages.store.lease import Lease
from stages.store.moves import Move
from stages.store.records import Garbled, pairs, read_session
from stages.store.wires import Wires

_encode = msgspec.msgpack.Encoder().encode


class _Answer(msgspec.Struct, array_like=True):
    results: list[list[Any]] | bool
    claimed: list[msgspec.Raw]
    lengths: list[int]
    delayed: list[int]
    next_due: float
    sequence: int


class _Claimed(msgspec.Struct, array_like=True):
    queue: int
    session: str
    hash: list[str]
    names: list[str]
    challenges: list[list[str]]


class _ClaimedId(msgspec.Struct, array_like=True):
    queue: int
    session: str


_decode_answer = msgspec.msgpack.Decoder(_Answer).decode
_decode_claimed = msgspec.msgpack.Decoder(_Claimed).decode
_decode_id = msgspec.msgpack.Decoder(_ClaimedId).decode


class Claim(msgspec.Struct, frozen=True):
    """A wish to take up to `free` sessions from a queue; `whole` asks for names and challenges too."""

    queue: State
    free: int
    whole: bool = True


class GroupReply(msgspec.Struct):
    """The answer to a group.

    Attributes:
        results: for each move ["ok", ...], ["refused", why], ["changed"] or ["error", why]; None when this group
            had been made before and only its reply was lost.
        claimed: sessions now in flight here.
        garbled: claimed entries that cannot be read, to be set aside by a `quarantine` move; those which even the
            script could not read are set aside already (`Garbled.field` is then "key").
        lengths: what is left in each queue, in the pipeline's order.
        delayed: how many sessions wait there for their next try.
        next_due: unix time of the earliest delayed session, 0 when there is none.
        sequence: grows in the order in which the groups of a lease were made, whatever their lane.
    """

    results: list[list[Any]] | None
    claimed: list[Session]
    garbled: list[Garbled]
    lengths: list[int]
    delayed: list[int]
    next_due: float
    sequence: int = 0


class Store:
    """One Redis or Valkey, reached as `settings` says.

    `redis` is for the other modules of this room. `clock` gives unix time in seconds.
    """

    def __init__(self, settings: StoreSettings, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.keys = Keys(settings.prefix)
        self.clock = clock
        self.redis: Redis = connect(settings)
        self._wires = Wires(self.redis)

    async def aclose(self) -> None:
        """Close every connection; calls under way end with StoreUnavailable, later ones connect anew."""
        try:
            await self._wires.aclose()
        finally:
            await self.redis.aclose()

    async def call(self, awaitable: Awaitable[Any]) -> Any:
        """Await a redis-py call under the call deadline, its errors translated."""
        with translated():
            try:
                async with asyncio.timeout(self.settings.call_timeout):
                    return await awaitable
            except TimeoutError:
                raise StoreUnavailable(f"store: no answer within {self.settings.call_timeout:g} s") from None

    async def script(self, name: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run a script by its digest, loading it when the server does not know it; waits for the disk where needed."""
        try:
            return await self.call(self._evalsha(name, keys, args))
        except NoScriptError:
            await self.call(self.redis.script_load(scripts.source(name)))
            return await self.call(self._evalsha(name, keys, args))

    async def _evalsha(self, name: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        timeout = self.settings.wait_aof_timeout
        if not timeout:
            return await self._wires.call("EVALSHA", scripts.digest(name), len(keys), *keys, *args)
        pipe = self.redis.pipeline(transaction=False)
        pipe.evalsha(scripts.digest(name), len(keys), *keys, *args)
        pipe.execute_command("WAITAOF", 1, 0, timeout)
        # Errors are raised here, unchanged: redis-py would put the arguments into their text.
        answer, synced = await pipe.execute(raise_on_error=False)
        for reply in (answer, synced):
            if isinstance(reply, Exception):
                raise reply
        if synced[0] < 1:
            raise StoreUnavailable(f"store: the write did not reach the disk within {timeout} ms (WAITAOF)")
        return answer

    async def group(
        self,
        moves: Sequence[Move],
        claims: Sequence[Claim] = (),
        lease: Lease | None = None,
        *,
        lane: int = 0,
        number: int = 0,
        announce: bool = False,
    ) -> GroupReply:
        """Make `moves`, then claim, in one script call.

        `number` counts the groups of a lease and `lane`: one sent again with the same number is not made twice.
        `announce` tells other processes that something was pushed.
        """
        keys, now = self.keys, self.clock()
        wanted = [[QUEUES.index(claim.queue) + 1, claim.free, int(claim.whole)] for claim in claims]
        request = _encode([lease.token if lease else "", str(int(now)), now, moves, wanted, number, lane])
        channel = keys.wake if announce else ""
        supervisor = lease.supervisor if lease else "-"
        answer = _decode_answer(
            await self.script("group.lua", keys.group(supervisor), [keys.prefix, channel, request, supervisor])
        )
        claimed, garbled = [], []
        for raw in answer.claimed:
            try:
                claimed.append(self._read(raw))
            except Garbled as fault:
                garbled.append(fault)
        results = None if isinstance(answer.results, bool) else answer.results
        return GroupReply(results, claimed, garbled, answer.lengths, answer.delayed, answer.next_due, answer.sequence)

    async def move(self, move: Move) -> list[Any]:
        """Make one move of the client's side, and tell the supervisor."""
        reply = await self.group([move], announce=True)
        return reply.results[0] if reply.results else []

    @staticmethod
    def _read(raw: msgspec.Raw) -> Session:
        try:
            item = _decode_claimed(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            try:
                session = _decode_id(raw).session
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise Garbled("?", "session id", "not text") from None
            raise Garbled(session, "record", "not UTF-8 text") from None
        if item.queue == 0:
            raise Garbled(item.session, "key", "not of the type that the schema says")
        challenges = [pairs(flat) for flat in item.challenges]
        return read_session(item.session, pairs(item.hash), item.names, challenges)
