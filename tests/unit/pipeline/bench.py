"""Runners and a committer whose groups the test takes and answers itself: no store, no I/O. For this folder's tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.lowlevel

from stages.outcome import Outcome
from stages.session import Session, State
from stages.store.connection import StoreSettings
from stages.store.lease import Lease
from stages.store.store import GroupReply, Store
from supervisor.pipeline.committer import Committer
from supervisor.pipeline.hold import Group
from supervisor.pipeline.runner import Runner

NOW, KEEP = 1_800_000_000, 3600


@dataclass
class Settings:
    """The settings of one queue; durations in seconds."""

    concurrency: int = 2
    timeout: float = 60.0
    max_attempts: int = 3
    backoff: float = 8.0
    backoff_max: float = 20.0


def session(number: int = 1, state: State = State.MAKECHALLENGE, **fields: Any) -> Session:
    """A session in a state."""
    return Session(id=f"{number:064x}", created=NOW, live=True, state=state, **fields)


def reply(results: list[list[Any]], claimed: list[Session] | None = None, **fields: Any) -> GroupReply:
    """What the store might answer; nothing is left in the queues unless the test says so."""
    base = {"lengths": [0, 0, 0, 0], "delayed": [0, 0, 0, 0], "next_due": 0.0}
    return GroupReply(results, claimed or [], [], **{**base, **fields})


async def settled() -> None:
    """Let every task go on as far as it can."""
    for _ in range(6):
        await anyio.lowlevel.checkpoint()


class Bench:
    """A committer that is not connected, and a runner for each queue. `attempts` are those at work, by queue."""

    def __init__(self) -> None:
        store = Store(StoreSettings(url="unix:///nowhere"), lambda: float(NOW))
        self.committer = Committer(store, Lease(store.redis, store.keys, "A", 60.0), keep=lambda: KEEP)
        self.settings = {state: Settings() for state in State}
        self.attempts: dict[State, list[tuple[Session, asyncio.Future[Outcome]]]] = {state: [] for state in State}
        self.runners = {
            state: Runner(state, self._stage(state), lambda state=state: self.settings[state], self.committer)  # type: ignore[misc]
            for state in State
        }

    def _stage(self, state: State) -> Any:
        async def stage(session: Session) -> Outcome:
            outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            attempt = (session, outcome)
            self.attempts[state].append(attempt)
            try:
                return await outcome
            finally:
                self.attempts[state].remove(attempt)

        return stage

    def group(self) -> Group:
        """The next group, which there must be."""
        group = self.committer._next_group()
        assert group is not None
        self.committer._calls += 1
        return group

    def settle(self, group: Group, reply: GroupReply) -> None:
        """The store has answered, as a lane takes it."""
        for claim in group.claims:
            self.committer.queues.asked[claim.queue] -= claim.free
        self.committer._calls -= 1
        self.committer._settle(group, reply)

    def words(self) -> list[str]:
        """The moves that are to be sent."""
        return [entry.move[0] for entry in self.committer._outbox.entries]

    async def gives(self, given: Session) -> asyncio.Future[Outcome]:
        """A session is claimed; the outcome of its attempt is the caller's to say."""
        self.committer.wake()
        group = self.group()
        self.settle(group, reply([["ok"] for _ in group.entries], [given]))
        await settled()
        ((_, outcome),) = [attempt for attempt in self.attempts[given.state] if attempt[0].id == given.id]
        return outcome


@asynccontextmanager
async def opened() -> AsyncIterator[Bench]:
    """A bench whose runners run."""
    bench = Bench()
    async with anyio.create_task_group() as group:
        for runner in bench.runners.values():
            group.start_soon(runner.run)
        await settled()
        yield bench
        group.cancel_scope.cancel()
