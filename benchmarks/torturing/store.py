"""Form `store`: SIGKILL to the store under load, first the embedded, then an external one; the program lives on."""

from __future__ import annotations

import random
from contextlib import suppress

import anyio
from anyio import to_thread

from benchmarks.torturing.laws import LAWS, Counted, audit
from benchmarks.torturing.report import Report, Setting
from benchmarks.torturing.scene import LOOK, Breach, Scene, scene
from stages.errors import StoreUnavailable
from tests.harness.valkey import Valkey

IN_FLIGHT = 100
SHORT, FULL = 3, 50
ERRORS = ("store.lost", "lease.lost", "crl.failed")
"""What the program may say about a store that dies."""


async def run(setting: Setting) -> Report:
    """Do the form. Raises Breach."""
    chance, kills = setting.chance("store"), setting.pick(SHORT, FULL)
    external = kills // 3
    async with scene(setting.folder / "embedded", chance) as ca:
        first = await _torture(ca, chance, kills - external, None)
    with Valkey(setting.folder / "external-store") as server:
        async with scene(setting.folder / "external", chance, url=server.url) as ca:
            second = await _torture(ca, chance, external, server)
    report = Report("store", {"seed": setting.seed, "kills": kills, "of them of an external store": external})
    for counted in (first, second):
        for name in ("sessions", "certificates", "signatures"):
            report.add(name, getattr(counted, name))
    report.facts["laws"] = LAWS
    return report


async def _torture(ca: Scene, chance: random.Random, kills: int, server: Valkey | None) -> Counted:
    await ca.ready()
    for _ in range(kills):
        ca.clients.plan_mixed(max(0, IN_FLIGHT - len(ca.clients.open())))
        await _go_on(ca, chance.uniform(0.1, 1.0))
        if server is None:
            await _kill_embedded(ca)
        else:
            server.kill()
            await _go_on(ca, chance.uniform(0.0, 0.5))
            await to_thread.run_sync(server.start)
    await ca.until_ended()
    if ca.kills:
        raise Breach("the program was killed", ca.runs[0].log())
    await _answers(ca)
    counted = await audit(ca, errors=ERRORS)
    await ca.stop()
    return counted


async def _kill_embedded(ca: Scene) -> None:
    """Kill it when it answers, since after the last kill it may not be back yet; its keeper must say so."""
    answers = False
    while not answers:
        with suppress(StoreUnavailable):
            await ca.clients.step(ca.store)
            answers = True
        await anyio.sleep(LOOK)
    lost = len(ca.program.named("store.lost"))
    ca.kill_store()
    await ca.until(lambda: len(ca.program.named("store.lost")) > lost)


async def _answers(ca: Scene) -> None:
    """Wait for the store: every client may have ended before the last kill."""
    while True:
        with suppress(StoreUnavailable):
            await ca.store.call(ca.store.redis.ping())
            return
        await anyio.sleep(LOOK)


async def _go_on(ca: Scene, seconds: float) -> None:
    with anyio.move_on_after(seconds):
        while True:
            with suppress(StoreUnavailable):
                await ca.clients.step(ca.store)
            await anyio.sleep(LOOK)
