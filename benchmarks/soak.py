"""`make soak`: mixed load for ten minutes, with reloads, stops and kills, and the laws looked at all the while.

python benchmarks/soak.py [--minutes N] [--short] [--rate N] [--seed N] [--write FILE]

Sessions that succeed, fail, are slow, expire, are cancelled or revoked go through the real program, which is reloaded,
stopped and killed. `fsck` looks every half minute and at the end. Ends with 1 on a breach, a lost session, an error in
the logs or memory that grew beyond what is on record, and prints the seed; with 2 when it cannot start.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.soaking.load import Load  # noqa: E402  the root comes into the path first
from benchmarks.soaking.memory import Memory, measure  # noqa: E402  as above
from benchmarks.soaking.report import Outcome, told, write  # noqa: E402  as above
from stages.errors import StoreUnavailable  # noqa: E402  as above
from stages.store.certificates import each_certificate  # noqa: E402  as above
from stages.store.finding import each_id  # noqa: E402  as above
from stages.store.reading import Overview, overview, read_whole  # noqa: E402  as above
from supervisor.fsck import Report, check  # noqa: E402  as above
from tests.harness.process import Program  # noqa: E402  as above
from tests.harness.site import Site, site  # noqa: E402  as above

CONFIG: Final = """
expires = "1m"
retry_first = "500ms"
retry_max = "10s"
[queues.testchallenge]
concurrency = 100
backoff = "100ms"
[sessions]
keep = "60s"
[recovery]
interval = "20s"
"""
_SIZES: Final = ("concurrency = 100", "concurrency = 60")
_KEEP: Final = 90 * 86_400
"""Seconds for which certificates stay on record: the default of done.certificates_keep."""
_ROUND: Final = 10.0
"""Seconds between two events of the program, at the most; a short run has a dozen."""
_ROUNDS: Final = 12
_LOOK_EVERY: Final = 3
"""Rounds between two looks at the laws."""
_STEADY: Final = 0.35
"""The last part of the run, in which the program is not ended, so that its memory can be compared."""
_REST: Final = 100.0
"""Seconds in which everything must come to its end: challenges expire after 60."""


class Soak:
    """One run."""

    def __init__(self, ca: Site, rate: int, chance: random.Random) -> None:
        self.ca = ca
        self.chance = chance
        self.load = Load(ca, rate, chance)
        self.runs: list[Program] = []
        self.looks: list[Report] = []
        self.steady: Memory | None = None

    async def run(self, seconds: float) -> Outcome:
        """Load for that long, then everything comes to its end, then the last look."""
        began = time.monotonic()
        await self._start()
        before = await self._measure()
        async with anyio.create_task_group() as clients:
            clients.start_soon(self.load.submitting)
            clients.start_soon(self.load.following)
            await self._rounds(began, seconds)
            clients.cancel_scope.cancel()
        async with anyio.create_task_group() as clients:
            clients.start_soon(self.load.following)
            await self._come_to_rest(short=seconds < _REST)
            clients.cancel_scope.cancel()
        self.looks.append(await self._look())
        outcome = await self._outcome(before, time.monotonic() - began)
        code = await to_thread.run_sync(self.runs[-1].stop)
        if code:
            outcome.faults.append(f"the program ended with {code}")
        return outcome

    async def _rounds(self, began: float, seconds: float) -> None:
        number = 0
        while (past := time.monotonic() - began) < seconds:
            await anyio.sleep(min(_ROUND, seconds / _ROUNDS, seconds - past) * self.chance.uniform(0.5, 1.0))
            number += 1
            await self.load.revoke()
            if number % _LOOK_EVERY == 0:
                self.looks.append(await self._look())
            if time.monotonic() - began < seconds * (1 - _STEADY):
                await self._event(("kill", "stop", "reload", "kill")[number % 4])
                continue
            if self.steady is None:
                self.steady = await self._measure()
            await self._event("reload")

    async def _event(self, what: str) -> None:
        self.load.said[f"{what}s"] += 1
        program = self.runs[-1]
        if what == "reload":
            self._change()
            program.signal(signal.SIGHUP)
            await to_thread.run_sync(program.wait_for, "config.reloaded")
            return
        if what == "kill":
            await to_thread.run_sync(program.kill)
        elif code := await to_thread.run_sync(program.stop):
            self.load.refused.append(f"the program ended with {code} after SIGTERM")
        await self._start()

    def _change(self) -> None:
        """Give the queue of probes another size, so that the reload has something to take."""
        text, (now, then) = self.ca.config.read_text(), _SIZES
        if now not in text:
            now, then = then, now
        self.ca.config.write_text(text.replace(now, then))

    async def _start(self) -> None:
        self.runs.append(await self.ca.start())

    async def _look(self) -> Report:
        report = await check(self.ca.store, self.ca.folder / "data/ca/crl.pem", _KEEP)
        print(
            f"  {len(self.runs)} runs, {report.sessions} sessions on record, {len(report.breaches)} breaches",
            flush=True,
        )
        return report

    async def _come_to_rest(self, *, short: bool) -> None:
        if short:  # what is tested on a schedule in vain would go on until it expires
            for session in list(self.load.open):
                try:
                    await self.load.cancel(session)
                except StoreUnavailable:
                    continue
        await self.ca.until(_at_rest, _REST)

    async def _measure(self) -> Memory:
        found = await overview(self.ca.store)
        return await measure(self.runs[-1].pid, self.ca.store, found.retired + found.rejected)

    async def _outcome(self, before: Memory, took: float) -> Outcome:
        found = await overview(self.ca.store)
        # By the keys: a sweep that rotates active-requests meanwhile hides sessions from who walks along that list.
        whole = [await read_whole(self.ca.store, session) async for session in each_id(self.ca.store)]
        live = [session for session in whole if session is not None and session.live]
        serials = {record.serial async for record in each_certificate(self.ca.store)}
        logged = {event["serial"] for run in self.runs for event in run.named("certificate.issued")}
        faults = list(self.load.refused)
        if lost := self.load.said["submitted"] - found.retired - found.rejected - len(live):
            faults.append(f"{lost} sessions are neither retired nor rejected nor live")
        if missing := logged - serials:
            faults.append(f"{len(missing)} serials that were logged are not on record")
        errors = {event["event"] for run in self.runs for event in run.events if event["level"] == "error"}
        faults += [f"the logs have an error: {name}" for name in sorted(errors)]
        faults += [f"not a log line: {line[:200]}" for run in self.runs for line in run.other[:3]]
        return Outcome(
            took=took,
            said=self.load.said,
            found=found,
            live=len(live),
            looks=self.looks,
            before=before,
            steady=self.steady or before,
            after=await self._measure(),
            faults=faults,
        )


def _at_rest(found: Overview) -> bool:
    return not any((*found.pending.values(), *found.delayed.values(), *found.inflight.values()))


async def soak(folder: Path, seconds: float, rate: int, seed: int) -> Outcome:
    """One run below `folder`."""
    async with site(folder, CONFIG) as ca:
        made = Soak(ca, rate, random.Random(seed))
        try:
            return await made.run(seconds)
        finally:
            for program in made.runs:
                program.__exit__()


def main() -> int:
    """Run what was asked for; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the load goes on (10)")
    parser.add_argument("--short", action="store_true", help="45 seconds")
    parser.add_argument("--rate", type=int, default=40, help="sessions a second (40)")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of the random choices")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the result into FILE, between its marks")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    seconds = 45.0 if options.short else options.minutes * 60
    try:
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            outcome = anyio.run(soak, Path(folder), seconds, options.rate, options.seed)
    except OSError as error:
        print(f"cannot run: {error}")
        return 2
    lines = told(outcome)
    print("\n".join(lines))
    if options.write:
        command = f"python benchmarks/soak.py {' '.join(sys.argv[1:])} (seed {options.seed})"
        write(options.write, command, lines)
    return 1 if outcome.failures() else 0


if __name__ == "__main__":
    sys.exit(main())
