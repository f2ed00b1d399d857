"""What recovery does about a session, as a pure function of what was found. docs/recovery.md is this table in words."""

from __future__ import annotations

from enum import IntFlag, StrEnum

import msgspec

from stages.session import SCHEMA, State
from stages.store.found import Found


class Action(StrEnum):
    """What is done; the values are the words of `recover.lua`."""

    LEAVE = "leave"
    DROP = "drop"
    KILL = "kill"
    REQUEUE = "requeue"
    ADVANCE = "advance"
    QUARANTINE = "quarantine"


class Places(IntFlag):
    """Where an id was seen: one bit for each place, and one for a place in which it stood twice."""

    NOWHERE = 0
    PENDING_MAKECHALLENGE = 1
    PENDING_TESTCHALLENGE = 2
    PENDING_ISSUE = 4
    PENDING_DONE = 8
    DELAYED_MAKECHALLENGE = 16
    DELAYED_TESTCHALLENGE = 32
    DELAYED_ISSUE = 64
    DELAYED_DONE = 128
    INFLIGHT_LIVING = 256
    INFLIGHT_DEAD = 512
    TWICE = 1024


PENDING_OF = dict(zip(State, (1, 2, 4, 8), strict=True))
DELAYED_OF = dict(zip(State, (16, 32, 64, 128), strict=True))
_LIVING, _DEAD, _TWICE = int(Places.INFLIGHT_LIVING), int(Places.INFLIGHT_DEAD), int(Places.TWICE)


class Limits(msgspec.Struct, frozen=True):
    """Seconds since its creation after which a session is too old for a state; 0 means never."""

    makechallenge: int
    testchallenge: int
    issue: int
    done: int = 0

    def of(self, state: State) -> int:
        """The limit of one state."""
        limit: int = getattr(self, state)
        return limit


class Decision(msgspec.Struct, frozen=True):
    """What to do, and the row of the table that says so."""

    action: Action
    row: str
    reason: str = ""


LEAVE = Decision(Action.LEAVE, "where it belongs")
LEAVE_WAITING = Decision(Action.LEAVE, "waiting for its client")
GONE = Decision(Action.DROP, "gone")
DEAD = Decision(Action.DROP, "dead")
LOST = Decision(Action.REQUEUE, "in no place")
ORPHANED = Decision(Action.REQUEUE, "in flight with a dead supervisor")
DOUBLE = Decision(Action.REQUEUE, "in two places")
ASTRAY = Decision(Action.REQUEUE, "on the queue of another state")
WAIT_OVER = Decision(Action.REQUEUE, "its wait for the client is over")
CERTIFIED = Decision(Action.ADVANCE, "state issue with a certificate on record")
INTENDED = Decision(Action.REQUEUE, "state issue with an intent and no certificate")

_STATES = {state.value: state for state in State}


def decide(found: Found, now: int, limits: Limits) -> Decision:
    """Decide about one session; `now` in unix seconds. Rows are looked at in the order of the table."""
    if found.unreadable:
        return Decision(Action.QUARANTINE, "unreadable", found.unreadable)
    if found.live is None and found.state is None and found.created is None:
        return GONE
    if found.live == "False":
        return DEAD
    state = _STATES.get(found.state or "")
    if found.live != "True" or state is None:
        field = "live" if found.live != "True" else "state"
        return Decision(Action.QUARANTINE, "unreadable", f"field {field} is missing or has no legal value")
    try:
        created, waiting = int(found.created or ""), int(found.waiting or "0")
        schema = int(found.schema or "1")
    except ValueError:
        return Decision(Action.QUARANTINE, "unreadable", "created, waiting or schema is not an integer")
    if schema > SCHEMA:
        reason = f"schema {schema} is newer than this program's {SCHEMA}"
        return Decision(Action.QUARANTINE, "from a newer version", reason)
    places = found.places
    if places & _LIVING:
        return LEAVE if places == _LIVING else DOUBLE
    if found.cert:
        return CERTIFIED
    limit = limits.of(state)
    # A reserved serial means that a certificate may exist: such a session goes on, however old it is.
    if limit and now - created > limit and not found.serial:
        return Decision(Action.KILL, "older than its state allows", f"older than {limit} s in state {state}")
    return _place(state, places, waiting, now, serial=found.serial)


def _place(state: State, places: int, waiting: int, now: int, *, serial: bool) -> Decision:
    if places & _DEAD:
        return INTENDED if serial and state is State.ISSUE else ORPHANED
    if waiting:
        if waiting <= now:
            return WAIT_OVER
        return LEAVE_WAITING if not places else DOUBLE
    if not places:
        return INTENDED if serial and state is State.ISSUE else LOST
    if places in {PENDING_OF[state], DELAYED_OF[state]}:
        return LEAVE
    home = PENDING_OF[state] | DELAYED_OF[state]
    return DOUBLE if places & home else ASTRAY
