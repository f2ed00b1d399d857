"""Form `steps`: SIGKILL at every step of the program, one step a time, and on to the end after a restart.

First the scenario runs a few times without a kill and writes down each point of each step that it passes (`doors`).
Then it runs once for each point, from a copy of one and the same beginning: a CA whose program was killed in the middle
of its work. So the scenario begins with a recovery; it goes through every stage, a retry, a rejection, a revocation
with its CRL by the command line, and a stop in order.
"""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from anyio import to_thread

from benchmarks.torturing.laws import LAWS, audit
from benchmarks.torturing.report import Report, Setting
from benchmarks.torturing.scene import LOOK, Breach, Scene, scene
from stages.errors import StoreUnavailable
from stages.store import moves
from stages.store.connection import StoreSettings
from stages.store.store import Store
from supervisor.embedded import store_for_command

EXTRA = '[recovery]\ninterval = "2s"\n[shutdown]\ngrace = "5s"\n'
COUNTING_RUNS, SHORT = 3, 12
MISSED = 0.05
"""The part of the points that may not be reached, of those which each counting run has passed."""
TRIES = 3
"""Runs for one point before it is given up as not reached: what is passed in one run need not be in the next."""
SCENARIO = ("plain", "several", "flaky", "bad", "late", "acme")
IN_FLIGHT = "reply group.lua(*reserve*)~3:after"
"""Where the program is killed before the scenario begins: intent on record, nothing signed."""

_BEGIN_LIMIT = 20.0


async def run(setting: Setting) -> Report:
    """Do the form. Raises Breach."""
    report = Report("steps", {"seed": setting.seed})
    async with scene(setting.folder / "begin", setting.chance("begin"), EXTRA) as begin:
        await _begin(begin)
        points, steady = await _count(setting, begin)
        chosen = _choose(setting, points)
        report.facts |= {"steps": len({point.rpartition(":")[0] for point in points}), "points": len(points)}
        report.facts |= {"passed in each counting run": len(steady), "points tried": len(chosen)}
        missed: list[str] = []
        breaches: list[Breach] = []
        limiter = anyio.CapacityLimiter(setting.jobs)

        async def one(point: str) -> None:
            async with limiter:
                try:
                    number = points.index(point) + 1 if point in points else 0
                    if not await _kill_at(setting, begin, number, point, report):
                        missed.append(point)
                except Breach as breach:
                    breaches.append(breach)
                    print(f"BREACH at {breach}", flush=True)

        async with anyio.create_task_group() as group:
            for point in chosen:
                group.start_soon(one, point)
    if breaches:
        raise breaches[0]
    report.facts |= {"kills": len(chosen) - len(missed), "laws": LAWS, "not reached": len(missed)}
    report.facts["coverage"] = f"{100 * (1 - len(missed) / len(chosen)):.1f} %"
    lacking = steady.intersection(missed)
    report.facts["not reached of those passed in each counting run"] = len(lacking)
    report.notes += [f"not reached: {point}" for point in sorted(missed)]
    if len(lacking) > max(1, MISSED * len(chosen)):
        raise Breach(f"only {report.facts['coverage']} of the points were reached", "\n".join(report.notes))
    return report


async def _begin(begin: Scene) -> None:
    """A CA in the middle of its work: sessions of each state, in flight and waiting, a revocation without its CRL."""
    clients = begin.clients
    begin.start(TORTURE_TRACE="", TORTURE_TARGET=IN_FLIGHT)
    for kind in ("plain", "late"):
        clients.plan(kind)
        await begin.until_ended()
    [revoked] = [told.certificate for told in clients.told.values() if told.kind == "plain"]
    serial = _serial(revoked)
    await begin.store.move(moves.revoke(serial, 1, int(begin.store.clock())))
    clients.revoked.add(serial)
    begin.peer.hold = clients.idle = True
    asked = begin.peer.asked
    clients.plan("slow", "late", "acme")
    await begin.until(lambda: begin.peer.asked >= asked + 4)
    clients.plan("plain")
    with anyio.fail_after(_BEGIN_LIMIT):
        while not begin.killed():
            with suppress(StoreUnavailable):
                await clients.step(begin.store)
            await anyio.sleep(LOOK)


def _serial(pem: str) -> str:
    from cryptography import x509  # noqa: PLC0415  here only

    return f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:x}"


async def _count(setting: Setting, begin: Scene) -> tuple[list[str], set[str]]:
    """Every point that some run without a kill passes, in order, with its process; and those that each one passes."""
    found: dict[str, int] = {}
    for n in range(1 if setting.short else COUNTING_RUNS):
        folder = setting.folder / f"count{n}"
        await _scenario(setting, begin, folder, n, "", Report("steps"))
        passed = [
            f"{process}: {point}"
            for process in ("run", "revoke")
            for point in dict.fromkeys((folder / f"trace-{process}").read_text().splitlines())
        ]
        for point in passed:
            found[point] = found.get(point, 0) + 1
    most = max(found.values())
    return list(found), {point for point, times in found.items() if times == most}


def _choose(setting: Setting, points: list[str]) -> list[str]:
    if setting.step:
        return [points[int(setting.step) - 1] if setting.step.isdecimal() else setting.step]
    if setting.short or setting.count:
        count = min(setting.count or SHORT, len(points))
        return sorted(setting.chance("choice").sample(points, count), key=points.index)
    return points


async def _kill_at(setting: Setting, begin: Scene, number: int, point: str, report: Report) -> bool:
    """Whether the point was reached."""
    for _ in range(TRIES):
        folder = setting.folder / f"step{number}"
        try:
            reached = await _scenario(setting, begin, folder, number, point, report)
        except* (Breach, AssertionError) as group:
            error = group.exceptions[0]
            where = f"step {number} ({point}), seed {setting.seed}: {error}"
            raise Breach(where, getattr(error, "story", ""), point) from error
        finally:
            await _remove(folder)
        if reached:
            return True
    return False


async def _remove(folder: Path) -> None:
    import shutil  # noqa: PLC0415  here only

    await to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))


async def _scenario(setting: Setting, begin: Scene, folder: Path, number: int, point: str, report: Report) -> bool:
    """From the beginning to the end, killed at the point; whether the kill came."""
    process, _, target = point.partition(": ")
    async with scene(folder, setting.chance(f"step {number}"), copy_of=begin) as ca:
        ca.peer.slow = 0.1
        traces = {name: str(folder / f"trace-{name}") if not point else "" for name in ("run", "revoke")}
        ca.start(TORTURE_TRACE=traces["run"], TORTURE_TARGET=target if process == "run" else "")
        await ca.until_ended()
        for kind in SCENARIO:
            ca.clients.plan(kind)
            await ca.until_ended()
        if process != "run":
            await _revoke(ca, traces["revoke"], target)
        await ca.stop()
        async with _looked_at(ca) as store:
            counted = await audit(ca, store=store)
        report.add("sessions", counted.sessions)
        report.add("signatures", counted.signatures)
        return ca.kills > 0


async def _revoke(ca: Scene, trace: str, target: str) -> None:
    """The command `revoke`, until it has said that it is done."""
    [*_, told] = [told for told in ca.clients.told.values() if told.kind == "several"]
    serial = _serial(told.certificate)
    for _ in range(4):
        with ca.command("revoke", serial, TORTURE_TRACE=trace, TORTURE_TARGET=target) as command:
            code = await to_thread.run_sync(command.end, 30.0)
        if code == 0:
            ca.clients.revoked.add(serial)
            [number] = [int(found[1]) for line in command.other if (found := re.search(r"CRL (\d+)", line))]
            ca.crl_numbers.append(number)
            return
        if code == -signal.SIGKILL:
            ca.kills, target = ca.kills + 1, ""
        elif ca.killed():  # the program, and its store with it
            ca.kills += 1
            ca.start()
        else:
            raise Breach(f"`revoke` ended with {code}", command.log() + "\n" + ca.program.log())
    raise Breach("`revoke` does not come to its end", ca.program.log())


@asynccontextmanager
async def _looked_at(ca: Scene) -> AsyncIterator[Store]:
    """The store of a program that has ended."""
    async with store_for_command(ca.data) as url:
        store = Store(StoreSettings(url=url), ca.store.clock)
        try:
            yield store
        finally:
            await store.aclose()
