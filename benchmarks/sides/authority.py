"""A whole CA with its responder and its program, for measures of the real thing. For `benchmarks.measures` only."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.figures import CannotRun
from benchmarks.processes import ROOT
from stages.ca.csr import thumbprint
from stages.store import moves
from stages.store.connection import StoreSettings
from stages.store.store import Store
from supervisor.embedded import socket_path
from tests.harness.authority import make_authority, make_csr
from tests.harness.process import Program

NAMES = ("127.0.0.1",)
_GROUP = 100


class Authority:
    """A CA in a folder, whose config.toml is `config`; sessions ask for a certificate for 127.0.0.1."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        self.csr = make_csr(ec.generate_private_key(ec.SECP256R1()), list(NAMES))
        self.thumbprint = thumbprint(self.csr)
        self.folder = folder
        self.extra = extra
        self.config = folder / "config.toml"

    @contextmanager
    def responder(self) -> Iterator[int]:
        """Its responder, in a process of its own, known to the configuration; gives its pid."""
        command = [sys.executable, "-m", "benchmarks.sides.responder", "--thumbprint", self.thumbprint]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as peer:
            assert peer.stdout is not None  # noqa: S101  for the type checker
            port = int(peer.stdout.readline())
            make_authority(self.folder, '[challenges]\ntypes = ["http-01"]\n' + self.extra, http_port=port)
            try:
                yield peer.pid
            finally:
                peer.terminate()

    @asynccontextmanager
    async def program(self, argv: list[str] | None = None) -> AsyncIterator[tuple[Program, Store]]:
        """The program, ready, and a connection to its store."""
        with Program(self.config, argv=argv) as program:
            try:
                await anyio.to_thread.run_sync(program.wait_for, "supervisor.ready")
            except AssertionError as why:
                raise CannotRun(str(why).splitlines()[0]) from None
            store = Store(StoreSettings(url=f"unix://{socket_path(self.folder / 'data')}"), time.time)
            try:
                yield program, store
            finally:
                await store.aclose()
                await anyio.to_thread.run_sync(program.stop)

    @property
    def store_pid(self) -> int:
        """The server of the running program."""
        return int((self.folder / "data" / "store" / "valkey.pid").read_text())

    async def submit(self, store: Store, count: int) -> None:
        """Submit sessions as the command line does, telling the program."""
        fields = {"csr": self.csr, "thumbprint": self.thumbprint, "scheduled": "True"}
        now = int(time.time())
        for start in range(0, count, _GROUP):
            size = min(_GROUP, count - start)
            group = [moves.submit(secrets.token_hex(32), NAMES, dict(fields), now) for _ in range(size)]
            await store.group(group, announce=True)
