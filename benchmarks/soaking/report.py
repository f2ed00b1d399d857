"""What a soak found, in lines, and into docs/reliability.md between its marks. For the soak only."""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.soaking.memory import Memory
from stages.store.reading import Overview
from supervisor.fsck import Report

_BEGIN, _END = "<!-- begin: written by soak.py -->", "<!-- end: written by soak.py -->"
_MIB: Final = 1 << 20
_PROGRAM_MAY_GROW: Final = 24 * _MIB
"""Bytes by which the program may grow in the steady part: caches and the allocator's slack."""
_STORE_SLACK, _STORE_FACTOR = 16 * _MIB, 1.6
"""What the store may use beside the keys: buffers, and the tables of keys that have expired."""


class Outcome(msgspec.Struct):
    """All that was counted and measured; `steady` is the memory from which on the program was not ended any more."""

    took: float
    said: Counter[str]
    found: Overview
    live: int
    looks: list[Report]
    before: Memory
    steady: Memory
    after: Memory
    faults: list[str]

    def failures(self) -> list[str]:
        """Everything that must not be."""
        failures = list(self.faults)
        for report in self.looks:
            failures += [f"{each.law}: {each.where}: {each.detail}" for each in report.breaches]
        if (grown := self.after.program - self.steady.program) > _PROGRAM_MAY_GROW:
            failures.append(f"the program grew by {grown / _MIB:.1f} MiB without being restarted")
        if self.after.store > self.before.store + self.after.on_record * _STORE_FACTOR + _STORE_SLACK:
            failures.append(f"the store uses {self.after.store / _MIB:.1f} MiB, far more than is on record")
        return failures


def told(outcome: Outcome) -> list[str]:
    """The whole result, a line for each fact."""
    said, found = outcome.said, outcome.found
    before, steady, after = outcome.before, outcome.steady, outcome.after
    finished = max(1, after.finished - before.finished)
    since = max(1, after.finished - steady.finished)
    failures = outcome.failures()
    looked = sum(report.sessions + report.certificates for report in outcome.looks)
    suspected = sum(report.suspected for report in outcome.looks)
    breaches = sum(len(report.breaches) for report in outcome.looks)
    books = (
        f"sessions: {said['submitted']} submitted = {found.retired} retired + {found.rejected} rejected"
        f" ({said['cancelled']} of them cancelled) + {outcome.live} whose certificate waits for its client"
    )
    program = (
        f"memory of the program: {_mib(steady.program)} when its last run began to be measured,"
        f" {_mib(after.program)} at the end;"
        f" {(after.program - steady.program) / since:+.0f} bytes for each of {since} sessions finished meanwhile"
    )
    store = (
        f"memory of the store: {_mib(before.store)} at the start, {_mib(after.store)} at the end,"
        f" {_mib(after.on_record)} of it on record;"
        f" {(after.store - before.store) / finished:.0f} bytes for each of {finished} finished sessions"
    )
    return [
        f"{outcome.took:.0f} s, {_machine()}",
        f"events: {said['kills']} SIGKILLs, {said['stops']} stops, {said['reloads']} reloads",
        books,
        f"certificates: {found.certificates} issued, {said['revoked']} revoked",
        f"laws: {len(outcome.looks)} looks of fsck at {looked} records, {suspected} suspicions, {breaches} breaches",
        program,
        store,
        *([f"FAILED: {failure}" for failure in failures[:50]] or ["every law held"]),
    ]


def write(file: Path, command: str, lines: list[str]) -> None:
    """Put the lines between the marks of `file`, in its section "Soak", which is made when there is none."""
    text = file.read_text() if file.exists() else "# Reliability\n"
    body = f"{_BEGIN}\n`{command}`, {time.strftime('%Y-%m-%d')}:\n\n" + "".join(f"- {line}\n" for line in lines) + _END
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if begin and end:
        file.write_text(before + body + after)
    else:
        file.write_text(f"{text.rstrip()}\n\n## Soak\n\n{_ABOUT}\n{body}\n")


_ABOUT: Final = """\
`make soak` runs ten minutes of mixed load against the real program: probes that succeed, fail, are slow or get no
answer, challenges that expire, cancels, revocations, reloads, stops and SIGKILLs. `ca-supervisor fsck` looks at every
record every half minute and at the end, and the books must balance. `make soak ARGS=--short` takes a minute.
"""


def _mib(size: int) -> str:
    return f"{size / _MIB:.1f} MiB"


def _machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}"
