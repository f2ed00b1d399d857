"""The committer: one task that sends everything which is ready in one script call, one call in flight (group commit).

Workers hand it outcomes and free slots; it brings them claimed sessions in the same reply. It alone talks to the store
on the hot path, so it is also where an outage is felt: it keeps what it has, tries again with backoff, and loses
nothing. Why it is shaped so: docs/decisions/0002-group-commit.md.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import anyio
import structlog
from msgspec.structs import replace

from stages.errors import StoreUnavailable
from stages.outcome import Writes
from stages.session import Session, State
from stages.store import moves
from stages.store.lease import Lease
from stages.store.moves import Move
from stages.store.records import Garbled, advanced
from stages.store.store import Claim, GroupReply, Store

log = structlog.get_logger()

GROUP_LIMIT = 256
"""Moves in one call at the most: bounds the time for which a script holds the server."""
OUTAGE_FIRST, OUTAGE_MOST = 0.05, 5.0
"""Seconds between tries while the store is away."""


class Entry(NamedTuple):
    """A move on its way: who awaits its answer, and an advance's writes."""

    move: Move
    future: asyncio.Future[list[Any]] | None = None
    writes: Writes | None = None


class Slots(Protocol):
    """What the committer needs of a runner."""

    queue: State

    def free(self) -> int:
        """How many sessions it could take now."""

    def take(self, session: Session) -> None:
        """Here is one."""


class Committer:
    """Gathers moves and claims and exchanges them with the store."""

    def __init__(self, store: Store, lease: Lease, *, keep: Callable[[], int]) -> None:
        self.store = store
        self.lease = lease
        self.keep = keep
        self.available = True
        self.quiet = False
        self.held: dict[str, Session] = {}
        self.lengths = [0, 0, 0, 0]
        self.delayed = [0, 0, 0, 0]
        self.committed: Callable[[Move], None] | None = None
        self._slots: list[Slots] = []
        self._moves: deque[Entry] = deque()
        self._wake = asyncio.Event()
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None
        self._calling = False
        self._settled = asyncio.Event()

    def serve(self, slots: Slots) -> None:
        """Claim for this runner from now on."""
        self._slots.append(slots)
        self.wake()

    def wake(self) -> None:
        """Something may be there to claim."""
        self._wake.set()

    def add(self, move: Move, writes: Writes | None = None) -> None:
        """Send a move of which nobody waits for the answer; `writes` are those of an advance."""
        self._moves.append(Entry(move, writes=writes))
        self._wake.set()

    def move(self, move: Move) -> Awaitable[list[Any]]:
        """Send a move; await its answer, which comes after its writes are on disk."""
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._moves.append(Entry(move, future))
        self._wake.set()
        return future

    async def reserve(self, session: str, serial: str, intent: str) -> tuple[str, str]:
        """Make an intent durable (law 3); the serial and intent on record come back, an earlier one if there was one.

        Raises moves.IllegalMove when the session is not this supervisor's to issue.
        """
        result = await self.move(moves.reserve(session, serial, intent))
        if result[0] != "ok":
            raise moves.IllegalMove(f"reserve refused: {result[1]}")
        if (held := self.held.get(session)) is not None:
            self.held[session] = replace(held, serial=result[1], intent=result[2])
        return result[1], result[2]

    async def until_idle(self) -> None:
        """Wait until no session is held and everything that was added has been answered."""
        while self.held or self._moves or self._calling:
            self._settled = asyncio.Event()
            await self._settled.wait()

    async def run(self) -> None:
        """Exchange with the store for ever. Raises LeaseLost; store outages are waited out."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch = [self._moves.popleft() for _ in range(min(len(self._moves), GROUP_LIMIT))]
            claims = (
                []
                if self.quiet
                else [Claim(s.queue, free, s.queue is not State.DONE) for s in self._slots if (free := s.free()) > 0]
            )
            if batch or claims:
                self._number += 1
                self._calling = True
                try:
                    reply = await self.store.group(
                        [entry.move for entry in batch], claims, self.lease, number=self._number
                    )
                except StoreUnavailable as error:
                    await self._outage(batch, error)
                else:
                    self._settle(batch, reply)
            self._calling = False
            self._settled.set()
            if self._moves:
                self._wake.set()

    def _settle(self, batch: list[Entry], reply: GroupReply) -> None:
        kept: list[Session] = []
        for (move, future, writes), result in zip(batch, reply.results or (), strict=True):
            if future is not None:
                if not future.done():
                    future.set_result(result)
                continue
            session = None if move[0] == "resync" else self.held.pop(move[1], None)
            if result[0] != "ok":
                self._refused(move, result)
                continue
            if self.committed is not None:
                self.committed(move)
            if len(result) > 1 and session is not None and writes is not None:
                kept.append(advanced(session, writes, State(move[3])))
        for fault in reply.garbled:
            self._set_aside(fault)
        self._hand_out([*kept, *reply.claimed])
        self.lengths, self.delayed = reply.lengths, reply.delayed
        self._look_again(reply.next_due)

    def _hand_out(self, claimed: list[Session]) -> None:
        by_queue = {slots.queue: slots for slots in self._slots}
        for session in claimed:
            self.held[session.id] = session
            if self.quiet:
                self.add(moves.release(session.id, session.state))
            else:
                by_queue[session.state].take(session)

    def _look_again(self, next_due: float) -> None:
        if any(length and slots.free() for length, slots in zip(self.lengths, self._slots, strict=False)):
            self._wake.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if next_due and not self.quiet:
            delay = max(0.0, next_due - self.store.clock()) + 0.001
            self._timer = asyncio.get_running_loop().call_later(delay, self._wake.set)

    def _refused(self, move: Move, result: list[Any]) -> None:
        """A commit that was not made: the session is another's by now, or its record cannot be written."""
        log.warning("commit.refused", session=move[1], move=move[0], why=str(result[1]))
        if result[0] == "error" and move[0] != "quarantine":
            self.add(moves.quarantine(move[1]))

    def _set_aside(self, fault: Garbled) -> None:
        log.error("recovery.quarantined", session=fault.session, field=fault.field, why=fault.why)
        if fault.field != "key":
            self.add(moves.quarantine(fault.session))

    async def _outage(self, batch: list[Entry], error: StoreUnavailable) -> None:
        """Wait until the store is back, then send the same group again; whatever it claimed unseen goes back."""
        self.available = False
        log.error("store.lost", why=str(error), moves=len(batch))
        began, pause = self.store.clock(), OUTAGE_FIRST
        reply: GroupReply | None = None
        while reply is None:
            await anyio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  jitter
            pause = min(pause * 2, OUTAGE_MOST)
            with suppress(StoreUnavailable):
                reply = await self.store.group([entry.move for entry in batch], (), self.lease, number=self._number)
        if reply.results is None:
            reply = await self._answers_again(batch, reply)
        self._settle(batch, reply)
        self.add(moves.resync(self.held))
        self.available = True
        log.info("store.back", after_s=round(self.store.clock() - began, 3))

    async def _answers_again(self, batch: list[Entry], reply: GroupReply) -> GroupReply:
        """The group was made, its answers are lost. Moves that somebody waits for can be asked again harmlessly."""
        results: list[list[Any]] = [["ok"] for _ in batch]
        asked = [i for i, entry in enumerate(batch) if entry.future is not None]
        while asked:
            self._number += 1
            try:
                again = await self.store.group([batch[i].move for i in asked], (), self.lease, number=self._number)
            except StoreUnavailable:
                await anyio.sleep(OUTAGE_FIRST)  # away once more
                continue
            for i, result in zip(asked, again.results or (), strict=True):
                results[i] = result
            break
        reply.results = results
        return reply
