"""A term: the time for which this supervisor holds the lease. Its tasks live and end together.

Committer, runners, lease keeper, listener and sweep are one task group. When the lease is lost they are all ended, what
they held is given up (its commits would be refused anyway), and the lifecycle asks for a new term.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping

import anyio
import structlog

from stages.errors import LeaseLost
from stages.session import State
from stages.store.keys import QUEUES
from stages.store.lease import Lease
from stages.store.listening import hear_pushes
from stages.store.store import Store
from supervisor.pipeline.committer import Committer
from supervisor.pipeline.measures import Measures
from supervisor.pipeline.runner import QueueSettings, Runner, Stage
from supervisor.term.leasing import keep_lease

log = structlog.get_logger()


class Term:
    """The tasks of one term. `settings` gives a queue's present settings, `sweep` is one recovery scan."""

    def __init__(
        self,
        store: Store,
        lease: Lease,
        committer: Committer,
        stages: Mapping[State, Stage],
        settings: Callable[[State], QueueSettings],
    ) -> None:
        self.committer = committer
        self.runners = [
            Runner(queue, stages[queue], lambda queue=queue: settings(queue), committer)  # type: ignore[misc]
            for queue in QUEUES
        ]
        self.measures = Measures(self.runners, time.monotonic, time.process_time)
        committer.counted = self.measures.note
        self._store = store
        self._lease = lease
        self._stopping = anyio.Event()
        self._runners = anyio.CancelScope()
        self._everything = anyio.CancelScope()

    async def run(
        self, ready: Callable[[], Awaitable[None]], grace: Callable[[], float], *upkeep: Callable[[], object]
    ) -> None:
        """Work until `stop`; `ready` is called once all tasks are started, `upkeep` are further tasks of the term.

        Raises LeaseLost.
        """
        with self._everything:
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(self.committer.run, name="committer")
                    group.start_soon(
                        keep_lease, self._lease, self.committer.wake, name="lease"
                    )  # it may be idle: it reports an outage
                    group.start_soon(hear_pushes, self._store, self.committer.wake, name="listener")
                    for task in upkeep:
                        group.start_soon(task, name=getattr(task, "__name__", "upkeep"))  # type: ignore[arg-type]
                    group.start_soon(self._run_runners, name="runners")
                    await ready()
                    await self._stopping.wait()
                    await self._stop(grace())
                    group.cancel_scope.cancel()
            except* LeaseLost as lost:
                raise lost.exceptions[0] from None

    def stop(self) -> None:
        """Take nothing more, let what is at work end, give the rest back."""
        self._stopping.set()

    def stop_now(self) -> None:
        """Give back what is at work without waiting for it."""
        self._stopping.set()
        self._runners.cancel()

    def resize(self) -> None:
        """Take changed settings of the queues."""
        self.measures.restart(self.runners)
        for runner in self.runners:
            runner.resize()
        self.committer.wake()

    async def _run_runners(self) -> None:
        with self._runners:
            async with anyio.create_task_group() as group:
                for runner in self.runners:
                    group.start_soon(runner.run, name=runner.queue.value)

    async def _stop(self, grace: float) -> None:
        self.committer.quiet = True
        with anyio.move_on_after(grace):
            await self.committer.until_idle()
        given_back = len(self.committer.held)
        self._runners.cancel()
        with anyio.move_on_after(max(grace, 5.0)):
            await self.committer.until_idle()
        log.info("stage.stopped", given_back=given_back)
