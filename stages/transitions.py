"""The state machine of a session, as one literal table. The diagram in docs/state-machine.md is generated from it.

Read a row as: in this state, after this outcome of its stage, the session is in that state and in that place.
`None` as the next state means that the session is dead: `live` is "False" for good, and it is in no queue.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from stages.session import State


class Outcomes(StrEnum):
    """The four outcomes of a stage (`stages.outcome`)."""

    ADVANCE = "advance"
    WAIT = "wait"
    RETRY = "retry"
    REJECT = "reject"


class Place(StrEnum):
    """Where a session is: a live one in exactly one of the first four. A claim moves it from pending to inflight."""

    PENDING = "pending"
    DELAYED = "delayed"
    INFLIGHT = "inflight"
    WAITING = "waiting"
    RETIRED = "retired"
    REJECTED = "rejected"


MAKE, TEST, ISSUE, DONE = State.MAKECHALLENGE, State.TESTCHALLENGE, State.ISSUE, State.DONE

TRANSITIONS: Final[dict[tuple[State, Outcomes], tuple[State | None, Place]]] = {
    # what a stage says           the session is then in
    (MAKE, Outcomes.ADVANCE): (TEST, Place.PENDING),
    (MAKE, Outcomes.RETRY): (MAKE, Place.DELAYED),
    (MAKE, Outcomes.REJECT): (None, Place.REJECTED),
    (TEST, Outcomes.ADVANCE): (ISSUE, Place.PENDING),
    (TEST, Outcomes.WAIT): (TEST, Place.WAITING),
    (TEST, Outcomes.RETRY): (TEST, Place.DELAYED),
    (TEST, Outcomes.REJECT): (None, Place.REJECTED),
    (ISSUE, Outcomes.ADVANCE): (DONE, Place.PENDING),
    (ISSUE, Outcomes.WAIT): (ISSUE, Place.WAITING),
    (ISSUE, Outcomes.RETRY): (ISSUE, Place.DELAYED),
    (ISSUE, Outcomes.REJECT): (None, Place.REJECTED),
    (DONE, Outcomes.ADVANCE): (None, Place.RETIRED),
    (DONE, Outcomes.WAIT): (DONE, Place.WAITING),
    (DONE, Outcomes.RETRY): (DONE, Place.DELAYED),
}
"""Every legal move of a stage. What is not in it is a fault of the stage, and costs the session an attempt."""
