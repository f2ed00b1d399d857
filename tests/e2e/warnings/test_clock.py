"""A clock that is set while the program runs: it says so, goes on, loses nothing, and mends what the wrong time did.

What is promised stands in docs/operation.md under "Clock jumps".
"""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from stages.store import moves
from stages.store.certificates import each_certificate, revocations
from stages.store.reading import read_whole
from supervisor.upkeep.crl import Published, read_crl
from tests.harness.faketime import FakeClock
from tests.harness.fetching import service_port
from tests.harness.process import Program
from tests.harness.site import Site, site
from tests.harness.valkey import Valkey

pytestmark = pytest.mark.anyio

HOUR, DAY = 3600, 86_400
YEAR = 365 * DAY
LOOKS = '[warnings]\ninterval = "1s"\nundelivered = "0s"\ndisk_free = "0B"\ndisk_percent = 0\n'
SWEEPS = '[recovery]\ninterval = "1s"\n'


async def wait_for(program: Program, event: str, **fields: object) -> dict[str, object]:
    """The next event of this name with these fields."""
    while True:
        found = await to_thread.run_sync(program.wait_for, event)
        if fields.items() <= found.items():
            return found


@asynccontextmanager
async def running(ca: Site, clock: FakeClock) -> AsyncIterator[Program]:
    """The program on this clock; it has to stop in order."""
    with Program(ca.config, clock.environment) as program:
        await wait_for(program, "supervisor.ready")
        yield program
        assert await to_thread.run_sync(program.stop) == 0


async def crl_after(ca: Site, program: Program, number: int) -> Published:
    """The next CRL with a higher number; a reload makes the program look at once, not within a minute."""
    file = ca.folder / "data" / "ca" / "crl.pem"
    program.signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while True:
        found = await to_thread.run_sync(read_crl, file)
        if found.number > number:
            return found
        assert time.monotonic() < deadline, f"no CRL after {number}"
        await anyio.sleep(0.05)


async def test_year_forwards_and_back(tmp_path: Path, fake_clock: FakeClock) -> None:
    """Work goes on in the wrong year and in the right one; no certificate and no revocation is forgotten."""
    async with site(tmp_path, LOOKS + SWEEPS) as ca, running(ca, fake_clock) as program:
        await ca.submit(3)
        await ca.until_done(3)
        serial = str((await wait_for(program, "certificate.issued"))["serial"])
        await ca.store.move(moves.revoke(serial, 1, int(time.time())))

        fake_clock.set(YEAR)
        jump = await wait_for(program, "warning.raised", name="clock_jumped")
        assert jump["severity"] == "error"
        assert str(jump["why"]).startswith("the clock went 365 days forwards")
        await wait_for(program, "recovery.finished", seen=3)  # a sweep in the wrong year: all three are long over
        await ca.submit(3)
        await ca.until_done(6)
        wrong = await crl_after(ca, program, 0)
        assert wrong.this_update > time.time() + YEAR - DAY
        assert serial in wrong.serials

        fake_clock.set(0)
        back = await wait_for(program, "clock.went_back")
        assert back["seconds"] == pytest.approx(YEAR, abs=5)
        right = await crl_after(ca, program, wrong.number)
        assert right.this_update <= time.time() < right.next_update
        assert {serial} <= right.serials
        await ca.submit(3)
        found = await ca.until_done(9)
        assert (found.certificates, found.revoked, found.rejected) == (9, 1, 0)
        assert [entry[0] for entry in await revocations(ca.store)] == [serial]
        on_record = {certificate.serial async for certificate in each_certificate(ca.store)}
    assert on_record == {event["serial"] for event in program.named("certificate.issued")}
    assert program.named("recovery.failed") == program.named("stage.failed") == program.named("warning.failed") == []


async def test_hour_back_delays_no_retry(tmp_path: Path, fake_clock: FakeClock) -> None:
    """A test that failed is made again after its few seconds, not after an hour more; leases and issuing go on."""
    async with site(tmp_path, f'retry_first = "5s"\n{LOOKS}') as ca:
        right, ca.peer.answer = ca.peer.answer, lambda _: "wrong"
        async with running(ca, fake_clock) as program:
            (session,) = await ca.submit(1)
            await wait_for(program, "stage.finished", queue="testchallenge", outcome="retry")
            ca.peer.answer = right
            fake_clock.set(-HOUR)
            assert (await wait_for(program, "clock.went_back"))["sessions"] == 1
            await ca.until_done(1, 20)
            found = await read_whole(ca.store, session)
            assert found is not None
            assert found.live
            assert len(await ca.submit(2)) == 2
            await ca.until_done(3)
        assert program.named("lease.lost") == []


async def test_retry_made_in_a_wrong_year_is_not_put_off_by_it(tmp_path: Path, fake_clock: FakeClock) -> None:
    """What waits for a time in the next year waits seconds, once the clock is right again."""
    async with site(tmp_path, f'retry_first = "5s"\n{LOOKS}') as ca:
        right, ca.peer.answer = ca.peer.answer, lambda _: "wrong"
        fake_clock.set(YEAR)
        async with running(ca, fake_clock) as program:
            await ca.submit(1)
            await wait_for(program, "stage.finished", queue="testchallenge", outcome="retry")
            ca.peer.answer = right
            fake_clock.set(0)
            await wait_for(program, "clock.went_back")
            await ca.until_done(1, 20)


async def test_clock_behind_the_store_at_a_start(tmp_path: Path, fake_clock: FakeClock) -> None:
    """The store has seen a later time: the program says so, and does its work."""
    async with site(tmp_path, LOOKS) as ca:
        fake_clock.set(2 * HOUR)
        async with running(ca, fake_clock) as program:
            await ca.submit(1)
            await ca.until_done(1)
        assert program.named("warning.raised") == []
        fake_clock.set(0)
        async with running(ca, fake_clock) as again:
            jump = await wait_for(again, "warning.raised", name="clock_jumped")
            assert "backwards" in str(jump["why"])
            await ca.submit(1)
            await ca.until_done(2)
            assert (await crl_after(ca, again, 1)).this_update <= time.time()


async def test_own_certificate_from_the_future_is_replaced(tmp_path: Path, fake_clock: FakeClock) -> None:
    """A door whose certificate is not valid yet would be closed to every client until next year."""
    port = service_port()
    acme = f'[acme]\nlisten = "127.0.0.1:{port}"\nurl = "https://localhost:{port}"\n'
    async with site(tmp_path, acme + LOOKS) as ca:
        fake_clock.set(YEAR)
        async with running(ca, fake_clock):
            pass
        fake_clock.set(0)
        async with running(ca, fake_clock) as again:
            due = again.named("door.certificate_due")[0]
            assert due["why"] == "its validity has not begun: the clock was set back"
            await wait_for(again, "warning.raised", name="clock_jumped")


async def test_store_whose_clock_is_another(tmp_path: Path, fake_clock: FakeClock) -> None:
    """A store on another machine: the difference is told, and over when the clocks agree."""
    with Valkey(tmp_path / "valkey") as server:
        async with site(tmp_path / "ca", LOOKS, url=server.url) as ca, running(ca, fake_clock) as program:
            fake_clock.set(HOUR)
            differs = await wait_for(program, "warning.raised", name="clock_differs")
            assert "the store's clock is 1h behind this machine's" in str(differs["why"])
            await ca.submit(2)
            await ca.until_done(2)
            fake_clock.set(0)
            await wait_for(program, "warning.cleared", name="clock_differs")


async def test_certificate_near_its_end_without_a_successor(tmp_path: Path, fake_clock: FakeClock) -> None:
    """It is warned of in its last minutes, and cleared when its account has a later one."""
    profile = '[profiles.default]\nvalidity = "5m"\nbackdate = "4m"\n'
    async with site(tmp_path, LOOKS + profile) as ca, running(ca, fake_clock) as program:
        await ca.submit(1)
        await ca.until_done(1)
        serial = (await wait_for(program, "certificate.issued"))["serial"]
        fake_clock.set(4 * 60)
        raised = await wait_for(program, "warning.raised", name="unrenewed")
        assert (raised["subject"], raised["severity"]) == (serial, "warning")
        await ca.submit(1)
        await ca.until_done(2)
        assert (await wait_for(program, "warning.cleared", name="unrenewed"))["subject"] == serial


async def test_log_has_the_clock_as_it_was(tmp_path: Path, fake_clock: FakeClock) -> None:
    """Times of log lines are the clock's; durations are not."""
    async with site(tmp_path, LOOKS) as ca, running(ca, fake_clock) as program:
        fake_clock.set(-HOUR)
        jump = await wait_for(program, "warning.raised", name="clock_jumped")
        assert datetime.fromisoformat(str(jump["time"])).timestamp() < time.time() - HOUR + 60
        await ca.submit(1)
        await ca.until_done(1)
    assert all(event["duration_ms"] >= 0 for event in program.named("stage.finished"))
