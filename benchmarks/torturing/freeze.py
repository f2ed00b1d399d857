"""Form `freeze`: the first supervisor is stopped (SIGSTOP) past its lease, a second takes over, the first is thawed.

It is thawed while the second is at work, or when all is done; then not one key of the store may change by its doing. A
second supervisor beside a living first must refuse to start.
"""

from __future__ import annotations

import random
import signal
import time

import anyio
from anyio import to_thread

from benchmarks.torturing.laws import LAWS, audit
from benchmarks.torturing.report import Report, Setting
from benchmarks.torturing.scene import Breach, Scene, scene
from stages.store.reading import overview
from tests.harness.site import is_at_rest
from tests.harness.valkey import Valkey

IN_FLIGHT = 60
SHORT, FULL = 2, 20
_LAST_GROUP = 0.3
"""Seconds in which the store has made the group that was on its way: a tenth of the lease."""
HELD = 6
"""The exit code of a supervisor whose store another one holds."""
_LIVING = (b"supervisor", b"groups", b"fencing", b"clock")
"""Keys that a living supervisor writes while it has nothing to do."""


async def run(setting: Setting) -> Report:
    """Do the form. Raises Breach."""
    rounds = setting.pick(SHORT, FULL)
    report = Report("freeze", {"seed": setting.seed, "rounds": rounds})
    with Valkey(setting.folder / "freeze-store") as server:
        async with scene(setting.folder / "freeze", setting.chance("freeze"), url=server.url) as ca:
            await _refuses(ca)
            report.add("refusals", 1)
            for number in range(rounds):
                busy = await _round(ca, setting.chance(f"freeze {number}"), busy=number % 2 == 0)
                report.add("thawed at work" if busy else "thawed at rest", 1)
            await ca.until_ended()
            counted = await audit(ca, errors=("lease.lost", "supervisor.failed"))
            await ca.stop()
    report.facts |= {"sessions": counted.sessions, "certificates": counted.certificates, "laws": LAWS}
    return report


async def _refuses(ca: Scene) -> None:
    await ca.ready()
    with ca.command("run") as second:
        code = await to_thread.run_sync(second.end, 15.0)
    if code != HELD:
        raise Breach(f"a second supervisor ended with {code}, not {HELD}", second.log())


async def _round(ca: Scene, chance: random.Random, *, busy: bool) -> bool:
    """Freeze the present run, let another take over, thaw it; the other is the present run afterwards."""
    first = ca.program
    ca.clients.plan_mixed(max(0, IN_FLIGHT - len(ca.clients.open())))
    ends = time.monotonic() + chance.uniform(0.0, 0.8)
    await ca.until(lambda: time.monotonic() > ends)
    first.signal(signal.SIGSTOP)
    await anyio.sleep(_LAST_GROUP)
    before_the_lease_ran_out = await _serials(ca)
    second = ca.start()
    try:
        await ca.until(lambda: bool(second.named("supervisor.ready")))
        if busy:
            ends = time.monotonic() + chance.uniform(0.0, 0.3)
            await ca.until(lambda: time.monotonic() > ends)
        else:
            await ca.until_ended()
            if not is_at_rest(found := await overview(ca.store)):
                raise Breach(f"law 2: all is done, and something is left over: {found}", second.log())
        before = await _whole(ca)
    finally:
        first.signal(signal.SIGCONT)
    code = await to_thread.run_sync(first.end, 20.0)
    if code != HELD:
        raise Breach(f"the thawed supervisor ended with {code}, not {HELD}", first.log())
    # It may still say what it had committed when it was frozen, and had not been told of.
    late = {event["serial"] for event in first.named("certificate.issued")} - before_the_lease_ran_out
    if late:
        raise Breach(f"the thawed supervisor has issued {sorted(late)[:3]}", first.log())
    after = await _whole(ca)
    if not busy and before != after:
        changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
        raise Breach(f"the store has changed by the thawed supervisor's doing: {changed[:5]}", first.log())
    return busy


async def _serials(ca: Scene) -> set[str]:
    found = await ca.store.call(ca.store.redis.zrange(ca.store.keys.certificates, 0, -1))
    return {serial.decode() for serial in found}


async def _whole(ca: Scene) -> dict[bytes, bytes | None]:
    """Every key with its value, as the server serializes it; not those by which a supervisor lives."""
    redis = ca.store.redis
    keys = [key async for key in redis.scan_iter(count=1000) if not key.startswith(_LIVING)]
    pipe = redis.pipeline(transaction=False)
    for key in keys:
        pipe.dump(key)
    return dict(zip(keys, await pipe.execute(), strict=True)) if keys else {}
