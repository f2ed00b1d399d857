"""A program's numbers, every one of them with a value, for the tests of this folder. No store, no I/O."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.store.connection import StoreSettings
from stages.store.counting import Stock
from stages.store.lease import Lease
from stages.store.store import Store
from supervisor.admin.metrics.collector import Sources
from supervisor.config import Settings
from supervisor.pipeline.committer import Committer
from supervisor.term.health import Health
from supervisor.upkeep.census import Census, Crl, Found
from tests.unit.ca.making import NOW, issuer

END = 7.0


def health() -> Health:
    """A program that holds a lease and has counted something of everything."""
    made = Health()
    store = Store(StoreSettings(url="unix:///nowhere"), lambda: float(NOW))
    committer = Committer(store, Lease(store.redis, store.keys, "A", 60.0), keep=lambda: 60, meter=made.meter)
    committer.lease.token = "3"  # noqa: S105  the fencing number
    committer.queues.lengths, committer.queues.delayed = [1, 2, 3, 4], [5, 6, 7, 8]
    made.begin(committer)
    meter = made.meter
    meter.queues[1].stage.observe(0.2)
    meter.queues[1].outcomes["retry"] += 2
    meter.queues[1].failures += 1
    meter.queues[1].rejected.update({"unauthorized": 1, "invented": 2, "by a client": 3})
    meter.queues[2].wait.observe(1.0)
    meter.acme.answered("new-order", 201, "", 0.02)
    meter.acme.answered("", 404, "malformed", 0.001)
    meter.acme.answered("/secret", 799, "invented", 0.001)
    server = meter.server("acme.listen")
    server.accepted, server.open, server.full = 9, 2, 1
    server.refused[413] += 1
    recovery = meter.recovery
    recovery.scans, recovery.at, recovery.seconds, recovery.seen, recovery.changed = 2, NOW - 60.0, 0.5, 1000, 3
    recovery.moved["requeue"] += 3
    meter.issued, meter.retired = 12, 11
    return made


def sources(health: Health, **others: Any) -> Sources:
    """Where all of it is; `others` are sources of another kind."""
    census = Census(Settings, Path("/nowhere"))
    census.found = Found(
        NOW - 5.0, Crl(4, NOW - 100, NOW + 900, 2), NOW + 700, (1000, 400), Stock(30, 20, 2, 1, 6_000_000)
    )
    plain: dict[str, Any] = {
        "health": health,
        "census": census,
        "issuers": lambda: (issuer(),),
        "clock": lambda: float(NOW),
        "logs": lambda: (5, 600),
        "undelivered": lambda: 6,
        "warnings": lambda: {"disk_space": True, "crl": False},
    }
    return Sources(**(plain | others))
