"""The numbers of one run of the program, by who adds to them. For whoever counts, and for `supervisor.admin`."""

from __future__ import annotations

from collections import Counter
from typing import Final

from stages.store.moves import Move
from supervisor.meter.histogram import Histogram
from supervisor.meter.waits import Waits

QUEUES: Final = 4
STAGE_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
WAIT_SECONDS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
CALL_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
CALL_MOVES: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
PUBLISHED: Final = "published"
"""The kind of a request for the CRL or a CA certificate; the others are those of `supervisor.acme.urls`."""
REQUEST_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class QueueMeter:
    """One queue and its stage.

    Attributes:
        stage: seconds that tries of the stage took.
        wait: seconds from the push to the claim (`Waits`).
        outcomes: by the word that the log has for them.
        failures: retries that cost the session an attempt; a schedule's next look costs none.
        rejected: rejections by the problem's kind.
    """

    def __init__(self) -> None:
        self.stage = Histogram(STAGE_SECONDS)
        self.wait = Histogram(WAIT_SECONDS)
        self.outcomes: Counter[str] = Counter()
        self.failures = 0
        self.rejected: Counter[str] = Counter()


class StoreMeter:
    """The committer's calls.

    Attributes:
        seconds: that a call took, failed ones left out.
        moves: that a call carried.
        refused: moves that the store did not make, because the session was another's by then.
        outages, away: how often the store went away, and the seconds for which it was in those that are over.
    """

    def __init__(self) -> None:
        self.seconds = Histogram(CALL_SECONDS)
        self.moves = Histogram(CALL_MOVES)
        self.refused = 0
        self.outages = 0
        self.away = 0.0


class RecoveryMeter:
    """Recovery scans.

    Attributes:
        scans: how many came to their end.
        moved: sessions that were not where they belonged, by what was done with them.
        at: unix time of the end of the last one, 0 before the first.
        seconds, seen, changed, waiting: of the last one: how long it took, how many sessions there were, how many were
            moved, how many waited for their client.
    """

    def __init__(self) -> None:
        self.scans = 0
        self.moved: Counter[str] = Counter()
        self.at = 0.0
        self.seconds = 0.0
        self.seen = 0
        self.changed = 0
        self.waiting = 0


class AcmeMeter:
    """The ACME door.

    Attributes:
        requests: by kind (a word of the program's own, "" for a path that there is not) and status.
        seconds: that a request took, by kind.
        problems: errors by RFC 8555 6.7 type.
    """

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.seconds: dict[str, Histogram] = {}
        self.problems: Counter[str] = Counter()

    def answered(self, kind: str, status: int, problem: str, seconds: float) -> None:
        """Count a request; `problem` is "" for one that went well."""
        self.requests[kind, status] += 1
        histogram = self.seconds.get(kind)
        if histogram is None:
            histogram = self.seconds[kind] = Histogram(REQUEST_SECONDS)
        histogram.observe(seconds)
        if problem:
            self.problems[problem] += 1


class ServerMeter:
    """One listener.

    Attributes:
        accepted: connections.
        open: connections that are there now.
        full: connections that found no room, told so or not.
        refused: requests that the web server itself answered, by status.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.open = 0
        self.full = 0
        self.refused: Counter[int] = Counter()


class Meter:
    """Everything.

    Attributes:
        issued, retired: certificates that the queues have put on record, and sessions that were retired.
        terms: leases taken.
        servers: by the setting that has the listener's addresses.
    """

    def __init__(self) -> None:
        self.queues = tuple(QueueMeter() for _ in range(QUEUES))
        self.waits = Waits([queue.wait for queue in self.queues])
        self.store = StoreMeter()
        self.recovery = RecoveryMeter()
        self.acme = AcmeMeter()
        self.servers: dict[str, ServerMeter] = {}
        self.issued = 0
        self.retired = 0
        self.terms = 0

    def begin_term(self) -> None:
        """A lease was taken."""
        self.terms += 1
        self.waits.forget()

    def committed(self, move: Move) -> None:
        """A move of a stage is on disk."""
        kind = move[0]
        if kind == "advance":
            if move[6]:
                self.issued += 1
        elif kind == "retire":
            self.retired += 1

    def server(self, setting: str) -> ServerMeter:
        """The numbers of one listener."""
        return self.servers.setdefault(setting, ServerMeter())
