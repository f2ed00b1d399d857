"""The last ten minutes, one sample every two seconds, from memory alone. The program keeps one ring; views read it.

A sample costs some microseconds and asks nobody, so it is taken whether somebody looks or not: who opens the page after
something has happened sees it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Final

import anyio
import msgspec

from stages.session import State
from stages.store.keys import QUEUES
from supervisor.overview.parts import Samples
from supervisor.term.health import Health
from supervisor.term.term import Term

STEP: Final = 2.0
"""Seconds between two samples."""
KEPT: Final = 300
_MINUTE: Final = 30
"""Samples."""

Four = tuple[int, int, int, int]
_NOTHING: Final[Four] = (0, 0, 0, 0)


class Sample(msgspec.Struct, frozen=True):
    """One moment: who stands where, and what was done in the step that ends with it.

    `tries` and `busy` (seconds) are by queue.
    """

    pending: Four = _NOTHING
    delayed: Four = _NOTHING
    at_work: Four = _NOTHING
    issued: int = 0
    retired: int = 0
    rejected: int = 0
    retried: int = 0
    tries: Four = _NOTHING
    busy: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    up: bool = False


class _Totals(msgspec.Struct, frozen=True):
    advanced: Four = _NOTHING
    rejected: int = 0
    retried: int = 0
    tries: Four = _NOTHING
    busy: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


class Ring:
    """Samples of `health`; `clock` gives unix time in seconds."""

    def __init__(self, health: Health, clock: Callable[[], float]) -> None:
        self._health = health
        self._clock = clock
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self._at = 0.0
        self._term: Term | None = None
        self._before = _Totals()

    def sample(self) -> None:
        """Take one now."""
        term, committer = self._health.term, self._health.committer
        self._at = self._clock()
        if term is None or committer is None:
            if self._term is not None:  # before the first term nothing is amiss
                self._samples.append(Sample())
            return
        if term is not self._term:  # counters begin anew with each term
            self._term, self._before = term, _Totals()
        before, now = self._before, _totals(term)
        self._before = now
        at_work = Counter(hold.session.state for hold in committer.held.values())
        issue, done = QUEUES.index(State.ISSUE), QUEUES.index(State.DONE)
        self._samples.append(
            Sample(
                _four(committer.queues.lengths),
                _four(committer.queues.delayed),
                _four([at_work[queue] for queue in QUEUES]),
                now.advanced[issue] - before.advanced[issue],
                now.advanced[done] - before.advanced[done],
                now.rejected - before.rejected,
                now.retried - before.retried,
                _four([new - old for new, old in zip(now.tries, before.tries, strict=True)]),
                tuple(new - old for new, old in zip(now.busy, before.busy, strict=True)),  # type: ignore[arg-type]
                committer.available,
            )
        )

    def mean_ms(self) -> list[float | None]:
        """What a try took in the last minute, by queue, in milliseconds; None where there was none."""
        last = list(self._samples)[-_MINUTE:]
        means: list[float | None] = []
        for n in range(len(QUEUES)):
            tries = sum(sample.tries[n] for sample in last)
            means.append(round(1000 * sum(sample.busy[n] for sample in last) / tries, 3) if tries else None)
        return means

    def columns(self) -> Samples:
        """All samples, by what they say."""
        kept = list(self._samples)
        return Samples(
            STEP,
            self._at,
            [[sample.pending[n] for sample in kept] for n in range(len(QUEUES))],
            [[sample.delayed[n] for sample in kept] for n in range(len(QUEUES))],
            [[sample.at_work[n] for sample in kept] for n in range(len(QUEUES))],
            [sample.issued for sample in kept],
            [sample.retired for sample in kept],
            [sample.rejected for sample in kept],
            [sample.retried for sample in kept],
            [int(sample.up) for sample in kept],
        )


async def keep_ring(ring: Ring) -> None:
    """Take a sample every `STEP` seconds until cancelled."""
    while True:
        ring.sample()
        await anyio.sleep(STEP)


def _totals(term: Term) -> _Totals:
    tallies = [runner.tally for runner in term.runners]
    return _Totals(
        _four([tally.advanced for tally in tallies]),
        sum(tally.rejected for tally in tallies),
        sum(tally.retried for tally in tallies),
        _four([tally.advanced + tally.waited + tally.retried + tally.rejected for tally in tallies]),
        tuple(tally.busy for tally in tallies),  # type: ignore[arg-type]
    )


def _four(numbers: list[int]) -> Four:
    first, second, third, fourth = numbers
    return first, second, third, fourth
