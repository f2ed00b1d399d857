"""From what was measured to how many slots a queue should have. Pure; for `ca-supervisor tune`.

Little's law: so many slots are busy on average as sessions come in a second times the seconds that the stage takes.
Arrivals are no even stream, so two square roots of that number are added (the rule for staffing call centres: few then
wait at all). Where a burst is being worked off the mean says little; then the wait says it: with the slots doubled, a
queue that is never empty is worked off in half the time. The greater of the two is advised, and never more than have
stood there at once.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from supervisor.pipeline.measures import Measured

ENOUGH: Final = 20
"""Attempts below which nothing is said."""
SHORT: Final = 0.1
"""Seconds of waiting that nobody needs to mind, however short the stage is."""
FULL_CPU: Final = 0.9
"""The share of one processor above which more slots bring nothing: the program has one."""
MOST: Final = 4096
"""The greatest concurrency that the settings allow."""


class Advice(msgspec.Struct, frozen=True):
    """What is advised for one queue.

    Attributes:
        concurrency: slots now.
        advised: slots that it should have.
        arrivals: sessions in a second.
        stage: seconds that the stage takes, on average.
        wait: seconds in the queue, on average.
        used: the share of the slots that was busy, 0 to 1.
        why: one sentence.
    """

    queue: str
    concurrency: int
    advised: int
    arrivals: float
    stage: float
    wait: float
    used: float
    why: str


def advise(measures: dict[str, Measured]) -> list[Advice]:
    """One for each queue, in their order."""
    return [_advise(queue, found) for queue, found in measures.items()]


def _advise(queue: str, found: Measured) -> Advice:
    slots, seconds = found.concurrency, max(found.seconds, 1e-9)
    arrivals = found.arrived / seconds
    stage = found.busy / found.attempts if found.attempts else 0.0
    wait = found.waiting / found.arrived if found.arrived else 0.0
    used = found.busy / (seconds * slots)
    advised, why = _decide(found, arrivals * stage, stage, wait)
    return Advice(queue, slots, advised, round(arrivals, 3), round(stage, 4), round(wait, 4), round(used, 3), why)


def _decide(found: Measured, load: float, stage: float, wait: float) -> tuple[int, str]:
    slots, bearable = found.concurrency, max(stage, SHORT)
    if found.attempts < ENOUGH:
        return slots, f"too little was measured: {found.attempts} attempts, {ENOUGH} are wanted"
    if wait <= bearable:
        return slots, "enough: the wait is no longer than " + ("the stage" if bearable == stage else f"{SHORT:g} s")
    if found.cpu / max(found.seconds, 1e-9) >= FULL_CPU:
        return slots, "the program's processor is busy all the time: more slots would only share it"
    by_load = math.ceil(load + 2 * math.sqrt(load))
    by_wait = math.ceil(slots * wait / bearable)
    advised = min(max(by_load, by_wait), slots + found.longest, MOST)
    if advised <= slots:
        return slots, "the wait comes from bursts that are shorter than the slots are many"
    if by_load >= by_wait:
        return advised, f"arrivals x stage = {load:.1f} busy slots on average, and 2 x its root for bursts"
    return advised, f"the wait is {wait / bearable:.1f} times what is bearable ({bearable:.3g} s)"
