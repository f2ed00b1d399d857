"""Finds the one session that a person means. For `supervisor.cli`."""

from __future__ import annotations

from typing import Final

from stages.errors import Refused
from stages.session import Session
from stages.store.finding import each_id
from stages.store.reading import read_whole
from stages.store.store import Store
from supervisor.cli.arguments import parse_session
from supervisor.cli.failures import Failure
from supervisor.exit_codes import ExitCode

WHOLE: Final = 64
"""Hex digits of a session's id."""


async def find_id(store: Store, text: str) -> str:
    """The id that begins so.

    Raises:
        Refused: the text is no beginning of an id, or of more than one session's.
        Failure: of no session's.
    """
    start = parse_session(text)
    if len(start) == WHOLE:
        return start
    found: list[str] = []
    async for session in each_id(store, start):
        found.append(session)
        if len(found) > 1:
            raise Refused("malformed", "session", f"more than one session begins with {start}; write more of its id")
    if not found:
        raise not_found(start)
    return found[0]


async def find(store: Store, text: str) -> Session:
    """The session whose id begins so, with all that belongs to it. Raises as `find_id`, and Garbled."""
    session = await find_id(store, text)
    found = await read_whole(store, session)
    if found is None:
        raise not_found(session)
    return found


def not_found(session: str) -> Failure:
    """There is no such session."""
    return Failure(ExitCode.NOT_FOUND, f"session {session}", "there is no such session on record")
