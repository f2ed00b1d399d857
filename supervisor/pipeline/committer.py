"""The committer: sends everything that is ready in one script call (group commit), two calls under way at the most.

Workers hand it outcomes and free slots; it brings them claimed sessions in the same reply. It alone talks to the store
on the hot path, so it is also where an outage is felt: it keeps what it has, tries again with backoff, and loses
nothing. Why it is shaped so: docs/decisions/0002-group-commit.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import structlog
from msgspec.structs import replace

from stages.errors import LeaseLost, StoreUnavailable
from stages.outcome import Writes
from stages.session import Session, State
from stages.store import moves
from stages.store.lease import Lease
from stages.store.moves import Move
from stages.store.records import advanced
from stages.store.store import GroupReply, Store
from supervisor.meter import Meter
from supervisor.pipeline.answers import Answers
from supervisor.pipeline.held import Held
from supervisor.pipeline.hold import Entry, Group, Hold, Slots
from supervisor.pipeline.lane import LANES, Lane
from supervisor.pipeline.outbox import Outbox
from supervisor.pipeline.queues import PLACES, Queues

log = structlog.get_logger()


class Committer:
    """Gathers moves and claims and exchanges them with the store."""

    def __init__(self, store: Store, lease: Lease, *, keep: Callable[[], int], meter: Meter | None = None) -> None:
        self.store = store
        self.lease = lease
        self.keep = keep
        self.meter = meter if meter is not None else Meter()
        self.available = True
        self.quiet = False
        self.queues = Queues()
        self._outbox = Outbox()
        self.held = Held(self._outbox, self.queues, self._given)
        self.answers = Answers(self.held, self.meter, self.add, self._resync)
        self.counted: Callable[[list[int]], None] = lambda _: None  # told the queues' lengths whenever they are new
        self._wake = asyncio.Event()
        self._calls = 0
        self._away = 0  # lanes that wait for the store
        self._resync_due = self._resyncing = False
        self._lost_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._settled = asyncio.Event()

    def serve(self, slots: Slots) -> None:
        """Claim for this runner from now on."""
        self.queues.slots[slots.queue] = slots
        self.wake()

    def wake(self, *queues: State) -> None:
        """Something may be there to claim: in these queues, or in any."""
        self.queues.look_at(queues)
        self._wake.set()

    def freed(self, queue: State) -> None:
        """A slot is free: that matters where somebody stands in the queue, or may stand."""
        if self.queues.may_have(queue):
            self.wake(queue)

    def add(self, move: Move, hold: Hold | None = None) -> None:
        """Send a move of which nobody waits for the answer; the session of `hold` leaves this supervisor with it."""
        if hold is not None:
            del self.held[hold.session.id]
        self.meter.waits.sent(move, self.store.clock())
        self._outbox.add(Entry(move, hold=hold))
        self._wake.set()

    def ahead(self, move: Move, hold: Hold, writes: Writes) -> bool:
        """Send an advance and keep the session, if its next stage can begin at once.

        That is when a slot is free there, nobody stands in that queue, and the store answers. Whatever the next stage
        sends is made after this move, or dropped when this one is not made.
        """
        state = State(move[3])
        if self.quiet or not self.available or not self.queues.can_begin(state):
            return False
        hold.session = advanced(hold.session, writes, state)
        self.meter.waits.went_ahead(PLACES[state])
        self._outbox.add(Entry(moves.ahead(move), hold=hold))
        self._wake.set()
        return True

    def move(self, move: Move, becomes: Session | None = None) -> Awaitable[list[Any]]:
        """Send a move; await its answer, which comes after its writes are on disk.

        `becomes` is a waiting session as a client's `ready` or `finalize` makes it. If its stage can begin at once, as
        in `ahead`, it begins while the move is on its way, and the session does not go through the queue.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Any]] = loop.create_future()
        self.meter.waits.sent(move, self.store.clock())
        hold = None
        if becomes is not None and self._can_begin(becomes):
            hold = Hold(replace(becomes, waiting=0), loop.create_future())
            move = moves.begun(move, becomes)
        self._outbox.add(Entry(move, future, hold))
        self._wake.set()
        if hold is not None:
            self.held.begin(hold)
        return future

    def _can_begin(self, session: Session) -> bool:
        can = self.queues.can_begin(session.state) and session.id not in self.held
        return can and self.available and not self.quiet

    async def on_disk(self, session: str, intent: str) -> None:
        """Wait for an intent that came with the client's CSR; as `Held.on_disk`."""
        await self.held.on_disk(session, intent)

    async def reserve(self, session: str, serial: str, intent: str) -> tuple[str, str]:
        """Make an intent durable (law 3); the serial and intent on record come back, an earlier one if there was one.

        Raises moves.IllegalMove when the session is not this supervisor's to issue.
        """
        result = await self.move(moves.reserve(session, serial, intent))
        if result[0] != "ok":
            raise moves.IllegalMove(f"reserve refused: {result[1]}")
        if (hold := self.held.get(session)) is not None:
            hold.session = replace(hold.session, serial=result[1], intent=result[2])
        return result[1], result[2]

    async def until_idle(self) -> None:
        """Wait until no session is held and everything that was added has been answered."""
        while self.held or self._outbox or self._calls:
            self._settled = asyncio.Event()
            await self._settled.wait()

    async def run(self) -> None:
        """Exchange with the store for ever. Raises LeaseLost; store outages are waited out."""
        try:
            async with anyio.create_task_group() as group:
                for index in range(LANES):
                    group.start_soon(self._exchange, Lane(self.store, self.lease, index), name=f"lane-{index}")
        except* LeaseLost as lost:
            raise lost.exceptions[0] from None

    async def _exchange(self, lane: Lane) -> None:
        while True:
            group = self._next_group()
            if group is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            self._calls += 1
            meter, began = self.meter.store, time.monotonic()
            try:
                reply = await lane.send(group.moves, group.claims)
                meter.seconds.observe(time.monotonic() - began)
                meter.moves.observe(len(group.entries))
            except StoreUnavailable as error:
                reply = await self._outage(lane, group, error)
            self.queues.answered(group.claims)
            self._calls -= 1
            self._settle(group, reply)
            self._settled.set()
            if self._outbox or self._resync_due:
                self._wake.set()

    def _next_group(self) -> Group | None:
        """What is ready to be sent, if anything is.

        A resync is sent while nothing else is under way.
        """
        if self._calls and (self._resync_due or self._resyncing):
            return None
        self._resyncing = False
        if self._resync_due:
            self._resync_due, self._resyncing = False, True
            return Group([Entry(moves.resync(self._outbox.in_flight(self.held)))], [])
        entries = self._outbox.take()
        claims = self.queues.claims() if not self.quiet and (entries or self.queues.worth_a_claim()) else []
        return Group(entries, claims) if entries or claims else None

    def _settle(self, group: Group, reply: GroupReply) -> None:
        self._outbox.answered(group.entries)
        for entry, result in zip(group.entries, reply.results or (), strict=True):
            self.answers.take(entry, result)
        for fault in reply.garbled:
            self.answers.set_aside(fault)
        self._hand_out(reply.claimed)
        if self.queues.note(reply):
            self.counted(self.queues.lengths)
        self._look_again()

    def _hand_out(self, claimed: list[Session]) -> None:
        for session in claimed:
            if (before := self.held.get(session.id)) is not None:
                self.held.drop(before)  # put back by a call of the other lane whose reply is still to come
            if self.quiet:
                self.add(moves.release(session.id, session.state))
            else:
                self.held.begin(Hold(session))

    def _resync(self) -> None:
        self._resync_due = True

    def _given(self, session: Session) -> None:
        self.meter.waits.claimed(session.id, PLACES[session.state], self.store.clock())

    def _look_again(self) -> None:
        if left := self.queues.left():
            self.wake(*left)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.queues.next_due and not self.quiet:
            delay = max(0.0, self.queues.next_due - self.store.clock()) + 0.001
            self._timer = asyncio.get_running_loop().call_later(delay, self.wake)

    async def _outage(self, lane: Lane, group: Group, error: StoreUnavailable) -> GroupReply:
        """Wait until the store is back and has answered; whatever the call claimed unseen goes back."""
        if self.available:
            self.available, self._lost_at = False, time.monotonic()
            self.meter.store.outages += 1
            log.error("store.lost", why=str(error), moves=len(group.entries))
        self._away += 1
        reply = await lane.send_again(group)
        self.answers.lost()
        self._away -= 1
        self._resync_due = True
        if not self._away:
            self.available, away = True, time.monotonic() - self._lost_at
            self.meter.store.away += max(0.0, away)
            log.info("store.back", after_s=round(away, 3))
        return reply
