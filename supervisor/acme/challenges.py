"""The challenge resource (RFC 8555 7.5.1). The door's table has the handler.

A POST with an object says "ready": that is made durable, then the reply waits a moment for the outcome. POST-as-GET
shows the challenge and never starts anything; nor does a second "ready". What the object holds is ignored: old clients
send a keyAuthorization.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from stages.session import Challenge, ChallengeData, Session
from stages.store import moves
from stages.store.following import moved
from supervisor.acme.desk import Asked, Desk, not_found, own_session
from supervisor.acme.replies import json_response, read_again, retry_after, view
from supervisor.http.message import Response

_TRIES: Final = 4
"""How often a challenge is read again whose record changes while the client says that it is ready."""


async def challenge(desk: Desk, asked: Asked) -> Response:
    """Show a challenge; with a payload, begin its test and wait for the outcome for a moment."""
    session, n = own_session(asked), int(asked.ids[1])
    if not 1 <= n <= len(session.challenges):
        raise not_found()
    if asked.sent is not None and _is_open(desk, session, n):
        with desk.waiting.watch(session.id, desk.settings().wait) as watch:
            session = await _ready(desk, session, n)
            if _is_open(desk, session, n):
                session = await watch.until(
                    lambda: read_again(desk, session),
                    lambda found: not _is_open(desk, found, n),
                    lambda made: moved(session, made),
                )
    found = session.challenges[n - 1]
    shown = view(desk).challenge(session, found)
    up = desk.urls.authz(session.id, session.names.index(found.name) + 1)
    return json_response(shown, headers=[("Link", f'<{up}>;rel="up"'), *retry_after(desk, shown)])


def _is_open(desk: Desk, session: Session, n: int) -> bool:
    """Whether something can still become of the challenge: it is pending or processing, and so is its authorization."""
    found, seen = session.challenges[n - 1], view(desk)
    waits = seen.challenge_status(session, found) in {"pending", "processing"}
    return waits and seen.authorization_status(session, found.name) == "pending"


async def _ready(desk: Desk, session: Session, n: int) -> Session:
    """Put "ready" on record, once; the session as it is then known."""
    for _ in range(_TRIES):
        data = session.challenges[n - 1].data
        if data.ready or not _is_open(desk, session, n):
            break
        said = replace(data, ready=int(desk.clock()))
        made = _with_data(session, n, said)
        answer = await desk.move(moves.ready(session.id, n, data, said), None if _under_test(session) else made)
        if answer[0] == "ok":
            return made
        session = await read_again(desk, session)
    return session


def _under_test(session: Session) -> bool:
    """Whether another challenge is being tested, or is to be: the session waits for no client then."""
    return any(challenge.data.ready and not challenge.satisfied for challenge in session.challenges)


def _with_data(session: Session, n: int, data: ChallengeData) -> Session:
    changed: list[Challenge] = list(session.challenges)
    changed[n - 1] = replace(changed[n - 1], data=data)
    return replace(session, challenges=tuple(changed))
