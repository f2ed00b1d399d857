"""Form `power`: the power goes: program and store end at once, and the append-only file is torn before the restart.

Where may it be torn? What was acknowledged must stay, and anything behind it may go. So everybody, the program and the
clients, reaches the store through `Cable`, which notes the size of the file before it hands on each reply: with
`appendfsync always` the writes that a reply answers are in the file, and on disk, before the reply is sent, so they lie
below that size. When the power goes no reply is handed on any more, while requests still are: for a few milliseconds
the store writes what nobody is ever told of. Then all are killed, and the file is torn at a random byte behind the
size that was noted last; where nothing was written behind it, an unfinished write is put there.

A disk that lied has lost more: in the second part the file is torn at any byte at all.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from anyio import to_thread

from benchmarks.torturing.laws import LAWS, audit
from benchmarks.torturing.report import Report, Setting
from benchmarks.torturing.scene import LOOK, Breach, Scene, scene
from stages.errors import StoreUnavailable
from stages.store.connection import StoreSettings
from stages.store.reading import read_whole
from stages.store.store import Store

IN_FLIGHT = 60
SHORT, FULL = 3, 50
LIED_SHORT, LIED_FULL = 2, 30
_UNFINISHED = b"*3\r\n$3\r\nSET\r\n$1\r\n"
_AFTER = 0.03
"""Seconds for which the store may go on while nobody is told, at the most."""


class Cable:
    """A unix socket between the store and everybody; `acknowledged` is the size noted before the last reply."""

    def __init__(self, data: Path) -> None:
        self.url = f"unix://{data.parent}/cable.sock"
        self.acknowledged = 0
        self.cut = False
        self._store = data / "store"

    def file(self) -> Path:
        """The file that the store appends to."""
        return max(self._store.glob("appendonlydir/*.incr.aof"), key=lambda file: file.stat().st_mtime_ns)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            up, down = await asyncio.open_unix_connection(str(self._store / "valkey.sock"))
        except OSError:
            writer.close()
            return
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._requests, reader, down, group.cancel_scope)
                group.start_soon(self._replies, up, writer, group.cancel_scope)
        finally:
            writer.close()
            down.close()

    async def _requests(
        self, reader: asyncio.StreamReader, down: asyncio.StreamWriter, scope: anyio.CancelScope
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                down.write(data)
                await down.drain()
        scope.cancel()

    async def _replies(self, up: asyncio.StreamReader, writer: asyncio.StreamWriter, scope: anyio.CancelScope) -> None:
        with suppress(OSError):
            while data := await up.read(1 << 16):
                if self.cut:
                    continue
                self.acknowledged = self.file().stat().st_size
                writer.write(data)
                await writer.drain()
        scope.cancel()


@asynccontextmanager
async def cable(ca: Scene) -> AsyncIterator[Cable]:
    """A cable to the scene's store, which the scene's clients use from now on."""
    made = Cable(ca.data)
    server = await asyncio.start_unix_server(made.serve, made.url.removeprefix("unix://"))
    await ca.store.aclose()
    ca.store = Store(StoreSettings(url=made.url), time.time)
    try:
        yield made
    finally:
        server.close()


async def run(setting: Setting) -> Report:
    """Do the form. Raises Breach."""
    cuts, lies = setting.pick(SHORT, FULL), setting.pick(LIED_SHORT, LIED_FULL)
    report = Report("power", {"seed": setting.seed, "cuts": cuts, "disks that lied": lies})
    async with scene(setting.folder / "power", setting.chance("power")) as ca, cable(ca) as line:
        for number in range(cuts):
            await _cut(ca, line, setting.chance(f"power {number}"), report)
        await _start(ca, line)
        await ca.until_ended()
        counted = await audit(ca)
        for number in range(lies):
            chance = setting.chance(f"lie {number}")
            await _lie(ca, line, chance, report)
        await ca.stop()
    report.facts |= {"sessions": counted.sessions, "certificates": counted.certificates, "laws": LAWS}
    return report


async def _start(ca: Scene, line: Cable) -> None:
    line.cut = False
    ca.start(TORTURE_STORE=line.url)
    await to_thread.run_sync(ca.program.wait_for, "supervisor.ready")


async def _power_goes(ca: Scene, line: Cable, chance: random.Random) -> None:
    """Nobody is told anything any more; then all are dead."""
    line.cut = True
    await anyio.sleep(chance.uniform(0.0, _AFTER))
    ca.program.signal(signal.SIGSTOP)  # it must not bring its store back
    ca.kill_store()
    ca.kill()
    await ca.store.aclose()


async def _work(ca: Scene, seconds: float) -> None:
    """The clients go on; the last call, whose reply never comes, is given up."""
    with anyio.move_on_after(seconds):
        while True:
            with suppress(StoreUnavailable):
                await ca.clients.step(ca.store)
            await anyio.sleep(LOOK / 3)


async def _cut(ca: Scene, line: Cable, chance: random.Random, report: Report) -> None:
    ca.clients.plan_mixed(max(0, IN_FLIGHT - len(ca.clients.open())))
    await _start(ca, line)
    await _work(ca, chance.uniform(0.1, 1.0))
    ca.clients.plan_mixed(5)
    async with anyio.create_task_group() as group:
        group.start_soon(_work, ca, 5.0)
        await _power_goes(ca, line, chance)
        group.cancel_scope.cancel()
    file = line.file()
    size = file.stat().st_size
    if size < line.acknowledged:
        raise Breach(f"the store answered before its file had the write: {size} < {line.acknowledged} bytes")
    at = chance.randint(line.acknowledged, size)
    report.add("bytes behind the last reply", size - line.acknowledged)
    report.add("bytes torn off", size - at)
    os.truncate(file, at)
    if at == size:
        with file.open("ab") as opened:
            opened.write(_UNFINISHED[: chance.randint(1, len(_UNFINISHED))])
    await _restart_says(ca, line, file, report)
    ca.kill()


async def _lie(ca: Scene, line: Cable, chance: random.Random, report: Report) -> None:
    """Of what was told nothing counts; sessions that are gone are gone, and the others come to their end."""
    ca.clients.plan_mixed(IN_FLIGHT)
    await _work(ca, chance.uniform(0.2, 1.0))
    async with anyio.create_task_group() as group:
        group.start_soon(_work, ca, 5.0)
        await _power_goes(ca, line, chance)
        group.cancel_scope.cancel()
    file = line.file()
    size = file.stat().st_size
    at = chance.randrange(size)
    report.add("bytes that the disks had lost", size - at)
    os.truncate(file, at)
    await _restart_says(ca, line, file, report)
    left = {}
    for session, told in ca.clients.told.items():
        if await read_whole(ca.store, session) is not None:
            left[session] = told
            told.end, told.certificate, told.finalized, told.ready = "", "", False, set()
    report.add("sessions that they had lost", len(ca.clients.told) - len(left))
    ca.clients.told = left
    await ca.until_ended()
    await audit(ca, lied=True)


async def _restart_says(ca: Scene, line: Cable, file: Path, report: Report) -> None:
    """Start, and compare what the start says about the file with what was done to it."""
    data = await to_thread.run_sync(file.read_bytes)
    torn = len(data) - whole_writes(data)
    await _start(ca, line)
    said = [event["reason"] for event in ca.program.named("store.warning") if "cut off" in event["reason"]]
    expected = f"an unfinished write of {torn} bytes was cut off the append-only file"
    if (torn and not said) or any(not reason.startswith(expected) for reason in said) or (said and not torn):
        raise Breach(f"law 6: the start should say {expected!r} (0: nothing), and says {said}", ca.program.log())
    report.add("warnings at the start", len(said))


def whole_writes(data: bytes) -> int:
    """Bytes of the file up to the end of its last whole write; a transaction is one write."""
    at = whole = 0
    inside = False
    while True:
        command = _command(data, at)
        if command is None:
            return whole
        word, at = command
        if word == b"MULTI":
            inside = True
        elif word == b"EXEC":
            inside = False
        if not inside:
            whole = at


def _command(data: bytes, at: int) -> tuple[bytes, int] | None:
    """The word of the command that begins there, and where the next one does; None when it is not whole."""
    end = data.find(b"\r\n", at)
    if end < 0:
        return None
    count, at, word = int(data[at + 1 : end]), end + 2, b""
    for _ in range(count):
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(data[at + 1 : end])
        word = word or data[end + 2 : end + 2 + size].upper()
        at = end + 2 + size + 2
        if at > len(data):
            return None
    return word, at
