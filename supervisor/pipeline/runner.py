"""A runner: the task of one queue. Its workers are its slots: each runs one session's stage at a time.

A worker hands in the outcome of one session and receives the next in the same exchange, so a slot is always free
before a session is claimed for it. A stage that raises or hangs costs its session an attempt, never the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

import anyio
import msgspec
import structlog

from stages.outcome import Advance, Outcome, Reject, Retry, Wait
from stages.session import Problem, Session, State
from stages.store import moves
from supervisor.pipeline.committer import Committer
from supervisor.pipeline.deadlines import Deadlines


class QueueSettings(Protocol):
    """The settings of one queue: durations in seconds."""

    concurrency: int
    timeout: float
    max_attempts: int
    backoff: float
    backoff_max: float


_COUNTED: dict[type[Outcome], tuple[str, str]] = {
    Advance: ("advance", "advanced"),
    Wait: ("wait", "waited"),
    Retry: ("retry", "retried"),
    Reject: ("reject", "rejected"),
}
"""The word of each outcome in the logs, and the field of the tally."""

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

    def __init__(self, queue: State, stage: Stage, settings: Callable[[], QueueSettings], committer: Committer) -> None:
        self.queue = queue
        self.stage = stage
        self.tally = Tally()
        self._settings = settings
        self._log = structlog.get_logger().bind(queue=queue.value)
        self._committer = committer
        self._deadlines = Deadlines(lambda: settings().timeout)
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

    def concurrency(self) -> int:
        """How many sessions it may work on at once."""
        return self._settings().concurrency

    def free(self) -> int:
        """Slots for which a session can be claimed now."""
        return len(self._idle)

    def take(self, session: Session) -> None:
        """Give a claimed session to a free worker; back to its queue when a reload or a stop took it."""
        while self._idle:
            slot = self._idle.popleft()
            if not slot.done():
                slot.set_result(session)
                return
        self._committer.add(moves.release(session.id, session.state))

    async def _work(self) -> None:
        loop, task = asyncio.get_running_loop(), cast("asyncio.Task[None]", asyncio.current_task())
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
            now = loop.time()
            outcome = await self._attempt(session, task, now)
            self._close(session, outcome, loop.time() - now)
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
            self._log.exception("stage.failed", **self._about(session))
            move = moves.for_outcome(session, self._failed(session, str(error)), now, keep)
        committer.add(move, outcome.writes if type(outcome) is Advance else None)

    async def _attempt(self, session: Session, task: asyncio.Task[None], now: float) -> Outcome:
        """Run the stage; whatever it raises, and its deadline, cost the session an attempt."""
        self._deadlines.begin(task, now)
        try:
            outcome = await self.stage(session)
        except asyncio.CancelledError:
            if not self._deadlines.end(task):
                self._committer.add(moves.release(session.id, session.state))
                raise
            outcome = self._timed_out(session)
        except Exception as error:  # noqa: BLE001  whatever a stage raises costs its session an attempt, never the loop
            late = self._deadlines.end(task)
            outcome = self._timed_out(session) if late else self._broke(session, error)
        else:
            self._deadlines.end(task)
        return self._bounded(session, outcome)

    def _timed_out(self, session: Session) -> Retry:
        limit = self._settings().timeout
        self._log.warning("stage.timed_out", **self._about(session), limit_s=limit)
        return self._failed(session, f"{self.queue} took longer than {limit:g} s")

    def _broke(self, session: Session, error: Exception) -> Retry:
        self._log.error("stage.failed", **self._about(session), exc_info=error)
        return self._failed(session, f"{self.queue} failed ({type(error).__name__})")

    def _bounded(self, session: Session, outcome: Outcome) -> Outcome:
        """The outcome, or a rejection where it would be one failed attempt too many."""
        attempt = session.attempts + 1
        if type(outcome) is Retry and outcome.costs and attempt >= self._settings().max_attempts:
            detail = f"gave up after {attempt} attempts: {outcome.why}"
            return Reject(Problem(outcome.kind, detail), outcome.writes)
        return outcome

    def _about(self, session: Session) -> dict[str, Any]:
        return {"session": session.id, "attempt": session.attempts + 1}

    def _failed(self, session: Session, why: str) -> Retry:
        settings = self._settings()
        after = min(settings.backoff * 2**session.attempts, settings.backoff_max)
        return Retry(after, why, costs=self._committer.available)

    def _close(self, session: Session, outcome: Outcome, took: float) -> None:
        """Count the attempt and write its closing line."""
        tally, (word, field) = self.tally, _COUNTED[type(outcome)]
        tally.busy += took
        setattr(tally, field, getattr(tally, field) + 1)
        finished, attempt, duration = self._log.info, session.attempts + 1, round(took * 1000, 3)
        if type(outcome) is Retry:
            more = {"why": outcome.why}
        elif type(outcome) is Reject:
            more = {"why": outcome.problem.detail, "kind": outcome.problem.kind}
        else:
            more = {}
        finished("stage.finished", session=session.id, attempt=attempt, outcome=word, duration_ms=duration, **more)
