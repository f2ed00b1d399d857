"""The sessions that are at work here, by their ids. For the committer, which others ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from stages.session import Session
from stages.store import moves
from supervisor.pipeline.hold import Hold
from supervisor.pipeline.outbox import Outbox
from supervisor.pipeline.queues import Queues


class Held(dict[str, Hold]):
    """Each is at one worker's, or was given to one; `told` hears of each that is given."""

    def __init__(self, outbox: Outbox, queues: Queues, told: Callable[[Session], None]) -> None:
        super().__init__()
        self._outbox = outbox
        self._queues = queues
        self._told = told

    def begin(self, hold: Hold) -> None:
        """Give a session to a worker of its queue."""
        session = hold.session
        self._told(session)
        self[session.id] = hold
        self._queues.slots[session.state].take(hold)

    def drop(self, hold: Hold) -> None:
        """The session is in its queue again, or dead: what is being done for it here counts no more.

        Nor does what was done and is not sent yet: the session may be in flight here anew, in the same state.
        """
        hold.void = True
        self._outbox.drop(hold)
        if self.get(hold.session.id) is hold:
            del self[hold.session.id]

    async def on_disk(self, session: str, intent: str) -> None:
        """Wait until the intent with which the session's stage began is on disk (law 3).

        Raises moves.IllegalMove when it never comes there, or when another stage has the session by now.
        """
        hold = self.get(session)
        if hold is not None and hold.session.intent == intent:
            if hold.answered is not None:
                await asyncio.shield(hold.answered)
            if not hold.void:
                return
        raise moves.IllegalMove("the client's move with the intent was not made")
