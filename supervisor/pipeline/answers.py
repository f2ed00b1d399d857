"""What the store's answers to moves mean: for who awaits them, for what is at work here, and for who is told of them.

For the committer only, which hands them in in the order in which they came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from stages.store import moves
from stages.store.moves import Move
from stages.store.records import Garbled
from supervisor.meter import Meter
from supervisor.pipeline.held import Held
from supervisor.pipeline.hold import Entry, Hold

log = structlog.get_logger()

KEPT = ["ok", "kept"]
"""The answer to a move that leaves its session in flight here, for the next stage."""


class Answers:
    """Takes each answer to where it belongs.

    Attributes:
        committed: told of each move of a stage, or with a client's, that was made.
        heard: told of each that was made, whoever's, in the order in which they were made.
        doubted: told of each that was not made.
    """

    def __init__(self, held: Held, meter: Meter, add: Callable[[Move], None], resync: Callable[[], None]) -> None:
        """`add` sends a move, `resync` asks for one: a session is in flight here, and nobody has it."""
        self.committed: Callable[[Move], None] | None = None
        self.heard: Callable[[Move], None] | None = None
        self.doubted: Callable[[Move], None] | None = None
        self._held = held
        self._meter = meter
        self._add = add
        self._resync = resync

    def take(self, entry: Entry, result: list[Any]) -> None:
        """The answer to a move, which is on disk by now if it was made."""
        move, future, hold = entry
        told = self.heard if result[0] == "ok" else self.doubted
        if told is not None:
            told(move)
        if future is not None:
            if self.committed is not None and (made := moves.made_with(move, result)):
                self.committed(made)
            if not future.done():
                future.set_result(result)
            if hold is not None:
                self._began(hold, kept=result == KEPT)
        elif result[0] != "ok":
            self._refused(move, hold, result)
        elif hold is not None:
            if self.committed is not None:
                self.committed(move)
            if moves.is_ahead(move) and result != KEPT:
                self._held.drop(hold)

    def lost(self) -> None:
        """Answers may be lost, and with them what was made."""
        if self.heard is not None:
            self.heard(moves.resync(()))

    def set_aside(self, fault: Garbled) -> None:
        """A record that cannot be read was met in a queue."""
        log.error("recovery.quarantined", session=fault.session, field=fault.field, why=fault.why)
        if fault.field != "key":
            self._add(moves.quarantine(fault.session))

    def _began(self, hold: Hold, *, kept: bool) -> None:
        """The answer to a client's move with which a stage has begun."""
        if not kept:
            self._held.drop(hold)  # it stands in its queue, or its client may not move it
        elif hold.void:
            self._resync()
        if hold.answered is not None:
            hold.answered.set_result(None)

    def _refused(self, move: Move, hold: Hold | None, result: list[Any]) -> None:
        """A commit that was not made: the session is another's by now, or its record cannot be written."""
        if hold is not None:
            if hold.void and result[0] == "refused":
                return  # as was to be expected
            self._held.drop(hold)
        self._meter.store.refused += 1
        log.warning("commit.refused", session=move[1], move=move[0], why=str(result[1]))
        if result[0] == "error" and move[0] != "quarantine":
            self._add(moves.quarantine(move[1]))
