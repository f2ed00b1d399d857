"""What the program's memory says: the program itself and its queues. For `supervisor.overview.view`."""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from stages.store.keys import QUEUES
from stages.store.reading import Overview as Counts
from supervisor.overview.parts import ProgramNow, QueueNow, StoreNow
from supervisor.overview.ring import Ring
from supervisor.term.health import Health
from supervisor.version import VERSION


def program_now(health: Health, uptime: float) -> ProgramNow:
    """The program; `uptime` in seconds."""
    committer = health.committer
    return ProgramNow(
        VERSION,
        round(uptime, 3),
        health.ready,
        tuple(health.faults()),
        committer.lease.supervisor if committer else "",
        int(committer.lease.token) if committer else 0,
    )


def queues_in_memory(health: Health, ring: Ring) -> tuple[QueueNow, ...]:
    """The queues as the committer and the runners know them."""
    committer, term = health.committer, health.term
    if committer is None or term is None:
        return tuple(QueueNow(queue.value) for queue in QUEUES)
    at_work = Counter(hold.session.state for hold in committer.held.values())
    rows = zip(term.runners, committer.queues.lengths, committer.queues.delayed, ring.mean_ms(), strict=True)
    return tuple(
        QueueNow(
            runner.queue.value,
            pending,
            delayed,
            at_work[runner.queue],
            runner.concurrency(),
            None,
            runner.tally.advanced,
            runner.tally.waited,
            runner.tally.retried,
            runner.tally.rejected,
            mean,
        )
        for runner, pending, delayed, mean in rows
    )


def queues_in_store(counts: Counts) -> tuple[QueueNow, ...]:
    """The queues as the store has them: what is at work is known of all supervisors together only."""
    return tuple(QueueNow(queue.value, counts.pending[queue], counts.delayed[queue]) for queue in QUEUES)


def with_waiting(queues: tuple[QueueNow, ...], store: StoreNow | None) -> tuple[QueueNow, ...]:
    """The same with the sessions that wait for their client."""
    if store is None:
        return queues
    return tuple(replace(queue, waiting=store.waiting.get(queue.queue, 0)) for queue in queues)
