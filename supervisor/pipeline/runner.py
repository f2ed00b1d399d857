"""A runner: the task of one queue. Its workers are its slots: each runs one session's stage at a time.

A worker hands in the outcome of one session and receives the next in the same exchange, so a slot is always free
before a session is claimed for it. It follows a session into the next queue where a slot is free there, and leaves its
own to whoever had that one (docs/decisions/0002-group-commit.md). A stage that raises or hangs costs its session an
attempt, never the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias, cast

import anyio
import structlog

from stages.outcome import Advance, Outcome, Reject, Retry
from stages.session import Problem, Session, State
from stages.store import moves
from stages.store.keys import QUEUES
from stages.transitions import TRANSITIONS, Outcomes
from supervisor.pipeline.committer import Committer
from supervisor.pipeline.deadlines import Deadlines
from supervisor.pipeline.hold import Hold, Slots
from supervisor.pipeline.tally import Tally


class QueueSettings(Protocol):
    """The settings of one queue: durations in seconds."""

    concurrency: int
    timeout: float
    max_attempts: int
    backoff: float
    backoff_max: float


Slot: TypeAlias = "asyncio.Future[tuple[Runner, Hold] | None]"
"""A worker that waits for a session, and for the runner whose worker it is by then; None ends it."""

Stage = Callable[[Session], Awaitable[Outcome]]


class Runner:
    """Runs `stage` for the sessions of `queue`; `settings` is asked each time, so a reload takes effect at once."""

    def __init__(self, queue: State, stage: Stage, settings: Callable[[], QueueSettings], committer: Committer) -> None:
        self.queue = queue
        self.stage = stage
        self.tally = Tally()
        self._settings = settings
        self._log = structlog.get_logger().bind(queue=queue.value)
        self._committer = committer
        self._meter = committer.meter.queues[QUEUES.index(queue)]
        self._deadlines = Deadlines(lambda: settings().timeout)
        self._idle: deque[Slot] = deque()
        self._workers = 0
        self._group: anyio.abc.TaskGroup | None = None

    async def run(self) -> None:
        """Serve the queue until cancelled; what is then still at work is given back to the queue."""
        async with anyio.create_task_group() as self._group:
            self.resize()
            self._committer.serve(self)
            await anyio.sleep_forever()

    def resize(self) -> None:
        """Take the settings of now. The number of workers: new ones at once, superfluous ones when they are free."""
        if self._group is None:
            return
        self._deadlines.limit_changed()
        wanted = self._settings().concurrency
        while self._workers < wanted:
            self._workers += 1
            self._group.start_soon(work, self, name=f"{self.queue}-{self._workers}")
        while self._workers > wanted and self._idle:
            self._idle.pop().set_result(None)
            self._workers -= 1

    def concurrency(self) -> int:
        """How many sessions it may work on at once."""
        return self._settings().concurrency

    def free(self) -> int:
        """Slots for which a session can be claimed now."""
        return len(self._idle)

    def take(self, hold: Hold) -> None:
        """Give a claimed session to a free worker; back to its queue when a reload or a stop took it."""
        while self._idle:
            slot = self._idle.popleft()
            if not slot.done():
                slot.set_result((self, hold))
                return
        self.give_back(hold)

    def give_back(self, hold: Hold) -> None:
        """Back to its queue, not worked on."""
        if not hold.void:
            self._committer.add(moves.release(hold.session.id, hold.session.state), hold)

    def commit(self, hold: Hold, outcome: Outcome) -> Runner | None:
        """Hand the outcome in; the runner of the next stage when that can begin at once."""
        committer, session = self._committer, hold.session
        if hold.void:
            return None
        now, keep = committer.store.clock(), committer.keep()
        try:
            move = moves.for_outcome(session, outcome, now, keep)
        except moves.IllegalMove as error:
            self._log.exception("stage.failed", **self._about(session))
            failed = self._bounded(session, self._failed(session, str(error)))
            move = moves.for_outcome(session, failed, now, keep)
        if (
            type(outcome) is Advance
            and move[0] == "advance"
            and self._may_run_ahead(session, move[3])
            and committer.ahead(move, hold, outcome.writes)
        ):
            return self._swap(committer.queues.slots[hold.session.state])
        committer.add(move, hold)
        return None

    @staticmethod
    def _may_run_ahead(session: Session, state: State) -> bool:
        """A test on a schedule shows its token to the world: that has to be on disk first."""
        return state is not State.TESTCHALLENGE or not session.scheduled

    def _swap(self, following: Slots) -> Runner:
        """This worker is the next queue's from now on; an idle one of that queue takes its place, if it is wanted."""
        other = cast("Runner", following)
        spare = other.spare()
        if self.one_too_many():
            spare.set_result(None)
        else:
            self._idle.append(spare)
        return other

    def spare(self) -> Slot:
        """An idle worker, for another queue: there is one where `free` says so."""
        return self._idle.pop()

    def wait(self, slot: Slot) -> None:
        """A worker is free."""
        self._idle.append(slot)
        self._committer.freed(self.queue)

    def one_too_many(self) -> bool:
        """Whether a reload wants fewer workers than there are; the one that asks is then to end."""
        if self._workers <= self._settings().concurrency:
            return False
        self._workers -= 1
        return True

    async def attempt(self, hold: Hold, task: asyncio.Task[None], now: float) -> Outcome:
        """Run the stage; whatever it raises, and its deadline, cost the session an attempt."""
        session = hold.session
        self._deadlines.begin(task, now)
        try:
            outcome = await self.stage(session)
        except asyncio.CancelledError:
            if not self._deadlines.end(task):
                self.give_back(hold)
                raise
            outcome = self._timed_out(hold, session)
        except Exception as error:  # noqa: BLE001  whatever a stage raises costs its session an attempt, never the loop
            late = self._deadlines.end(task)
            outcome = self._timed_out(hold, session) if late else self._broke(hold, session, error)
        else:
            self._deadlines.end(task)
        return self._bounded(session, outcome)

    def _timed_out(self, hold: Hold, session: Session) -> Retry:
        limit = self._settings().timeout
        if not hold.void:
            self._log.warning("stage.timed_out", **self._about(session), limit_s=limit)
        return self._failed(session, f"{self.queue} took longer than {limit:g} s")

    def _broke(self, hold: Hold, session: Session, error: Exception) -> Retry:
        if not hold.void:  # else its reserve may have been refused, which is no fault
            self._log.error("stage.failed", **self._about(session), exc_info=error)
        return self._failed(session, f"{self.queue} failed ({type(error).__name__})")

    def _bounded(self, session: Session, outcome: Outcome) -> Outcome:
        """The outcome, or a rejection where it would be one failed attempt too many; what is issued is not rejected."""
        attempt, can_end = session.attempts + 1, (session.state, Outcomes.REJECT) in TRANSITIONS
        if can_end and type(outcome) is Retry and outcome.costs and attempt >= self._settings().max_attempts:
            detail = f"gave up after {attempt} attempts: {outcome.why}"
            return Reject(Problem(outcome.kind, detail), outcome.writes)
        return outcome

    def _about(self, session: Session) -> dict[str, Any]:
        return {"session": session.id, "attempt": session.attempts + 1}

    def _failed(self, session: Session, why: str) -> Retry:
        settings = self._settings()
        after = min(settings.backoff * 2**session.attempts, settings.backoff_max)
        return Retry(after, why, costs=self._committer.available)

    def close(self, session: Session, outcome: Outcome, took: float) -> None:
        """Count the attempt and write its closing line."""
        meter, word = self._meter, self.tally.count(outcome, took)
        meter.stage.observe(took)
        meter.outcomes[word] += 1
        finished, attempt, duration = self._log.info, session.attempts + 1, round(took * 1000, 3)
        if type(outcome) is Retry:
            more = {"why": outcome.why}
            meter.failures += outcome.costs
        elif type(outcome) is Reject:
            meter.rejected[outcome.problem.kind] += 1
            more = {"why": outcome.problem.detail, "kind": outcome.problem.kind}
        else:
            more = {}
        finished("stage.finished", session=session.id, attempt=attempt, outcome=word, duration_ms=duration, **more)


async def work(runner: Runner) -> None:
    """One worker; `runner` is whose it is now. Ends when a reload wants fewer."""
    loop, task = asyncio.get_running_loop(), cast("asyncio.Task[None]", asyncio.current_task())
    while True:
        slot: Slot = loop.create_future()
        runner.wait(slot)
        try:
            given = await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled() and (given := slot.result()):
                given[0].give_back(given[1])
            raise
        if given is None:
            return
        following: Runner | None = given[0]
        hold = given[1]
        while following is not None:
            runner, now = following, loop.time()
            outcome = await runner.attempt(hold, task, now)
            runner.close(hold.session, outcome, loop.time() - now)
            following = runner.commit(hold, outcome)
        if runner.one_too_many():
            return
