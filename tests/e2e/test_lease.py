"""One supervisor at a time: who holds the store, who may take it over, and what a supervisor that slept may do."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from anyio import to_thread

from stages.store.certificates import each_certificate
from stages.store.reading import each_session
from tests.harness.audit import audit_done
from tests.harness.process import Program
from tests.harness.site import Site, site
from tests.harness.valkey import Valkey

HELD = 6
LOAD = "[queues.testchallenge]\nconcurrency = 20\n"


@pytest.mark.anyio
async def test_second_on_the_same_data_directory_refuses(tmp_path: Path) -> None:
    """It ends with code 6 and names the process that owns the directory; the first does not notice."""
    async with site(tmp_path) as ca:
        with await ca.start() as first:
            with Program(ca.config) as second:
                assert await to_thread.run_sync(second.end, 10.0) == HELD
                assert str(first.pid) in second.named("supervisor.failed")[0]["why"]
            sessions = await ca.submit(3)
            await ca.until_done(3)
            await audit_done(ca, sessions, [first])
            assert await to_thread.run_sync(first.stop) == 0


@pytest.mark.anyio
async def test_second_on_the_same_store_refuses(tmp_path: Path) -> None:
    """While the first renews its lease the second ends with code 6 and names the first."""
    with Valkey(tmp_path / "valkey") as server:
        async with site(tmp_path / "ca", url=server.url) as ca:
            with await ca.start() as first:
                with Program(ca.config) as second:
                    assert await to_thread.run_sync(second.end, 10.0) == HELD
                    why = second.named("supervisor.failed")[0]["why"]
                    assert f"pid {first.pid}" in why
                    assert first.named("lease.taken")[0]["supervisor"] in why
                assert await to_thread.run_sync(first.stop) == 0


async def on_record(ca: Site) -> list[object]:
    """All sessions, with what has ever happened to them, and all certificates."""
    sessions = [session async for session in each_session(ca.store)]
    return [*sessions, *[certificate async for certificate in each_certificate(ca.store)]]


@pytest.mark.anyio
async def test_frozen_supervisor_is_taken_over_and_commits_nothing(tmp_path: Path) -> None:
    """The first is stopped for longer than its lease; the second finishes its work; the first, thawed, ends with 6.

    It may still tell of what the store had made for it before: replies that it has not read when it is stopped.
    """
    with Valkey(tmp_path / "valkey") as server:
        async with site(tmp_path / "ca", LOAD, url=server.url) as ca:
            ca.peer.delay = 0.3
            with await ca.start() as first:
                sessions = await ca.submit(60)
                await ca.until_asked(30)
                first.signal(signal.SIGSTOP)
                with await ca.start() as second:
                    assert second.named("lease.waiting")[0]["holder"] == first.named("lease.taken")[0]["supervisor"]
                    await ca.until_done(len(sessions))
                    before = await on_record(ca)
                    first.signal(signal.SIGCONT)
                    await to_thread.run_sync(first.wait_for, "lease.lost")
                    assert await to_thread.run_sync(first.end) == HELD
                    assert before == await on_record(ca)
                    await audit_done(ca, sessions, [first, second])
                    assert await to_thread.run_sync(second.stop) == 0
    issued = [event["session"] for run in (first, second) for event in run.named("certificate.issued")]
    assert len(issued) == len(set(issued))


@pytest.mark.anyio
async def test_thawed_supervisor_in_the_middle_of_the_work_of_another(tmp_path: Path) -> None:
    """The first is thawed while the second still works on what was taken from it: each session is done once."""
    with Valkey(tmp_path / "valkey") as server:
        async with site(tmp_path / "ca", LOAD, url=server.url) as ca:
            ca.peer.delay = 0.5
            with await ca.start() as first:
                sessions = await ca.submit(80)
                await ca.until_asked(25)
                first.signal(signal.SIGSTOP)
                with await ca.start() as second:
                    first.signal(signal.SIGCONT)
                    assert await to_thread.run_sync(first.end) == HELD
                    await ca.until_done(len(sessions))
                    await audit_done(ca, sessions, [first, second])
                    assert await to_thread.run_sync(second.stop) == 0
    issued = [event["session"] for run in (first, second) for event in run.named("certificate.issued")]
    assert len(issued) == len(set(issued))


@pytest.mark.anyio
async def test_killed_supervisor_is_taken_over_at_once(tmp_path: Path) -> None:
    """On the same host a process that is gone is known to be dead: its lease is not waited for."""
    with Valkey(tmp_path / "valkey") as server:
        async with site(tmp_path / "ca", LOAD, url=server.url) as ca:
            ca.peer.delay = 0.3
            with await ca.start() as first:
                sessions = await ca.submit(40)
                await ca.until_asked(10)
                first.kill()
                with await ca.start() as second:
                    assert second.named("supervisor.ready")[0]["took"] < 2.0
                    assert second.named("lease.waiting") == []
                    await ca.until_done(len(sessions))
                    await audit_done(ca, sessions, [first, second])
                    assert await to_thread.run_sync(second.stop) == 0
