"""How far a certificate has come on its way to its client, as the door can see it. The door and handlers use it.

`sent`: the whole answer with the certificate was written to the connection. `confirmed`: the nonce that went out with
it came back, or a new order replaces it (RFC 9773 5). Nobody waits for these moves, so they wait for one another a
moment, and a client that goes on at once has one instead of two. A lost one does no harm: the certificate then counts
as less far than it is (`certificates --undelivered`), and the client may fetch it again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from stages.done import CONFIRMED
from stages.errors import StoreUnavailable
from stages.session import Delivery
from stages.store import moves
from stages.store.moves import Move
from supervisor.http.message import Response

CAPACITY: Final = 4096
"""Nonces that are remembered, about 1 MB; beyond it the oldest is forgotten, and its certificate stays `sent`. As many
steps may wait to be recorded."""
TOGETHER: Final = 0.05
"""Seconds."""


class Handed(Response):
    """A reply that carries a certificate: `serial` of `session`."""

    session: str = ""
    serial: str = ""


class Deliveries:
    """The certificates that went out lately, by the nonce that went with them; and the steps to be recorded."""

    def __init__(
        self,
        mover: Callable[[Move], Awaitable[list[Any]]],
        sent_until: Callable[[], int],
        keep: Callable[[], int],
        capacity: int = CAPACITY,
        together: float = TOGETHER,
    ) -> None:
        """Say what the done stage would.

        Args:
            mover: the committer's `move`.
            sent_until: the unix time until which a session waits whose certificate is sent now; 0 for none.
            keep: seconds for which a session can be looked at that is confirmed now.
            capacity: of nonces, and of steps that wait.
            together: seconds for which a step waits for others.
        """
        self._mover = mover
        self._keep = keep
        self._sent_until = sent_until
        self._capacity = capacity
        self._together = together
        self._given: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._steps: dict[str, tuple[str, Delivery]] = {}
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def give(self, nonce: str, reply: Handed) -> None:
        """This nonce goes out with this reply; note when it has gone out whole."""
        session, serial = reply.session, reply.serial
        reply.written = lambda: self.note(session, serial, Delivery.SENT)
        self._given[nonce] = session, serial
        if len(self._given) > self._capacity:
            self._given.popitem(last=False)

    def returned(self, nonce: str) -> None:
        """A nonce came back, signed: if it went with a certificate, the client has that."""
        if given := self._given.pop(nonce, None):
            self.note(*given, Delivery.CONFIRMED)

    def note(self, session: str, serial: str, step: Delivery) -> None:
        """Put a step on record soon; nobody waits for it, and a refusal is no matter."""
        known = self._steps.get(session)
        if known is None and len(self._steps) >= self._capacity:
            return  # the store takes nothing at present
        if known is None or known[1] is not Delivery.CONFIRMED:
            self._steps[session] = serial, step
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._put(), name="deliveries")

    async def settled(self) -> None:
        """Put everything on record at once, from now on too, and come back when that is done."""
        self._hurry.set()
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _put(self) -> None:
        try:
            while self._steps:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._hurry.wait(), self._together)
                steps, self._steps = self._steps, {}
                await asyncio.gather(*[self._record(session, *step) for session, step in steps.items()])
        finally:
            self._task = None

    async def _record(self, session: str, serial: str, step: Delivery) -> None:
        if step is Delivery.SENT:
            move = moves.deliver(session, step.value, serial, self._sent_until())
        else:
            move = moves.deliver(session, step.value, serial, retired=(self._keep(), CONFIRMED))
        with suppress(StoreUnavailable):
            await self._mover(move)
