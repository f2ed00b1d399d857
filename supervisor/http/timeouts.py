"""The timeouts of one connection: what it waits for, and for how long. For `protocol` only, which acts on each.

Every state in which the client has to do something has a timeout; there is one timer for each connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from math import inf
from typing import Final

from supervisor.http.deadline import Deadline
from supervisor.http.reading import Phase
from supervisor.http.settings import HttpSettings

LINGER: Final = 1.0
"""Seconds for which a client that was refused in mid-request may go on sending: closing with unread bytes resets the
connection, and the answer is lost with it (RFC 9112 9.6)."""
_PROGRESS: Final = 4096
"""Bytes that a client has to take in each `write_timeout`."""


class Due(Enum):
    """What the connection waits for."""

    NOTHING = "work of our own"
    FIRST = "the first request"
    NEXT = "the next request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    TAKEN = "answers being taken"
    LINGERED = "the end of what a refused client sends"
    CLOSED = "the end of the connection"


class Timeouts:
    """Calls `too_late` with what did not come in time; `unsent` gives the bytes that the client has not taken yet."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: Callable[[], HttpSettings],
        unsent: Callable[[], int],
        too_late: Callable[[Due], None],
    ) -> None:
        self._settings = settings
        self._unsent = unsent
        self._too_late = too_late
        self._due = Due.NOTHING
        self._deadline = Deadline(loop, self._passed)
        self._backlog = 0

    def follow(self, phase: Phase, *, stalled: bool, working: bool, served: bool) -> None:
        """Wait for what is due now; a timeout that runs already stays as it is.

        Args:
            phase: where in a request the client stands.
            stalled: whether it leaves answers untaken.
            working: whether a request of its own is in work or waits for that.
            served: whether it has got an answer.
        """
        if stalled:
            self.begin(Due.TAKEN, self._settings().write_timeout)
        elif working:
            self.begin(Due.NOTHING, inf)
        elif phase is Phase.HEAD:
            self.begin(Due.HEAD, self._settings().header_timeout)
        elif phase is Phase.BODY:
            self.begin(Due.BODY, self._settings().body_timeout)
        elif served:
            self.begin(Due.NEXT, self._settings().idle_timeout)
        else:
            self.begin(Due.FIRST, self._settings().header_timeout)

    def begin(self, due: Due, seconds: float) -> None:
        """Wait for this, so long; `inf` for ever. Nothing changes where it is waited for already."""
        if self._due is due:
            return
        # The head of a first request has what is left of its time, not more for its first byte.
        if not (due is Due.HEAD and self._due is Due.FIRST):
            self._deadline.set(seconds)
        self._due = due
        if due is Due.TAKEN or due is Due.CLOSED:
            self._backlog = self._unsent()

    def end(self) -> None:
        """Nothing is too late any more."""
        self._deadline.stop_timer()

    def _passed(self) -> None:
        due, self._due = self._due, Due.NOTHING
        # A slow client may have all the time that it needs, as long as it takes something.
        if due in {Due.TAKEN, Due.CLOSED} and self._unsent() <= self._backlog - _PROGRESS:
            self.begin(due, self._settings().write_timeout)
        else:
            self._too_late(due)
