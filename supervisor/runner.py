"""A runner: the task of one queue. Its workers are its slots: each runs one session's stage at a time.

A worker hands in the outcome of one session and receives the next in the same exchange, so a slot is always free
before a session is claimed for it. A stage that raises or hangs costs its session an attempt, never the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Protocol

import anyio
import msgspec
import structlog

from stages.outcome import Advance, Outcome, Reject, Retry, Wait
from stages.session import Problem, Session, State
from stages.store import moves
from supervisor.committer import Committer

log = structlog.get_logger()


class QueueSettings(Protocol):
    """The settings of one queue: durations in seconds."""

    concurrency: int
    timeout: float
    max_attempts: int
    backoff: float
    backoff_max: float


Stage = Callable[[Session], Awaitable[Outcome]]


class Tally(msgspec.Struct):
    """What a runner has done since its start."""

    advanced: int = 0
    waited: int = 0
    retried: int = 0
    rejected: int = 0
    busy: float = 0.0


class Runner:
    """Runs `stage` for the sessions of `queue`; `settings` is asked each time, so a reload takes effect at once."""

    def __init__(
        self, queue: State, stage: Stage, settings: Callable[[], QueueSettings], committer: Committer
    ) -> None:
        self.queue = queue
        self.stage = stage
        self.tally = Tally()
        self._settings = settings
        self._committer = committer
        self._idle: deque[asyncio.Future[Session | None]] = deque()
        self._workers = 0
        self._group: anyio.abc.TaskGroup | None = None

    async def run(self) -> None:
        """Serve the queue until cancelled; what is then still at work is given back to the queue."""
        async with anyio.create_task_group() as self._group:
            self.resize()
            self._committer.serve(self)
            await anyio.sleep_forever()

    def resize(self) -> None:
        """Bring the number of workers to the setting: new ones at once, superfluous ones when they are free."""
        if self._group is None:
            return
        wanted = self._settings().concurrency
        while self._workers < wanted:
            self._workers += 1
            self._group.start_soon(self._work, name=f"{self.queue}-{self._workers}")
        while self._workers > wanted and self._idle:
            self._idle.pop().set_result(None)
            self._workers -= 1

    def free(self) -> int:
        """Slots for which a session can be claimed now."""
        return len(self._idle)

    def take(self, session: Session) -> None:
        """Give a claimed session to a free worker."""
        self._idle.popleft().set_result(session)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            slot: asyncio.Future[Session | None] = loop.create_future()
            self._idle.append(slot)
            self._committer.wake()
            try:
                session = await slot
            except asyncio.CancelledError:
                if slot.done() and not slot.cancelled() and (session := slot.result()):
                    self._committer.add(moves.release(session.id, session.state))
                raise
            if session is None:
                return
            outcome = await self._attempt(session)
            self._commit(session, outcome)
            if self._workers > self._settings().concurrency:
                self._workers -= 1
                return

    def _commit(self, session: Session, outcome: Outcome) -> None:
        committer = self._committer
        now, keep = committer.store.clock(), committer.keep()
        try:
            move = moves.for_outcome(session, outcome, now, keep)
        except moves.IllegalMove as error:
            log.exception("stage.failed", session=session.id, queue=self.queue, attempt=session.attempts + 1)
            move = moves.for_outcome(session, self._failed(session, str(error)), now, keep)
        committer.add(move)

    async def _attempt(self, session: Session) -> Outcome:
        settings, began = self._settings(), perf_counter()
        bound = log.bind(session=session.id, queue=self.queue, attempt=session.attempts + 1)
        try:
            with anyio.fail_after(settings.timeout):
                outcome = await self.stage(session)
        except anyio.get_cancelled_exc_class():
            self._committer.add(moves.release(session.id, session.state))
            raise
        except TimeoutError:
            bound.warning("stage.timed_out", limit_s=settings.timeout)
            outcome = self._failed(session, f"{self.queue} took longer than {settings.timeout:g} s")
        except Exception as error:  # noqa: BLE001  whatever a stage raises costs its session an attempt, never the loop
            bound.exception("stage.failed")
            outcome = self._failed(session, f"{self.queue} failed ({type(error).__name__})")
        if isinstance(outcome, Retry) and outcome.costs and session.attempts + 1 >= settings.max_attempts:
            detail = f"gave up after {session.attempts + 1} attempts: {outcome.why}"
            outcome = Reject(Problem("serverInternal", detail), outcome.writes)
        took = perf_counter() - began
        self._count(outcome, took)
        bound.info(
            "stage.finished",
            outcome=type(outcome).__name__.lower(),
            duration_ms=round(took * 1000, 3),
            **_why(outcome),
        )
        return outcome

    def _failed(self, session: Session, why: str) -> Outcome:
        settings = self._settings()
        after = min(settings.backoff * 2**session.attempts, settings.backoff_max)
        return Retry(after, why, costs=self._committer.available)

    def _count(self, outcome: Outcome, took: float) -> None:
        tally = self.tally
        tally.busy += took
        if isinstance(outcome, Advance):
            tally.advanced += 1
        elif isinstance(outcome, Wait):
            tally.waited += 1
        elif isinstance(outcome, Retry):
            tally.retried += 1
        else:
            tally.rejected += 1


def _why(outcome: Outcome) -> dict[str, str]:
    if isinstance(outcome, Retry):
        return {"why": outcome.why}
    if isinstance(outcome, Reject):
        return {"why": outcome.problem.detail, "kind": outcome.problem.kind}
    return {}
