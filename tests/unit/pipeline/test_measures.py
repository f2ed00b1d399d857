"""How long sessions wait, from how many stand in the queues over time."""

from __future__ import annotations

from dataclasses import dataclass, field

from stages.session import State
from stages.store.keys import QUEUES
from supervisor.pipeline.measures import Measured, Measures
from supervisor.pipeline.tally import Tally


@dataclass
class Work:
    """A runner, as far as measures look at it."""

    queue: State
    slots: int = 2
    tally: Tally = field(default_factory=Tally)

    def concurrency(self) -> int:
        """Its slots."""
        return self.slots


class Bench:
    """Measures whose clocks a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.cpu = 3.0
        self.works = [Work(queue) for queue in QUEUES]
        self.measures = Measures(self.works, lambda: self.now, lambda: self.cpu)

    def after(self, seconds: float, *lengths: int) -> None:
        """So many stand in the queues from then on."""
        self.now += seconds
        self.measures.note(lengths)

    def read(self, queue: State) -> Measured:
        """What was measured of a queue."""
        return self.measures.read(self.works)[queue.value]


def test_waiting_is_the_queue_over_time() -> None:
    """3 for 2 s and 1 for 5 s are 11 session-seconds; the look itself counts up to its moment."""
    bench = Bench()
    bench.after(1, 0, 3, 0, 0)
    bench.after(2, 0, 1, 0, 0)
    bench.now += 5
    bench.works[1].tally = Tally(advanced=2, retried=1, busy=4.5)
    bench.cpu += 2
    expected = Measured(
        seconds=8, concurrency=2, arrived=4, attempts=3, busy=4.5, waiting=11, longest=3, cpu=2
    )  # one of the four stands there still
    assert expected == bench.read(State.TESTCHALLENGE)
    assert bench.read(State.DONE) == Measured(8, 2, 0, 0, 0, 0, 0, 2)


def test_another_concurrency_begins_anew() -> None:
    """What was measured with other slots says nothing; the other queues go on."""
    bench = Bench()
    bench.after(1, 0, 3, 0, 1)
    bench.now += 2
    bench.works[1].slots = 8
    bench.works[1].tally.advanced = 5
    bench.measures.restart(bench.works)
    bench.after(1, 0, 2, 0, 1)
    bench.works[1].tally.advanced = 8
    assert bench.read(State.TESTCHALLENGE) == Measured(1, 8, 2, 3, 0, 3, 3, 0)
    assert bench.read(State.DONE) == Measured(4, 2, 1, 0, 0, 3, 1, 0)


def test_difference_of_two_looks() -> None:
    """What came between them; all of it where another window has begun."""
    first = Measured(10, 2, 20, 18, 9.0, 30.0, 5, 1.0)
    later = Measured(15, 2, 50, 40, 20.0, 33.0, 7, 4.0)
    assert later.since(first) == Measured(5, 2, 30, 22, 11.0, 3.0, 7, 3.0)
    assert first.since(later) == first
    other = Measured(15, 3, 50, 40, 20.0, 33.0, 7, 4.0)
    assert other.since(first) == other
