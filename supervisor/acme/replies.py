"""Replies that handlers make of a session: bodies, and the headers that clients live by. Handlers import it."""

from __future__ import annotations

from typing import Any

import msgspec

from stages.session import Session
from supervisor.acme.desk import Desk
from supervisor.acme.views import View
from supervisor.http.message import Response

_encode = msgspec.json.encode


def view(desk: Desk) -> View:
    """How sessions look now."""
    return View(desk.urls, int(desk.clock()), desk.domain().limits.issue, authority(desk))


def authority(desk: Desk) -> bytes:
    """The issuer's key identifier, the first part of certificate ids (RFC 9773 4.1)."""
    return desk.issuer.authority_key_identifier.key_identifier or b""


def json_response(value: object, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Response:
    """A JSON body with its content type."""
    return Response(status, _encode(value), [("Content-Type", "application/json"), *(headers or [])])


def order_response(desk: Desk, session: Session, status: int = 200) -> Response:
    """The order with its URL, which clients look for on every such reply, and when to ask again."""
    order = view(desk).order(session)
    headers = [("Location", desk.urls.order(session.id)), *retry_after(desk, order)]
    return json_response(order, status, headers)


def retry_after(desk: Desk, shown: dict[str, Any]) -> list[tuple[str, str]]:
    """Whole seconds, for an object that is `processing` (RFC 8555 7.4, 7.5.1)."""
    return [("Retry-After", str(desk.settings().retry_after))] if shown["status"] == "processing" else []


async def read_again(desk: Desk, session: Session) -> Session:
    """The session as it is now; as it was, if it has gone meanwhile."""
    _, found = await desk.reader.look("", session.id)
    desk.recent.seen(session.id, found)
    return found or session
