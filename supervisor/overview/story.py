"""The story of one session, for people and for JSON. Pure; the page and the command line tell it alike."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from stages.session import Session

_MOVE: Final = re.compile(r"([0-9]{1,11}) (.*)")
"""A line of a story: unix time, what happened."""


def story(session: Session) -> list[tuple[int, str]]:
    """Every move: unix time, what happened. A line that is none gets the time 0."""
    moves = []
    for row in session.story.splitlines():
        found = _MOVE.fullmatch(row)
        moves.append((int(found[1]), found[2]) if found else (0, row))
    return moves


def as_json(session: Session) -> dict[str, Any]:
    """All that is on record; times are unix seconds."""
    made: dict[str, Any] = msgspec.to_builtins(session)
    made["challenges"] = [
        {"n": each.n, "name": each.name, "type": each.type.label, "made": each.challtime}
        | {"satisfied": each.satisfied, "failed": each.failed}
        | msgspec.to_builtins(each.data)
        for each in session.challenges
    ]
    made["story"] = [{"at": at, "what": what} for at, what in story(session)]
    return made
