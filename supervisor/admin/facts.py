"""What the admin listener tells of the program's standing, gathered from its memory. For `supervisor.admin` only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from stages.ca.issuer import Issuer
from stages.store.keys import QUEUES
from supervisor.term.health import Health
from supervisor.version import VERSION

ALIVE: Final = 2.0
"""Seconds by which the event loop may be late and the program still counts as alive. A lease is renewed every third of
its time (10 s where nothing else is set), so a program that is later than this is about to lose it."""


class Part(msgspec.Struct, frozen=True):
    """One thing that the program needs to be ready, and how it stands in a few words."""

    ok: bool
    state: str


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
    """How the program stands at one moment. `supervisor` and `fence` are those of the lease, "" and 0 without one.

    `ready` is what /readyz says, with its `parts`; `latency` and `worst` are seconds by which the event loop was late:
    at its last beat, and at the worst of the last minute.
    """

    version: str
    uptime: float
    ready: bool
    parts: dict[str, Part]
    latency: float
    worst: float
    supervisor: str
    fence: int
    queues: dict[str, QueueFacts]


def gather(health: Health, issuers: Sequence[Issuer], uptime: float, now: float) -> Facts:
    """The facts now; `uptime` in seconds, `now` unix time."""
    parts = ready_parts(health, issuers, now)
    committer = health.committer
    return Facts(
        version=VERSION,
        uptime=round(uptime, 3),
        ready=all(part.ok for part in parts.values()),
        parts=parts,
        latency=round(health.pulse.latest, 6),
        worst=round(health.pulse.worst, 6),
        supervisor=committer.lease.supervisor if committer else "",
        fence=int(committer.lease.token) if committer else 0,
        queues=queue_facts(health),
    )


def ready_parts(health: Health, issuers: Sequence[Issuer], now: float) -> dict[str, Part]:
    """What the program needs to be ready."""
    committer, recovered = health.committer, health.term is not None
    if committer is None:
        store, lease, recovery = Part(ok=False, state="not asked yet"), Part(ok=False, state="not held"), "not begun"
    else:
        answers = committer.available
        store = Part(answers, "answers" if answers else "cannot be reached; the stages wait")
        lease = Part(ok=True, state=f"held by {committer.lease.supervisor}, fence {int(committer.lease.token)}")
        recovery = "done" if recovered else "under way"
    program = "stopping" if health.stopping else "serving" if health.ready else "starting"
    return {
        "program": Part(health.ready and not health.stopping, program),
        "store": store,
        "lease": lease,
        "recovery": Part(recovered, recovery),
        **{f"issuer {issuer.id}": _issuer(issuer, now) for issuer in issuers},
    }


def _issuer(issuer: Issuer, now: float) -> Part:
    end = datetime.fromtimestamp(issuer.not_after, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if now < issuer.not_before:
        return Part(ok=False, state="its certificate is not valid yet: look at the clock")
    if now > issuer.not_after:
        return Part(ok=False, state=f"its certificate has expired at {end}")
    return Part(ok=True, state=f"valid until {end}")


def queue_facts(health: Health) -> dict[str, QueueFacts]:
    """The queues now, in their order."""
    committer, term = health.committer, health.term
    queues = {queue.value: QueueFacts() for queue in QUEUES}
    if committer is not None:
        at_work = Counter(hold.session.state.value for hold in committer.held.values())
        for queue, pending, delayed in zip(QUEUES, committer.queues.lengths, committer.queues.delayed, strict=True):
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
    return queues
