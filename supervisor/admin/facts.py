"""What the admin listener tells, gathered from the running program's memory. For `supervisor.admin` only."""

from __future__ import annotations

from collections import Counter

import msgspec

from stages.store.keys import QUEUES
from supervisor.term.health import Health
from supervisor.version import VERSION


class QueueFacts(msgspec.Struct, frozen=True):
    """One queue: entries as of the last exchange with the store, sessions at work here, and totals of this term.

    `busy` is the seconds that all workers together have spent in the stage.
    """

    pending: int = 0
    delayed: int = 0
    in_flight: int = 0
    concurrency: int = 0
    advanced: int = 0
    waited: int = 0
    retried: int = 0
    rejected: int = 0
    busy: float = 0.0


class Facts(msgspec.Struct, frozen=True):
    """How the program stands at one moment. `supervisor` and `fence` are those of the lease, "" and 0 without one."""

    version: str
    uptime: float
    ready: bool
    faults: tuple[str, ...]
    store_available: bool
    supervisor: str
    fence: int
    queues: dict[str, QueueFacts]


def gather(health: Health, uptime: float) -> Facts:
    """The facts now; `uptime` in seconds."""
    committer, term = health.committer, health.term
    queues = {queue.value: QueueFacts() for queue in QUEUES}
    if committer is not None:
        at_work = Counter(hold.session.state.value for hold in committer.held.values())
        for queue, pending, delayed in zip(QUEUES, committer.lengths, committer.delayed, strict=True):
            queues[queue.value] = QueueFacts(pending, delayed, at_work[queue.value])
    for runner in term.runners if term is not None else ():
        tally, name = runner.tally, runner.queue.value
        queues[name] = msgspec.structs.replace(
            queues[name],
            concurrency=runner.concurrency(),
            advanced=tally.advanced,
            waited=tally.waited,
            retried=tally.retried,
            rejected=tally.rejected,
            busy=tally.busy,
        )
    return Facts(
        version=VERSION,
        uptime=round(uptime, 3),
        ready=health.ready,
        faults=tuple(health.faults()),
        store_available=committer is not None and committer.available,
        supervisor=committer.lease.supervisor if committer else "",
        fence=int(committer.lease.token) if committer else 0,
        queues=queues,
    )
