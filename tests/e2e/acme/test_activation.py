"""The program under a service manager: sockets that it is passed, restarts that refuse nobody, what it tells."""

from __future__ import annotations

import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import anyio
import pytest
from anyio import to_thread

from supervisor.http.message import Response
from tests.e2e.acme.acme_site import AcmeSite, acme_site
from tests.harness.acme_client import AcmeClient
from tests.harness.fetching import fetch, service_port
from tests.harness.manager import Manager
from tests.harness.process import Program
from tests.harness.web import Web

pytestmark = pytest.mark.anyio

CLIENTS, RESTARTS = 4, 3


class EachAnew:
    """A way to the server with a new connection for each request; what went wrong with one is in `failures`."""

    def __init__(self, web: Web) -> None:
        self.failures: list[OSError] = []
        self._web = web

    async def ask(self, method: str, path: str, body: bytes = b"", fields: Mapping[str, str] | None = None) -> Response:
        """As `Web.ask`."""
        try:
            return await self._web.ask(method, path, body, {**(fields or {}), "connection": "close"})
        except OSError as error:
            self.failures.append(error)
            raise


class Hammer:
    """Clients that get one certificate after the other until they are told to stop."""

    def __init__(self, site: AcmeSite) -> None:
        self.web = EachAnew(site.new_web())
        self.done = 0
        self.asked = 0
        self._site = site
        self._over = False
        self._at_work = 0
        self._change = anyio.Event()

    async def order(self) -> None:
        """Orders of one account."""
        site = self._site
        client = AcmeClient(cast("Web", self.web), site.urls, site.tokens, patience=20)
        self._at_work += 1
        await client.register()
        while not self._over:
            await client.issued(site.name())
            self.done += 1
            self._changed()
        self._at_work -= 1
        self._changed()

    def _changed(self) -> None:
        self._change.set()
        self._change = anyio.Event()

    async def look(self) -> None:
        """Requests as fast as they are answered."""
        while not self._over:
            assert (await self.web.ask("HEAD", "/acme/new-nonce")).status in {200, 503}
            self.asked += 1

    async def go_on(self, more: int) -> None:
        """Wait for that many more certificates."""
        wanted = self.done + more
        with anyio.fail_after(60):
            while self.done < wanted:
                await self._change.wait()

    async def finish(self) -> None:
        """Let what is begun come to its end."""
        self._over = True
        while self._at_work:
            await self._change.wait()


@asynccontextmanager
async def running(manager: Manager, site: AcmeSite, watchdog: float = 0.0) -> AsyncIterator[Program]:
    """The program, ready; it has to end in order."""
    with manager.start(site.config, watchdog=watchdog) as program:
        await to_thread.run_sync(program.wait_for, "supervisor.ready")
        await to_thread.run_sync(manager.wait_for, "READY=1")
        yield program
        assert await to_thread.run_sync(program.stop) == 0


async def test_restarts_refuse_no_connection(tmp_path: Path) -> None:
    """Four clients that connect anew for each request see three restarts: none is refused, every order comes out."""
    async with acme_site(tmp_path) as site:
        with Manager(tmp_path) as manager:
            manager.listen("acme", site.listen)
            manager.listen("acme-http", site.plain)
            hammer = Hammer(site)
            at = [f"acme.listen 127.0.0.1:{site.listen}", f"acme.http_listen 127.0.0.1:{site.plain}"]
            async with anyio.create_task_group() as group:
                for _ in range(CLIENTS):
                    group.start_soon(hammer.order)
                group.start_soon(hammer.look)
                for _ in range(RESTARTS):
                    async with running(manager, site) as program:
                        await hammer.go_on(3)
                    assert program.named("supervisor.activated")[0]["sockets"] == at
                async with running(manager, site):
                    await hammer.go_on(3)
                    assert (await fetch(site.plain, "/", "HEAD")).status == 404
                    await hammer.finish()
    assert hammer.web.failures == []
    assert hammer.done >= 3 * (RESTARTS + 1)
    assert hammer.asked > 0


async def test_the_manager_is_told_of_every_step(tmp_path: Path) -> None:
    """Start, ready, a refused reload and a good one, signs of life, stop: in the words of sd_notify(3)."""
    async with acme_site(tmp_path) as site:
        with Manager(tmp_path) as manager:
            async with running(manager, site, watchdog=2.0) as program:
                assert [told for told in manager.told if told != "WATCHDOG=1"] == [
                    "STATUS=starting the store",
                    "STATUS=waiting for the lease",
                    "STATUS=putting every session where it belongs",
                    "READY=1\nSTATUS=ready",
                ]
                good = site.config.read_text()
                for text, status in (
                    ("no = 1", "ready; the last reload was refused, and the old settings stay"),
                    (good, "ready"),
                ):
                    site.config.write_text(text)
                    program.signal(signal.SIGHUP)
                    begun = await to_thread.run_sync(manager.wait_for, "RELOADING=1")
                    assert begun.split("\n")[1].startswith("MONOTONIC_USEC=")
                    assert await to_thread.run_sync(manager.wait_for, "READY=1") == f"READY=1\nSTATUS={status}"
                for _ in range(2):
                    await to_thread.run_sync(manager.wait_for, "WATCHDOG=1")
            await to_thread.run_sync(manager.wait_for, "STOPPING=1")


async def test_a_program_that_stands_still_gives_no_sign_of_life(tmp_path: Path) -> None:
    """A second of watchdog passes twice without one; when it goes on, they do too."""
    async with acme_site(tmp_path) as site:
        with Manager(tmp_path) as manager:
            async with running(manager, site, watchdog=1.0) as program:
                await to_thread.run_sync(manager.wait_for, "WATCHDOG=1")
                program.signal(signal.SIGSTOP)
                manager.until_quiet(1.0)
                with pytest.raises(AssertionError, match="no WATCHDOG=1 within"):
                    await to_thread.run_sync(manager.wait_for, "WATCHDOG=1", 1.0)
                program.signal(signal.SIGCONT)
                await to_thread.run_sync(manager.wait_for, "WATCHDOG=1")


async def test_the_admin_listener_is_passed_too(tmp_path: Path) -> None:
    """A socket named admin is the one that answers."""
    port = service_port()
    async with acme_site(tmp_path, f'[admin]\nlisten = "127.0.0.1:{port}"\n') as site:
        with Manager(tmp_path) as manager:
            manager.listen("admin", port)
            async with running(manager, site) as program:
                assert (await fetch(port, "/status")).status == 200
            assert program.named("supervisor.activated")[0]["sockets"] == [f"admin.listen 127.0.0.1:{port}"]


@pytest.mark.parametrize(
    ("name", "kind", "why"),
    [
        ("acme", socket.SOCK_STREAM, "acme.listen: is '127.0.0.1:"),
        ("acme", socket.SOCK_DGRAM, "socket acme: descriptor 3 is no TCP or unix stream socket"),
        ("ca-supervisor.socket", socket.SOCK_STREAM, "FileDescriptorName= must be one of acme, acme-http, admin"),
    ],
)
async def test_a_socket_that_fits_nothing_is_a_mistake_of_the_settings(
    tmp_path: Path, name: str, kind: socket.SocketKind, why: str
) -> None:
    """The program ends with code 3 before it does anything, and says what does not fit."""
    async with acme_site(tmp_path) as site:
        with Manager(tmp_path) as manager:
            other = socket.socket(type=kind)
            other.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                other.listen()
            manager.hold(name, other)
            with manager.start(site.config) as program:
                assert await to_thread.run_sync(program.end) == 3
            [failed] = program.named("supervisor.failed")
            assert why in failed["why"]
            assert program.named("store.starting") == []
