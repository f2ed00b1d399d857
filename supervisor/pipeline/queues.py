"""The four queues as the committer knows them: who stands there, which slots are free, what to claim. For it only.

A queue is looked at once for each reason to do so, by a claim that was sent after it; a claim that is under way owns
its slots, so that two calls do not claim for the same one (docs/decisions/0002-group-commit.md).
"""

from __future__ import annotations

from collections.abc import Iterable

from stages.session import State
from stages.store.keys import QUEUES
from stages.store.store import Claim, GroupReply
from supervisor.pipeline.hold import Slots
from supervisor.pipeline.lane import LANES

PLACES = {queue: place for place, queue in enumerate(QUEUES)}
"""Where a queue is in lists of four."""


class Queues:
    """What is known of them; the store is asked nothing.

    Attributes:
        slots: the runner of each queue that is served.
        lengths, delayed: entries of the queues and of their delayed sets, in the order of QUEUES.
        asked: slots for which a claim is under way.
        next_due: unix time in seconds at which the next delayed session is due, 0 for none.
    """

    def __init__(self) -> None:
        self.slots: dict[State, Slots] = {}
        self.lengths = [0, 0, 0, 0]
        self.delayed = [0, 0, 0, 0]
        self.asked = dict.fromkeys(State, 0)
        self.next_due = 0.0
        self._look: set[State] = set()  # where something may be, and no claim was sent since
        self._sequence = 0

    def look_at(self, queues: Iterable[State] = ()) -> None:
        """Something may be there to claim: in these queues, or in any."""
        self._look.update(queues or self.slots)

    def may_have(self, queue: State) -> bool:
        """Whether somebody stands there, or may."""
        return bool(self.length(queue)) or queue in self._look

    def can_begin(self, state: State) -> bool:
        """Whether a session that comes there now is worked on at once: a slot is free, and nobody stands in between."""
        return state in self.slots and not self.length(state) and self.claimable(state) > 0

    def length(self, queue: State) -> int:
        """How many stand there, as far as is known."""
        return self.lengths[PLACES[queue]]

    def claimable(self, queue: State) -> int:
        """Slots that are free there, and for which no claim is under way."""
        return max(0, self.slots[queue].free() - self.asked[queue])

    def worth_a_claim(self) -> bool:
        """Whether there is a reason to claim although there is nothing to send."""
        return any(map(self.claimable, self._look))

    def claims(self) -> list[Claim]:
        """Claims for the slots that are free; they are under way until `answered`.

        A lane's share in the first queue; elsewhere as many as stand there, or half, so that sessions which advance
        find a slot too.
        """
        claims = []
        for queue, slots in self.slots.items():
            free = self.claimable(queue)
            if queue is State.MAKECHALLENGE:
                free = min(free, -(-slots.concurrency() // LANES))
            else:
                free = min(free, max(self.length(queue), (free + 1) // 2))
            if free > 0:
                self.asked[queue] += free
                self._look.discard(queue)
                claims.append(Claim(queue, free, queue is not State.DONE))
        return claims

    def answered(self, claims: Iterable[Claim]) -> None:
        """These claims are not under way any more."""
        for claim in claims:
            self.asked[claim.queue] -= claim.free

    def note(self, reply: GroupReply) -> bool:
        """Believe the lengths in a reply; False where the other lane has brought newer ones."""
        if reply.sequence < self._sequence:
            return False
        self._sequence, self.next_due = reply.sequence, reply.next_due
        self.lengths, self.delayed = reply.lengths, reply.delayed
        return True

    def left(self) -> list[State]:
        """Queues where somebody stands and a slot is free."""
        return [queue for queue in self.slots if self.length(queue) and self.claimable(queue)]
