"""Form `load`: 200 sessions in flight, and SIGKILL to the program at random moments, from its start to its work."""

from __future__ import annotations

from contextlib import suppress
from math import inf

import anyio

from benchmarks.torturing.laws import LAWS, audit
from benchmarks.torturing.report import Report, Setting
from benchmarks.torturing.scene import LOOK, scene
from stages.errors import StoreUnavailable

IN_FLIGHT = 200
SHORT, FULL = 10, 200
LONGEST, EARLY = 0.8, 0.25
"""Seconds to a kill, counted from the program's being ready; in a part of the cases from its start."""


async def run(setting: Setting) -> Report:
    """Do the form. Raises Breach."""
    chance, kills = setting.chance("load"), setting.pick(SHORT, FULL)
    async with scene(setting.folder / "load", chance) as ca:
        before_ready = 0
        for _ in range(kills):
            ca.clients.plan_mixed(max(0, IN_FLIGHT - len(ca.clients.open())))
            program = ca.start()
            counts, seconds, ends = chance.random() < EARLY, chance.uniform(0.0, LONGEST), inf
            while anyio.current_time() < ends:
                counts = counts or bool(program.named("supervisor.ready"))
                if counts and ends == inf:
                    ends = anyio.current_time() + seconds
                with suppress(StoreUnavailable):
                    await ca.clients.step(ca.store)
                await anyio.sleep(LOOK)
            ca.kill()
            before_ready += not ca.program.named("supervisor.ready")
        ended = len(ca.clients.told) - len(ca.clients.open())
        await ca.ready()
        await ca.until_ended()
        counted = await audit(ca)
        await ca.stop()
    facts: dict[str, int | str] = {"seed": setting.seed, "kills": kills, "before it was ready": before_ready}
    facts |= {"sessions": counted.sessions, "ended between the kills": ended, "certificates": counted.certificates}
    return Report("load", facts | {"signatures": counted.signatures, "laws": LAWS})
