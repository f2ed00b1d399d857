"""The authorization resource (RFC 8555 7.5, 7.5.2). The door's table has the handler.

An authorization belongs to one order, whose name number `i` it is for. Giving it up gives up the order.
"""

from __future__ import annotations

from typing import Final

from stages.session import Session, State
from stages.store import moves
from supervisor.acme.desk import Asked, Desk, not_found, own_session
from supervisor.acme.problems import AcmeProblem
from supervisor.acme.replies import json_response, read_again, retry_after, view
from supervisor.acme.views import GIVEN_UP
from supervisor.http.message import Response

DEACTIVATED: Final = "deactivated"


async def authorization(desk: Desk, asked: Asked) -> Response:
    """Show an authorization, or deactivate it."""
    session, i = own_session(asked), int(asked.ids[1])
    if i > len(session.names):
        raise not_found()
    if asked.sent is not None:
        if asked.sent.get("status") != DEACTIVATED:
            raise AcmeProblem("malformed", 'status: only "deactivated" can be asked for (RFC 8555 7.5.2)')
        session = await _give_up(desk, session)
    shown = view(desk).authorization(session, i)
    processing = any(challenge["status"] == "processing" for challenge in shown["challenges"])
    return json_response(shown, headers=retry_after(desk, {"status": "processing"}) if processing else [])


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
