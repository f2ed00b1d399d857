"""What the tests of backup and restore share: commands as processes, ones that kill themselves, a restored CA."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from anyio import to_thread

from stages.store.certificates import each_certificate
from stages.store.connection import StoreSettings
from stages.store.store import Store
from supervisor.exit_codes import ExitCode
from tests.e2e.command import Result, as_process
from tests.harness.process import ROOT
from tests.harness.site import Site

FILE = "b.tar.gz"


DIES = """
import os, signal, sys
left, under = int(sys.argv.pop(1)), sys.argv.pop(1)
def hook(event, args):
    global left
    if event in {"open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir"} and under in str(args[:2]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from supervisor.cli import main
main()
"""


"""The program, which kills itself at its n-th step on a path that holds a certain text."""


async def command(folder: Path, *words: str | Path, environ: Mapping[str, str] | None = None) -> Result:
    """Run a command as a process in a folder."""
    run = partial(as_process, folder, dict(environ or {}), *(str(word) for word in words))
    return await to_thread.run_sync(run)


async def ok(folder: Path, *words: str | Path, environ: Mapping[str, str] | None = None) -> Any:
    """The document of one that must succeed."""
    result = await command(folder, *words, "--json", environ=environ)
    assert result.code == ExitCode.OK, result
    return result.json


async def dying(
    step: int, under: str, folder: Path, *words: str | Path, environ: Mapping[str, str] | None = None
) -> int:
    """Run a command that kills itself at a step; its exit code, -9 when it came so far."""

    def run() -> int:
        done = subprocess.run(
            [sys.executable, "-c", DIES, str(step), under, *map(str, words)],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), **(environ or {})},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in {0, -signal.SIGKILL}, done.stderr
        return done.returncode

    return await to_thread.run_sync(run)


@asynccontextmanager
async def at(ca: Site, folder: Path, url: str = "", prefix: str = "") -> AsyncIterator[Site]:
    """The CA that was restored below a folder; its challenges are answered where they were before."""
    store = Store(StoreSettings(url=url or f"unix://{folder}/data/store/valkey.sock", prefix=prefix), time.time)
    try:
        yield Site(folder, folder / "config.toml", ca.peer, ca.csr, store)
    finally:
        await store.aclose()


async def pems(ca: Site) -> dict[str, str]:
    """Certificates on record, by session."""
    return {found.session: found.pem async for found in each_certificate(ca.store)}


async def is_whole(folder: Path, certificates: int) -> None:
    """A CA with that many certificates that keeps every law."""
    await ok(folder, "crl", "--write")
    looked = await ok(folder, "fsck")
    assert (looked["certificates"], looked["breaches"]) == (certificates, [])
