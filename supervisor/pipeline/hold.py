"""What committer and runners hand to each other: a session at work, a move on its way, one call's worth of them.

For `supervisor.pipeline` only.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple, Protocol

from stages.session import Session, State
from stages.store.moves import Move
from stages.store.store import Claim


class Hold:
    """A session that is at work here, as it is on record or will be when all that was sent for it is made.

    Attributes:
        answered: done when the client's move with which it began has its answer; None where it was claimed.
        void: a move for it was not made as sent (its client moved first): what was done since is dropped.
    """

    __slots__ = ("answered", "session", "void")

    def __init__(self, session: Session, answered: asyncio.Future[None] | None = None) -> None:
        self.session = session
        self.answered = answered
        self.void = False


class Entry(NamedTuple):
    """A move on its way: who awaits its answer, or the hold of the runner that sent it.

    Both for a move of a client with which a stage may begin at once.
    """

    move: Move
    future: asyncio.Future[list[Any]] | None = None
    hold: Hold | None = None

    @property
    def begins(self) -> bool:
        """Whether a stage has begun with it."""
        return self.hold is not None and self.future is not None


class Group(NamedTuple):
    """One call: its moves and its claims."""

    entries: list[Entry]
    claims: list[Claim]

    @property
    def moves(self) -> list[Move]:
        """What goes to the store."""
        return [entry.move for entry in self.entries]


class Slots(Protocol):
    """What the committer needs of a runner."""

    queue: State

    def free(self) -> int:
        """How many sessions it could take now."""

    def concurrency(self) -> int:
        """How many sessions it may work on at once."""

    def take(self, hold: Hold) -> None:
        """Here is one."""
