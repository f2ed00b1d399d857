"""What moves make of a session, for a front door that shows it to a client without reading it again. Pure.

The same in Python as `scripts/moves` in Lua, for the moves of FOLLOWED.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from stages.outcome import Writes
from stages.session import Session, State
from stages.store.moves import Move
from stages.store.records import advanced, decode_data, pairs, read_challenge

FOLLOWED = frozenset({"advance", "wait", "ready", "finalize"})
"""The moves of which `moved` knows what they make of a session."""


def moved(session: Session, moves: Iterable[Move]) -> Session | None:
    """The session as it is on record once these moves are made, in their order, but for `story` and `waiting`.

    None where they are others than FOLLOWED. What else was done to it since it was read is not seen: where that
    matters, read it again.
    """
    for move in moves:
        match move[0]:
            case "advance":
                state, fields, challenges, certificate = State(move[3]), *move[4:7]
            case "wait":
                state, fields, challenges, certificate = State(move[2]), *move[4:6], False
            case "ready":
                session = _ready(session, move[2], move[4])
                continue
            case "finalize":
                session = replace(session, csr=move[2], serial=move[4], intent=move[5])
                continue
            case _:
                return None
        read = tuple([read_challenge(session.id, n, pairs(flat)) for n, flat in challenges])
        session = advanced(session, Writes(fields=pairs(fields), challenges=read), state)
        if certificate:
            session = replace(session, serial=certificate[0])
    return session


def _ready(session: Session, n: int, data: str) -> Session:
    challenges = list(session.challenges)
    challenges[n - 1] = replace(challenges[n - 1], data=decode_data(data))
    return replace(session, challenges=tuple(challenges))
