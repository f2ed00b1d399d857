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
    """Where a session is. A live session is in exactly one of the first four; a claim moves it from pending to inflight."""

    PENDING = "pending"
    DELAYED = "delayed"
    INFLIGHT = "inflight"
    WAITING = "waiting"
    RETIRED = "retired"
    REJECTED = "rejected"


M, T, I, D = State.MAKECHALLENGE, State.TESTCHALLENGE, State.ISSUE, State.DONE

TRANSITIONS: Final[dict[tuple[State, Outcomes], tuple[State | None, Place]]] = {
    # what a stage says           the session is then in
    (M, Outcomes.ADVANCE): (T, Place.PENDING),
    (M, Outcomes.RETRY): (M, Place.DELAYED),
    (M, Outcomes.REJECT): (None, Place.REJECTED),
    (T, Outcomes.ADVANCE): (I, Place.PENDING),
    (T, Outcomes.WAIT): (T, Place.WAITING),
    (T, Outcomes.RETRY): (T, Place.DELAYED),
    (T, Outcomes.REJECT): (None, Place.REJECTED),
    (I, Outcomes.ADVANCE): (D, Place.PENDING),
    (I, Outcomes.WAIT): (I, Place.WAITING),
    (I, Outcomes.RETRY): (I, Place.DELAYED),
    (I, Outcomes.REJECT): (None, Place.REJECTED),
    (D, Outcomes.ADVANCE): (None, Place.RETIRED),
    (D, Outcomes.WAIT): (D, Place.WAITING),
    (D, Outcomes.RETRY): (D, Place.DELAYED),
}
"""Every legal move of a stage. What is not in it is a fault of the stage, and costs the session an attempt."""
