"""The authorization resource (RFC 8555 7.5, 7.5.2). The door's table has the handler.

An authorization belongs to one order, whose name number `i` it is for. Giving it up gives up the order.
"""

from __future__ import annotations

from typing import Final

from stages.session import Session, State
from stages.store import moves
from supervisor.acme.desk import Asked, Desk, not_found, own_session
from supervisor.acme.problems import AcmeProblem, from_status
from supervisor.acme.replies import json_response, read_again, retry_after, view
from supervisor.acme.views import GIVEN_UP
from supervisor.http.message import Response

DEACTIVATED: Final = "deactivated"


async def authorization(desk: Desk, asked: Asked) -> Response:
    """Show an authorization, or deactivate it.

    One that is asked for before its challenges are made waits for them, as long as other requests wait for an outcome.
    """
    session, i = own_session(asked), int(asked.ids[1])
    if i > len(session.names):
        raise not_found()
    if asked.sent is not None:
        if asked.sent.get("status") != DEACTIVATED:
            raise AcmeProblem("malformed", 'status: only "deactivated" can be asked for (RFC 8555 7.5.2)')
        session = await _give_up(desk, session)
    elif not _is_made(session):
        session = await _made(desk, session)
    shown = view(desk).authorization(session, i)
    processing = any(challenge["status"] == "processing" for challenge in shown["challenges"])
    return json_response(shown, headers=retry_after(desk, {"status": "processing"}) if processing else [])


def _is_made(session: Session) -> bool:
    return bool(session.challenges) or not session.live


async def _made(desk: Desk, session: Session) -> Session:
    """The session with its challenges; clients that find none take the authorization for one they cannot meet."""
    with desk.waiting.watch(session.id, desk.settings().wait) as watch:
        found = await read_again(desk, session)
        if not _is_made(found):
            found = await watch.until(lambda: read_again(desk, session), _is_made)
    if not _is_made(found):
        retry = ("Retry-After", str(desk.settings().retry_after))
        raise from_status(503, "the challenges are not made yet; ask again soon", [retry])
    return found


async def _give_up(desk: Desk, session: Session) -> Session:
    """Cancel the order; what is over stays as it is, and an issued certificate is not taken back by this."""
    if view(desk).order_status(session) == "invalid":  # maybe expired, with no stage that has ended it yet
        return session
    answer = await desk.move(moves.cancel(session.id, GIVEN_UP, desk.domain().keep))
    # A session that has retired is "not live" to the move; its certificate is issued all the same.
    if (answer[0] != "ok" and session.state is State.DONE) or answer == ["refused", "issued already"]:
        raise AcmeProblem(
            "malformed", "status: the order's certificate is issued; this authorization serves no other", status=403
        )
    return await read_again(desk, session)
