"""How long sessions wait in each queue and how long its stage takes, for `ca-supervisor tune`.

No session carries the time of its push. The store says with every call how many stand in each queue; the sum of that
over time, divided by how many came, is the mean wait (Little's law). It costs a few additions for a call of up to 256
moves. A term makes these; the committer and the runners know nothing of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from stages.session import State
from stages.store.keys import QUEUES
from supervisor.pipeline.tally import Tally


class Measured(msgspec.Struct, frozen=True):
    """One queue since `concurrency` was last changed, or since the lease was taken.

    Attributes:
        seconds: how long that is.
        concurrency: slots in that time.
        arrived: sessions that came into the queue, or into its stage without standing there.
        attempts: ends of the stage.
        busy: seconds of all slots in the stage.
        waiting: seconds of all sessions in the queue.
        longest: the most that stood in the queue at once.
        cpu: seconds of processor time that the whole program has used.
    """

    seconds: float
    concurrency: int
    arrived: int
    attempts: int
    busy: float
    waiting: float
    longest: int
    cpu: float

    def since(self, earlier: Measured) -> Measured:
        """What came after an earlier look; all of it where a new window has begun in between."""
        if earlier.seconds > self.seconds or earlier.concurrency != self.concurrency:
            return self
        return Measured(
            self.seconds - earlier.seconds,
            self.concurrency,
            self.arrived - earlier.arrived,
            self.attempts - earlier.attempts,
            self.busy - earlier.busy,
            self.waiting - earlier.waiting,
            self.longest,
            self.cpu - earlier.cpu,
        )


class Work(Protocol):
    """What is asked of a runner."""

    queue: State
    tally: Tally

    def concurrency(self) -> int:
        """How many sessions it may work on at once."""


class _Window:
    """One queue's beginnings, and what was summed up since."""

    __slots__ = ("attempts", "began", "busy", "concurrency", "cpu", "longest", "pending", "waiting")

    def __init__(self, work: Work, began: float, cpu: float, pending: int) -> None:
        self.began = began
        self.cpu = cpu
        self.concurrency = work.concurrency()
        self.attempts = work.tally.attempts
        self.busy = work.tally.busy
        self.pending = pending
        self.longest = pending
        self.waiting = 0.0


class Measures:
    """Sums up for one term. `clock` gives seconds that only rise, `cpu` the processor seconds that the program used."""

    def __init__(self, works: Sequence[Work], clock: Callable[[], float], cpu: Callable[[], float]) -> None:
        self._clock = clock
        self._cpu = cpu
        self._lengths: Sequence[int] = [0] * len(QUEUES)
        self._at = clock()
        self._windows = {work.queue: _Window(work, self._at, cpu(), 0) for work in works}

    def note(self, lengths: Sequence[int]) -> None:
        """So many stand in each queue from now on."""
        now = self._clock()
        passed, self._at = now - self._at, now
        for window, before, length in zip(self._windows.values(), self._lengths, lengths, strict=True):
            window.waiting += before * passed
            window.longest = max(window.longest, length)
        self._lengths = lengths

    def restart(self, works: Iterable[Work]) -> None:
        """Begin anew for each whose concurrency has changed: what was measured with another one says nothing."""
        self.note(self._lengths)
        for index, work in enumerate(works):
            if work.concurrency() != self._windows[work.queue].concurrency:
                self._windows[work.queue] = _Window(work, self._at, self._cpu(), self._lengths[index])

    def read(self, works: Iterable[Work]) -> dict[str, Measured]:
        """What was measured up to now, by queue."""
        self.note(self._lengths)
        return {work.queue.value: self._read(work, index) for index, work in enumerate(works)}

    def _read(self, work: Work, index: int) -> Measured:
        window = self._windows[work.queue]
        attempts = work.tally.attempts - window.attempts
        return Measured(
            seconds=self._at - window.began,
            concurrency=window.concurrency,
            arrived=max(0, attempts + self._lengths[index] - window.pending),
            attempts=attempts,
            busy=work.tally.busy - window.busy,
            waiting=window.waiting,
            longest=window.longest,
            cpu=self._cpu() - window.cpu,
        )
