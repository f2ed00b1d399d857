"""Starts a side in a process of its own and reads what it found. For measures, and sides that look at others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.figures import CannotRun

ROOT = Path(__file__).parents[1]
LIMIT = 600.0
"""Seconds for one side."""
_CPUCLOCK_SCHED = 2
"""Linux, include/linux/posix-timers.h."""


class Memory(NamedTuple):
    """What a process has in memory, in bytes (proc(5), smaps_rollup).

    Attributes:
        resident: all of it (RSS).
        share: what others map too is divided among all who do (PSS).
        own: what nobody else maps (USS): what its end would free.
    """

    resident: int
    share: int
    own: int


def run_side(name: str, *arguments: object) -> dict[str, Any]:
    """Run `benchmarks.sides.<name>`; the JSON object that it prints comes back. Raises CannotRun."""
    return run([sys.executable, "-m", f"benchmarks.sides.{name}", *map(str, arguments)])


def run(command: list[str]) -> dict[str, Any]:
    """Run a command in the project's root; the JSON object on its last line comes back. Raises CannotRun."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        raise CannotRun(f"{' '.join(command[1:4])} did not end within {LIMIT:g} s") from None
    if done.returncode:
        # The frame of an exception group is not what it said.
        lines = [line for line in done.stderr.splitlines() if line.strip(" |+-")]
        last = lines[-1].strip(" |") if lines else "it said nothing"
        raise CannotRun(f"{' '.join(command[1:4])} ended with {done.returncode}: {last}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used, in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_nanoseconds(pid: int) -> int:
    """The CPU time that a process has used, exactly, with threads that have ended: for what uses next to none."""
    # clock_getcpuclockid(3), which Python has for threads only: Linux puts the pid's complement above three bits.
    return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)


def resident_bytes(pid: int) -> int:
    """What a process has in memory (proc(5), statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def memory(pid: int) -> Memory:
    """What a process has in memory now."""
    return read_rollup(Path(f"/proc/{pid}/smaps_rollup").read_text())


def read_rollup(text: str) -> Memory:
    """The numbers of a smaps_rollup, which has them in KiB."""
    rows = (line.split() for line in text.splitlines()[1:])
    found = {row[0]: int(row[1]) * 1024 for row in rows}
    return Memory(found["Rss:"], found["Pss:"], found["Private_Clean:"] + found["Private_Dirty:"])
