"""SIGTERM: what is at work ends or goes back, the exit code is 0, and a restart finishes the rest."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from stages.store.reading import overview
from supervisor.embedded import store_for_command
from tests.harness.audit import audit_done
from tests.harness.process import Program
from tests.harness.site import Site, site

MARGIN = 5.0
"""Seconds beside the grace: giving back, yielding the lease and the store's own end, on a busy machine."""
LOAD = '[shutdown]\ngrace = "{grace}"\n[queues.testchallenge]\nconcurrency = 50\n'


async def in_flight_while_down(ca: Site) -> int:
    """What is in flight according to the store of a program that has ended."""
    async with store_for_command(ca.folder / "data"):
        return sum((await overview(ca.store)).inflight.values())


def advances(runs: Iterable[Program]) -> Counter[tuple[str, str]]:
    """How often each session was advanced in each queue."""
    return Counter(
        (event["session"], event["queue"])
        for run in runs
        for event in run.named("stage.finished")
        if event["outcome"] == "advance"
    )


@pytest.mark.anyio
async def test_stop_under_load_finishes_what_is_at_work(tmp_path: Path) -> None:
    """Within the grace the work in flight ends; nothing is left in flight, lost, or done twice."""
    async with site(tmp_path, LOAD.format(grace="10s")) as ca:
        ca.peer.delay = 0.4
        with await ca.start() as first, anyio.fail_after(100):
            sessions = await ca.submit(150)
            await ca.until_asked(60)
            began = time.monotonic()
            assert await to_thread.run_sync(first.stop) == 0
            assert time.monotonic() - began < 1.0 + MARGIN
            [stopped] = first.named("stage.stopped")
            assert stopped["given_back"] == 0
            assert first.events[-1]["event"] == "supervisor.stopped"
            assert await in_flight_while_down(ca) == 0
            with await ca.start() as second:
                await ca.until_done(len(sessions))
                await audit_done(ca, sessions, [first, second])
                assert await to_thread.run_sync(second.stop) == 0
    assert set(advances([first, second]).values()) == {1}
    assert ca.peer.asked == len(sessions)


@pytest.mark.anyio
async def test_stop_gives_back_after_grace(tmp_path: Path) -> None:
    """What outlasts the grace goes back to its queue without costing an attempt, and the exit code is 0."""
    async with site(tmp_path, LOAD.format(grace="1s")) as ca:
        ca.peer.delay = 60.0
        with await ca.start() as first:
            sessions = await ca.submit(20)
            await ca.until_asked(20)
            began = time.monotonic()
            assert await to_thread.run_sync(first.stop) == 0
            assert 1.0 <= time.monotonic() - began < 1.0 + MARGIN
            assert first.named("stage.stopped")[0]["given_back"] == 20
        assert await in_flight_while_down(ca) == 0
        ca.peer.delay = 0.0
        with await ca.start() as second:
            await ca.until_done(len(sessions))
            await audit_done(ca, sessions, [first, second])
    assert {event["attempt"] for event in second.named("stage.finished")} == {1}


@pytest.mark.anyio
async def test_stop_twice_ends_at_once(tmp_path: Path) -> None:
    """A second SIGTERM does not wait for slow probes; a restart finishes the rest."""
    async with site(tmp_path, LOAD.format(grace="1m")) as ca:
        ca.peer.delay = 10.0
        with await ca.start() as first:
            sessions = await ca.submit(20)
            await ca.until_asked(20)
            began = time.monotonic()
            first.signal(signal.SIGTERM)
            await to_thread.run_sync(first.wait_for, "supervisor.stopping")
            assert await to_thread.run_sync(first.stop) == 0
            assert time.monotonic() - began < MARGIN
        assert await in_flight_while_down(ca) == 0
        ca.peer.delay = 0.0
        with await ca.start() as second:
            await ca.until_done(len(sessions))
            await audit_done(ca, sessions, [first, second])


@pytest.mark.anyio
@pytest.mark.parametrize("moment", ["store.starting", "store.ready", "lease.taken", "recovery.started"])
async def test_stop_during_start(tmp_path: Path, moment: str) -> None:
    """SIGTERM before the program is ready ends it in order, and the next start works."""
    async with site(tmp_path) as ca:
        with await ca.start(moment) as first:
            assert await to_thread.run_sync(first.stop, 10.0) == 0
            assert first.events[-1]["event"] == "supervisor.stopped"
        with await ca.start() as second:
            sessions = await ca.submit(3)
            await ca.until_done(3)
            await audit_done(ca, sessions, [first, second])
            assert await to_thread.run_sync(second.stop) == 0
