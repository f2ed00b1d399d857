"""What counting costs: the program's numbers of one session, beside prometheus-client's own objects.

`python -m benchmarks.sides.counting --sessions N --rounds N`; prints one JSON line: CPU microseconds of a session by
side, a list with one for each round. Both count the same of the same sessions. A test compares that with what the
committer and the runners count of a session which goes through alone.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, Protocol, cast

from prometheus_client import CollectorRegistry, Counter, Histogram

from stages.session import State
from stages.store import moves
from stages.store.keys import QUEUES
from stages.store.moves import Move
from supervisor.meter import Meter, Waits
from supervisor.meter.meter import CALL_MOVES, CALL_SECONDS, STAGE_SECONDS, WAIT_SECONDS

CALLS: Final = 2
"""Of the committer for a session that goes through alone: its submission with the claim, then all of its stages."""
_NAMES: Final = tuple(queue.value for queue in QUEUES)
_NOW: Final = 1_341_585_926


class Counting(Protocol):
    """A side: what the committer, the runners and the term tell a meter."""

    waits: Waits

    def closed(self, queue: int, took: float) -> None:
        """A try of a stage has advanced its session."""

    def called(self, took: float, carried: int) -> None:
        """A call of the committer is answered."""

    def committed(self, move: Move) -> None:
        """A move is on disk."""


class Own:
    """The program's own numbers, added to as `Runner.close` and `Committer` do."""

    def __init__(self) -> None:
        self.meter = Meter()
        self.waits = self.meter.waits
        self.committed = self.meter.committed

    def closed(self, queue: int, took: float) -> None:
        """As `Runner.close`."""
        meter = self.meter.queues[queue]
        meter.stage.observe(took)
        meter.outcomes["advance"] += 1

    def called(self, took: float, carried: int) -> None:
        """As `Committer`."""
        self.meter.store.seconds.observe(took)
        self.meter.store.moves.observe(carried)


class _Wait:
    """A child of a histogram in the place of `supervisor.meter.Histogram`."""

    def __init__(self, child: Histogram) -> None:
        self.observe = child.observe
        self.counts = self

    def __getitem__(self, _bucket: int) -> int:
        return 0

    def __setitem__(self, _bucket: int, _more: int) -> None:
        self.observe(0.0)


class Library:
    """prometheus-client's objects for the same numbers; the children of their labels are looked up once."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        given: dict[str, Any] = {"registry": self.registry}
        wait = Histogram("queue_wait_seconds", "As ours.", ["queue"], buckets=WAIT_SECONDS, **given)
        stage = Histogram("stage_duration_seconds", "As ours.", ["queue"], buckets=STAGE_SECONDS, **given)
        outcomes = Counter("stage_outcomes", "As ours.", ["queue", "outcome"], **given)
        self._stage = [stage.labels(name).observe for name in _NAMES]
        self._advanced = [outcomes.labels(name, "advance").inc for name in _NAMES]
        self._seconds = Histogram("store_call_seconds", "As ours.", buckets=CALL_SECONDS, **given).observe
        self._moves = Histogram("store_call_moves", "As ours.", buckets=CALL_MOVES, **given).observe
        self._issued = Counter("certificates_issued", "As ours.", **given).inc
        self._retired = Counter("sessions_retired", "As ours.", **given).inc
        # What remembers the pushes is no matter of counting: both sides have it.
        self.waits = Waits(cast("Any", [_Wait(wait.labels(name)) for name in _NAMES]))

    def closed(self, queue: int, took: float) -> None:
        """As `Own.closed`."""
        self._stage[queue](took)
        self._advanced[queue]()

    def called(self, took: float, carried: int) -> None:
        """As `Own.called`."""
        self._seconds(took)
        self._moves(carried)

    def committed(self, move: Move) -> None:
        """As `Meter.committed`."""
        kind = move[0]
        if kind == "advance":
            if move[6]:
                self._issued()
        elif kind == "retire":
            self._retired()


def session_moves(session: str) -> tuple[Move, list[Move]]:
    """The submission, and what the four stages commit; the certificate comes with the third."""
    advances: list[Move] = [
        ["advance", session, state.value, following.value, [], [], state is State.ISSUE, "advanced"]
        for state, following in pairwise(QUEUES)
    ]
    return moves.submit(session, ["host.example"], {}, _NOW), [*advances, ["retire", session, 60, "retired"]]


def count(side: Counting, submission: Move, commits: Sequence[Move]) -> None:
    """Count one session that goes through all queues alone."""
    session, waits = submission[1], side.waits
    waits.sent(submission, float(_NOW))
    waits.claimed(session, 0, _NOW + 0.001)
    last = len(commits) - 1
    for queue, move in enumerate(commits):
        side.closed(queue, 0.004)
        if queue < last:
            waits.went_ahead(queue + 1)
        else:
            waits.sent(move, float(_NOW))
        side.committed(move)
    for _ in range(CALLS):
        side.called(0.0012, 4)


def counted(side: Counting, sessions: int) -> float:
    """CPU microseconds of counting one session."""
    given = [session_moves(f"{number:064x}") for number in range(sessions)]
    began = time.thread_time_ns()
    for submission, commits in given:
        count(side, submission, commits)
    return (time.thread_time_ns() - began) / 1000 / sessions


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    options = parser.parse_args()
    own, library = Own(), Library()
    found: dict[str, list[float]] = {"own": [], "library": []}
    for _ in range(options.rounds):
        found["own"].append(counted(own, options.sessions))
        found["library"].append(counted(library, options.sessions))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
