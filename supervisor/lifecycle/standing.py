"""Tells the service manager how the program stands: READY=, RELOADING=, STOPPING= and a STATUS= line (sd_notify(3)).

For `supervisor.lifecycle.program`. `systemctl status` shows the line; it changes when the state does, not with figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from supervisor.term.health import Health

READY: Final = "ready"
REFUSED: Final = "ready; the last reload was refused, and the old settings stay"


class Standing:
    """What has been told so far.

    Args:
        tell: sends a message to the service manager.
        health: what the program says of itself.
        clock: CLOCK_MONOTONIC in nanoseconds.
    """

    def __init__(self, tell: Callable[[str], None], health: Health, clock: Callable[[], int]) -> None:
        self._tell = tell
        self._health = health
        self._clock = clock
        self._served = False
        self._status = ""
        self._well = READY

    def step(self, status: str) -> None:
        """A step of the start, or between two terms, begins: one clause without a full stop."""
        self._say(status)

    def ready(self) -> None:
        """The stages run, for the first time or again."""
        self._served = True
        self._status = self._well
        self._tell(f"READY=1\nSTATUS={self._well}")

    def stopping(self) -> None:
        """The program stops."""
        self._say("stopping: work in flight may end", "STOPPING=1")

    @contextmanager
    def reloading(self) -> Iterator[Callable[[bool], None]]:
        """A reload: whoever waits for it waits until the block ends, which says whether the file was taken.

        Nothing is told before the program was ready: READY=1 at the end of a reload would say that it is.
        """
        if self._served:
            self._tell(f"RELOADING=1\nMONOTONIC_USEC={self._clock() // 1000}")
        try:
            yield self._reloaded
        finally:
            if self._served:
                self._status = self._now()
                self._tell(f"READY=1\nSTATUS={self._status}")

    def _reloaded(self, taken: bool) -> None:  # noqa: FBT001  an answer of yes or no
        self._well = READY if taken else REFUSED

    def beaten(self) -> None:
        """Look whether something has changed; each beat of the pulse asks."""
        if self._health.ready:
            self._say(self._now())

    def _now(self) -> str:
        faults = self._health.faults()
        return faults[0] if faults else self._well

    def _say(self, status: str, *more: str) -> None:
        if status != self._status or more:
            self._status = status
            self._tell("\n".join((*more, f"STATUS={status}")))
