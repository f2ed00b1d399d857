"""A lane: one of the calls that may be under way, and what it does when the store goes away. For the committer only.

Each lane counts its groups, so that the store makes none of them twice (docs/decisions/0009-group-numbers.md).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import anyio

from stages.errors import StoreUnavailable
from stages.store.lease import Lease
from stages.store.moves import Move
from stages.store.store import Claim, GroupReply, Store
from supervisor.pipeline.hold import Group

LANES = 2
"""Calls under way at once: while the store works at one group, the program works at the sessions of the other."""
OUTAGE_FIRST, OUTAGE_MOST = 0.05, 5.0
"""Seconds between tries while the store is away."""


class Lane:
    """Sends one group at a time under `lease`; `index` is its place among the lanes."""

    def __init__(self, store: Store, lease: Lease, index: int) -> None:
        self._store = store
        self._lease = lease
        self._index = index
        self._number = 0

    async def send(self, moves: Sequence[Move], claims: Sequence[Claim]) -> GroupReply:
        """A new group. Raises LeaseLost, and StoreUnavailable when it may or may not have been made."""
        self._number += 1
        return await self._call(moves, claims)

    async def _call(self, moves: Sequence[Move], claims: Sequence[Claim] = ()) -> GroupReply:
        return await self._store.group(moves, claims, self._lease, lane=self._index, number=self._number)

    async def send_again(self, group: Group) -> GroupReply:
        """The same group until the store answers, without its claims. Each move has its result then."""
        pause = OUTAGE_FIRST
        reply: GroupReply | None = None
        while reply is None:
            await anyio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  jitter
            pause = min(pause * 2, OUTAGE_MOST)
            with suppress(StoreUnavailable):
                reply = await self._call(group.moves)
        if reply.results is None:
            reply.results = await self._answers_again(group)
        return reply

    async def _answers_again(self, group: Group) -> list[list[Any]]:
        """The group was made, its answers are lost. Moves that somebody waits for can be asked again harmlessly."""
        results: list[list[Any]] = [["ok"] for _ in group.entries]
        asked = [i for i, entry in enumerate(group.entries) if entry.future is not None]
        while asked:
            try:
                again = await self.send([group.entries[i].move for i in asked], ())
            except StoreUnavailable:
                await anyio.sleep(OUTAGE_FIRST)  # away once more
                continue
            for i, result in zip(asked, again.results or (), strict=True):
                results[i] = result
            break
        return results
