"""How the program stands, for the admin listener and the status page. Written by the program, read by doors."""

from __future__ import annotations

from supervisor.meter import Meter
from supervisor.pipeline.committer import Committer
from supervisor.term.pulse import Pulse
from supervisor.term.term import Term


class Health:
    """Ready or not, and why not."""

    def __init__(self) -> None:
        self.ready = False
        self.stopping = False
        self.committer: Committer | None = None
        self.term: Term | None = None
        self.pulse = Pulse()
        self.meter = Meter()

    def begin(self, committer: Committer) -> None:
        """The lease is held; every session is being put where it belongs."""
        self.committer = committer
        self.meter.begin_term()

    def serve(self, term: Term) -> None:
        """A term begins."""
        self.term, self.committer = term, term.committer

    def lose_lease(self) -> None:
        """The term is over."""
        self.ready = False
        self.term = self.committer = None

    def stop(self) -> None:
        """The program is stopping."""
        self.ready = False
        self.stopping = True

    def faults(self) -> list[str]:
        """Why the program is not well: empty when it is."""
        if self.stopping:
            return ["stopping"]
        if not self.ready:
            return ["starting"]
        if self.committer is not None and not self.committer.available:
            return ["the store cannot be reached; stages wait"]
        return []
