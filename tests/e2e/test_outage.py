"""The store dies, or its disk is full: the stages wait, it is said so, nothing is lost, and work resumes by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from supervisor.embedded.owner import pid_file
from tests.harness.audit import audit_done
from tests.harness.fetching import fetch, service_port
from tests.harness.process import Program
from tests.harness.site import site
from tests.harness.small_disk import inside
from tests.harness.valkey import Valkey

LOAD = "[queues.testchallenge]\nconcurrency = 20\n"


async def wait_for(program: Program, event: str) -> dict[str, object]:
    return await to_thread.run_sync(program.wait_for, event)


@pytest.mark.anyio
async def test_outage_of_an_external_store_is_waited_out(tmp_path: Path) -> None:
    """The external server is killed under load and comes back: health says so, and every session is done once."""
    port = service_port()
    with Valkey(tmp_path / "valkey") as server:
        async with site(tmp_path / "ca", f'{LOAD}[admin]\nlisten = "127.0.0.1:{port}"\n', url=server.url) as ca:
            ca.peer.delay = 0.2
            with await ca.start() as program:
                assert (await fetch(port, "/readyz")).status == 200
                sessions = await ca.submit(80)
                await ca.until_asked(30)
                server.kill()
                await wait_for(program, "store.lost")
                sick = await fetch(port, "/readyz")
                assert sick.status == 503
                assert "store" in sick.text
                server.start()
                await wait_for(program, "store.back")
                await ca.until_done(len(sessions))
                assert (await fetch(port, "/readyz")).status == 200
                await audit_done(ca, sessions, [program])
                assert await to_thread.run_sync(program.stop) == 0
    assert program.named("stage.failed") == []


@pytest.mark.anyio
async def test_outage_while_idle_is_noticed(tmp_path: Path) -> None:
    """A store that dies while there is nothing to do is noticed too, and the next session is served."""
    with Valkey(tmp_path / "valkey") as server:
        async with site(tmp_path / "ca", url=server.url) as ca:
            with await ca.start() as program:
                server.kill()
                await wait_for(program, "store.lost")
                server.start()
                await wait_for(program, "store.back")
                sessions = await ca.submit(3)
                await ca.until_done(3)
                await audit_done(ca, sessions, [program])
                assert await to_thread.run_sync(program.stop) == 0


@pytest.mark.anyio
async def test_outage_longer_than_the_lease_costs_a_term(tmp_path: Path) -> None:
    """A store that is away for longer than the lease lives: a new term begins, and nothing is lost or done twice."""
    with Valkey(tmp_path / "valkey") as server:
        async with site(tmp_path / "ca", LOAD, url=server.url) as ca:
            ca.peer.delay = 0.2
            with await ca.start() as program:
                sessions = await ca.submit(60)
                await ca.until_asked(20)
                server.kill()
                await anyio.sleep(3.5)  # the lease lives for 3 s
                server.start()
                await wait_for(program, "lease.lost")
                await wait_for(program, "lease.taken")
                await ca.until_done(len(sessions))
                await audit_done(ca, sessions, [program])
                assert await to_thread.run_sync(program.stop) == 0


@pytest.mark.anyio
async def test_outage_of_the_embedded_server_is_repaired(tmp_path: Path) -> None:
    """The embedded server is killed three times under load: the program starts it again and goes on."""
    async with site(tmp_path, LOAD) as ca:
        ca.peer.delay = 0.2
        with await ca.start() as program:
            sessions = await ca.submit(100)
            for times in (20, 45, 70):
                await ca.until_asked(times)
                os.kill(int(pid_file(tmp_path / "data").read_text()), signal.SIGKILL)
                await wait_for(program, "store.back")
            await ca.until_done(len(sessions))
            await audit_done(ca, sessions, [program])
            assert await to_thread.run_sync(program.stop) == 0
    assert program.named("stage.failed") == []


def fill(folder: Path) -> Path:
    """Take all room that is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(1024)):
            pass
    return filler


@pytest.fixture
def near() -> Iterator[Path]:
    """A directory whose name is short: a socket below it is reached by a path through /proc (unix(7): 107 bytes)."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.anyio
async def test_full_disk_is_waited_out(near: Path, small_disk: Callable[[Path, Path, int], list[str]]) -> None:
    """The embedded store's disk is full: it is said so, and when there is room again all sessions finish."""
    async with site(near, LOAD) as ca:
        ca.peer.delay = 0.3
        with Program(ca.config, argv=small_disk(ca.config, near / "data", 1 << 20)) as program:
            await wait_for(program, "supervisor.ready")
            data = inside(program.pid, near / "data")
            async with ca.reached_at(f"unix://{data}/store/valkey.sock"):
                sessions = await ca.submit(60)
                await ca.until_asked(20)
                filler = fill(data)
                for _ in range(3):
                    await wait_for(program, "store.lost")
                filler.unlink()
                await ca.until_done(len(sessions))
                await audit_done(ca, sessions, [program])
                assert await to_thread.run_sync(program.stop) == 0
    assert program.named("stage.failed") == []
