"""One CA under torture: its folder, its program with all its runs, its clients, and how it is brought to its end."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import anyio
from anyio import to_thread

from benchmarks.figures import CannotRun
from benchmarks.torturing.clients import Clients
from benchmarks.torturing.nursery import Forked, Nursery
from benchmarks.torturing.peer import Peer, listening
from stages.ca.issuer import Issuer, load_issuer
from stages.errors import StoreUnavailable
from stages.store.connection import StoreSettings
from stages.store.store import Store
from supervisor.embedded.owner import pid_file
from tests.harness.authority import make_authority
from tests.harness.process import Program

LOOK: Final = 0.03
CONFIG: Final = """
[challenges]
types = ["http-01"]
retry_first = "100ms"
[queues.testchallenge]
concurrency = 100
backoff = "100ms"
"""


class Breach(Exception):  # noqa: N818  a finding
    """A law did not hold. `story` tells of the session, or of the program's end; `step` is that of form steps."""

    def __init__(self, what: str, story: str = "", step: str = "") -> None:
        super().__init__(what)
        self.story = story
        self.step = step


class Scene:
    """A CA in `folder`. `program` is its present run, `runs` are all of them."""

    def __init__(self, folder: Path, peer: Peer, clients: Clients, url: str, nursery: Nursery) -> None:
        self.nursery = nursery
        self.folder = folder
        self.data = folder / "data"
        self.peer = peer
        self.clients = clients
        self.signed = folder / "signed"
        self.url = url or f"unix://{self.data}/store/valkey.sock"
        self.store = Store(StoreSettings(url=self.url), time.time)
        self.runs: list[Program] = []
        self.kills = 0
        self.crl_numbers: list[int] = []

    @property
    def config(self) -> Path:
        """Its config.toml."""
        return self.folder / "config.toml"

    @property
    def program(self) -> Program:
        """The present run."""
        return self.runs[-1]

    def environment(self, **more: str) -> dict[str, str]:
        """What the launcher is told, by the environment."""
        return {"TORTURE_SIGNED": str(self.signed), **more}

    def start(self, **more: str) -> Program:
        """Start the program; `more` goes into its environment."""
        self.runs.append(self.command("run", **more))
        return self.program

    def command(self, *arguments: str, **more: str) -> Program:
        """Start one of the program's commands."""
        return Forked(self.nursery, [*arguments, "--config", str(self.config)], self.environment(**more))

    async def ready(self) -> Program:
        """Start the program and wait until it is ready."""
        self.start()
        await to_thread.run_sync(self.program.wait_for, "supervisor.ready")
        return self.program

    def kill(self) -> None:
        """SIGKILL to the present run."""
        self.program.kill()
        self.kills += 1

    def kill_store(self) -> None:
        """SIGKILL to its embedded store."""
        with suppress(FileNotFoundError, ValueError, ProcessLookupError):  # it is just starting, or has just ended
            os.kill(int(pid_file(self.data).read_text()), signal.SIGKILL)

    def killed(self) -> bool:
        """Whether the present run was killed; raises Breach when it ended in any other way by itself."""
        code = self.program.process.poll()
        if code is None:
            return False
        self.program.end()
        if code != -signal.SIGKILL:
            raise Breach(f"the program ended by itself, with {code}", self.program.log())
        return True

    async def until(self, done: Callable[[], bool], seconds: float = 60.0) -> None:
        """Let the clients go on until `done`, starting the program again whenever it was killed."""
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                raise Breach(f"nothing more happens: {len(self.clients.open())} open", await self._stuck())
            if self.killed():
                self.kills += 1
                self.start()
            with suppress(StoreUnavailable):
                await self.clients.step(self.store)
            await anyio.sleep(LOOK)

    async def until_ended(self, seconds: float = 60.0) -> None:
        """Until every client has what it came for."""
        await self.until(lambda: not self.clients.open(), seconds)

    async def _stuck(self) -> str:
        text = [self.program.log()]
        with suppress(StoreUnavailable):
            for session in self.clients.open()[:2]:
                hash_: Any = await self.store.call(self.store.redis.hgetall(session))
                text.append("\n".join(f"{k.decode()}: {v.decode()}" for k, v in hash_.items() if k != b"csr"))
        return "\n".join(text)

    async def stop(self) -> None:
        """SIGTERM, until the program has ended in order; when it is killed meanwhile it is started again for it."""
        while True:
            if self.program.process.poll() is None:
                if not self.program.named("supervisor.ready"):
                    await self._wait_ready()
                self.program.process.terminate()
            code = await to_thread.run_sync(self.program.end, 40.0)
            if code == 0:
                return
            if not self.killed():
                raise AssertionError
            self.kills += 1
            self.start()

    async def _wait_ready(self) -> None:
        with suppress(AssertionError):  # killed before
            await to_thread.run_sync(self.program.wait_for, "supervisor.ready")

    async def aclose(self) -> None:
        """End what still runs."""
        await self.store.aclose()
        for run in self.runs:
            run.__exit__()


@asynccontextmanager
async def scene(
    folder: Path, chance: random.Random, extra: str = "", *, url: str = "", copy_of: Scene | None = None
) -> AsyncIterator[Scene]:
    """A new CA below `folder`; `extra` is appended to its config.toml. `copy_of` is an ended one, to go on with."""
    clients = copy_of.clients.branch(chance) if copy_of else Clients(chance)
    try:
        nursery = copy_of.nursery if copy_of else Nursery()
    except OSError as error:
        raise CannotRun(f"the program cannot be started: {error}") from None
    async with listening(clients.thumbprint) as peer:
        table = f'[store]\nurl = "{url}"\nlease = "3s"\n' if url else ""
        if copy_of is None:
            try:
                make_authority(folder, CONFIG + table + extra, http_port=peer.port)
            except OSError as error:
                raise CannotRun(f"{folder} cannot be used: {error.strerror}") from None
        else:
            shutil.copytree(copy_of.folder, folder, ignore=shutil.ignore_patterns("*.sock", "lock"))
            text = (folder / "config.toml").read_text()
            (folder / "config.toml").write_text(re.sub(r"http_port = \d+", f"http_port = {peer.port}", text))
        clients.issuer = issuer_of(folder / "data")
        made = Scene(folder, peer, clients, url, nursery)
        try:
            yield made
        finally:
            await made.aclose()
            if copy_of is None:
                nursery.close()


def issuer_of(data: Path) -> Issuer:
    """The issuer of the CA in `data`."""
    ca = data / "ca"
    return load_issuer(
        ca / "intermediate.pem",
        ca / "intermediate.key",
        int(time.time()),
        chain_files=[ca / "root.pem"],
        issuer_id="main",
    )
