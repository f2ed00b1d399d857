"""The ring of samples: what happened in each step, over terms and outages, and no more than ten minutes of it."""

from typing import Any

import pytest

from stages.session import State
from stages.store.connection import StoreSettings
from stages.store.lease import Lease
from stages.store.store import Store
from supervisor.config.program import Queue
from supervisor.overview.ring import KEPT, STEP, Ring
from supervisor.pipeline.committer import Committer
from supervisor.term.health import Health
from supervisor.term.term import Term

NOW = 1_800_000_000.0


async def no_stage(_: object) -> Any:
    raise AssertionError


def term(health: Health) -> Term:
    """A term that has done nothing yet; nobody runs it."""
    store = Store(StoreSettings(url="unix:///nowhere"), lambda: NOW)
    lease = Lease(store.redis, store.keys, "A", 60.0)
    committer = Committer(store, lease, keep=lambda: 60, meter=health.meter)
    made = Term(store, lease, committer, dict.fromkeys(State, no_stage), lambda _: Queue())
    health.serve(made)
    return made


@pytest.fixture
def health(anyio_backend: str) -> Health:
    """A program without a lease."""
    assert anyio_backend == "asyncio"
    return Health()


@pytest.mark.anyio
async def test_a_sample_has_what_happened_since_the_one_before(health: Health) -> None:
    """Counters become differences, the queues are as they stand."""
    ring = Ring(health, lambda: NOW)
    made = term(health)
    made.runners[2].tally.advanced = 5
    ring.sample()
    made.runners[2].tally.advanced = 12
    made.runners[3].tally.advanced = 1
    made.runners[1].tally.rejected = 2
    made.runners[1].tally.retried = 3
    made.committer.queues.lengths, made.committer.queues.delayed = [1, 2, 3, 4], [0, 7, 0, 0]
    ring.sample()
    found = ring.columns()
    assert (found.step, found.at) == (STEP, NOW)
    assert (found.issued, found.retired) == ([5, 7], [0, 1])
    assert (found.rejected, found.retried) == ([0, 2], [0, 3])
    assert found.pending == [[0, 1], [0, 2], [0, 3], [0, 4]]
    assert found.delayed == [[0, 0], [0, 7], [0, 0], [0, 0]]
    assert found.up == [1, 1]


@pytest.mark.anyio
async def test_a_new_term_counts_from_nothing(health: Health) -> None:
    """A lost lease is an outage in the samples, and the next term's counters are not taken for a fall."""
    ring = Ring(health, lambda: NOW)
    ring.sample()
    assert ring.columns().up == []
    term(health).runners[2].tally.advanced = 100
    ring.sample()
    health.lose_lease()
    ring.sample()
    term(health).runners[2].tally.advanced = 4
    ring.sample()
    assert (ring.columns().issued, ring.columns().up) == ([100, 0, 4], [1, 0, 1])


@pytest.mark.anyio
async def test_the_store_away_is_seen(health: Health) -> None:
    """While the committer waits for the store the samples say so."""
    ring, made = Ring(health, lambda: NOW), term(health)
    made.committer.available = False
    ring.sample()
    assert ring.columns().up == [0]


@pytest.mark.anyio
async def test_the_mean_is_that_of_the_last_minute(health: Health) -> None:
    """Seconds of all workers by tries, in milliseconds; none where nothing was tried; older samples do not count."""
    ring, made = Ring(health, lambda: NOW), term(health)
    tally = made.runners[0].tally
    tally.advanced, tally.busy = 10, 100.0
    ring.sample()
    for _ in range(30):
        tally.advanced, tally.busy = tally.advanced + 2, tally.busy + 0.005
        ring.sample()
    assert ring.mean_ms() == [2.5, None, None, None]


@pytest.mark.anyio
async def test_ten_minutes_are_kept(health: Health) -> None:
    """No more than 300 samples, however long the program runs."""
    ring = Ring(health, lambda: NOW)
    term(health)
    for _ in range(KEPT + 20):
        ring.sample()
    assert len(ring.columns().up) == KEPT == 600 / STEP
