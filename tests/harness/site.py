"""A CA with everything around it: its program, an http-01 responder, and the client's side of its store."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
from anyio import to_thread
from cryptography.hazmat.primitives.asymmetric import ec

from stages.ca.csr import thumbprint
from stages.errors import StoreUnavailable
from stages.store import moves
from stages.store.connection import StoreSettings
from stages.store.reading import Overview, overview
from stages.store.store import Store
from tests.harness.authority import make_authority, make_csr
from tests.harness.process import Program
from tests.harness.responder import Responder, responder

T = TypeVar("T")

ADDRESS = "127.0.0.1"
_AT_ONCE = 100
_LOOK = 0.03


class Site:
    """A CA below `folder`. `store` is a client of its store, which may be away for a while."""

    def __init__(self, folder: Path, config: Path, peer: Responder, csr: str, store: Store) -> None:
        self.folder = folder
        self.config = config
        self.peer = peer
        self.csr = csr
        self.store = store

    async def start(self, until: str = "supervisor.ready") -> Program:
        """Start the program and wait for one of its events."""
        program = Program(self.config)
        try:
            await to_thread.run_sync(program.wait_for, until)
        except BaseException:
            program.__exit__()
            raise
        return program

    async def submit(self, count: int, **fields: str) -> list[str]:
        """That many sessions for 127.0.0.1, whose challenges are tested on a schedule; their ids."""
        sessions = [secrets.token_hex(32) for _ in range(count)]
        base = {"csr": self.csr, "thumbprint": thumbprint(self.csr), "scheduled": "True", **fields}
        now = int(time.time())
        for start in range(0, count, _AT_ONCE):
            made = [moves.submit(session, [ADDRESS], base, now) for session in sessions[start : start + _AT_ONCE]]
            await self.patiently(partial(self.store.group, made, announce=True))
        return sessions

    async def until(self, what: Callable[[Overview], bool], seconds: float = 30.0) -> Overview:
        """Look at the store until `what` is true of it; AssertionError with the last look when it does not come."""
        deadline = time.monotonic() + seconds
        found: Overview | None = None
        while time.monotonic() < deadline:
            try:
                found = await overview(self.store)
            except StoreUnavailable:
                await anyio.sleep(_LOOK)
                continue
            if what(found):
                return found
            await anyio.sleep(_LOOK)
        raise AssertionError(f"not within {seconds} s; the store: {found}")

    async def until_asked(self, times: int, seconds: float = 30.0) -> None:
        """Wait until the responder was asked that often."""
        deadline = time.monotonic() + seconds
        while self.peer.asked < times:
            assert time.monotonic() < deadline, f"the responder was asked {self.peer.asked} times in {seconds} s"
            await anyio.sleep(_LOOK / 3)

    async def until_done(self, count: int, seconds: float = 30.0) -> Overview:
        """Wait until `count` certificates are on record and nothing is under way."""
        return await self.until(lambda found: found.certificates >= count and is_at_rest(found), seconds)

    @asynccontextmanager
    async def reached_at(self, url: str) -> AsyncIterator[None]:
        """Reach the store at another URL meanwhile."""
        before, self.store = self.store, Store(StoreSettings(url=url), time.time)
        try:
            yield
        finally:
            await self.store.aclose()
            self.store = before

    async def patiently(self, call: Callable[[], Awaitable[T]], seconds: float = 30.0) -> T:
        """Make a call that may be repeated until the store takes it."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return await call()
            except StoreUnavailable:
                if time.monotonic() > deadline:
                    raise
                await anyio.sleep(_LOOK)


def is_at_rest(found: Overview) -> bool:
    """Whether no queue, delayed set or in-flight list holds anything."""
    return not any((*found.pending.values(), *found.delayed.values(), *found.inflight.values()))


@asynccontextmanager
async def site(
    folder: Path, extra: str = "", *, url: str = "", seen: StoreSettings | None = None
) -> AsyncIterator[Site]:
    """A CA below `folder`; `extra` is appended to its config.toml, `url` is an external store's.

    With `url`, `extra` may begin with further keys of [store]. `seen` is the test's own way to the store, where it is
    not the program's.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    csr = make_csr(key, [ADDRESS])
    async with responder(thumbprint(csr)) as peer:
        table = f'[store]\nurl = "{url}"\nlease = "3s"\n' if url else ""
        config = make_authority(folder, f'[challenges]\ntypes = ["http-01"]\n{table}{extra}', http_port=peer.port)
        store = Store(seen or StoreSettings(url=url or f"unix://{folder}/data/store/valkey.sock"), time.time)
        try:
            yield Site(folder, config, peer, csr, store)
        finally:
            await store.aclose()
