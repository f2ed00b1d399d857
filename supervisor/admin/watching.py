"""What the page and `ca-supervisor top` ask for, in JSON: /api/overview and the lists. For the program only.

Nothing here changes anything, and every answer is bounded (`supervisor.overview.view`).
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from stages.errors import Refused, StoreUnavailable
from stages.store.records import Garbled
from supervisor.admin.door import Routes, json_response
from supervisor.http.message import Handler, Request, Response
from supervisor.overview.view import View

_SESSION: Final = "/api/session/"
_DIGITS: Final = 12


def api_routes(view: View, clock: Callable[[], float]) -> Routes:
    """The pages in JSON; `clock` gives unix time."""

    async def overview(_: Request) -> Response:
        return json_response(HTTPStatus.OK, await view.overview(clock()))

    async def sessions(request: Request) -> Response:
        asked = _query(request, "show", "count")
        found = await view.sessions(asked.get("show", "newest"), clock(), _number(asked, "count", 50))
        return json_response(HTTPStatus.OK, found)

    async def session(request: Request) -> Response:
        _query(request)
        found = await view.session(request.path.removeprefix(_SESSION), clock())
        if found is None:
            return json_response(HTTPStatus.NOT_FOUND, {"error": "there is no such session on record"})
        return json_response(HTTPStatus.OK, found)

    async def certificates(request: Request) -> Response:
        asked = _query(request, "from", "to", "offset", "count")
        start = _number(asked, "from", 0) if "from" in asked else None
        end = _number(asked, "to", 0) if "to" in asked else None
        offset, count = _number(asked, "offset", 0), _number(asked, "count", 50)
        return json_response(HTTPStatus.OK, await view.certificates(clock(), start, end, offset, count))

    made = {
        "/api/overview": overview,
        "/api/sessions": sessions,
        "/api/session/*": session,
        "/api/certificates": certificates,
    }
    return {path: _told(handler) for path, handler in made.items()}


def _told(handler: Handler) -> Handler:
    """The handler, with what it raises told to the client."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as refused:
            own = refused.kind == "config"  # the store refuses us: no mistake of who asks
            status = HTTPStatus.SERVICE_UNAVAILABLE if own else HTTPStatus.BAD_REQUEST
            return json_response(status, {"error": str(refused)})
        except StoreUnavailable as error:
            return json_response(HTTPStatus.SERVICE_UNAVAILABLE, {"error": str(error)})
        except Garbled as fault:
            return json_response(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(fault)})

    return handle


def _query(request: Request, *known: str) -> dict[str, str]:
    """The parameters of a query, each at most once and none but these; raises Refused."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True, max_num_fields=10, errors="replace"):
        if name not in known:
            raise Refused("malformed", ascii(name), f"there is {', '.join(known) or 'no parameter'}")
        if name in found:
            raise Refused("malformed", name, "it is given twice")
        found[name] = value
    return found


def _number(asked: dict[str, str], name: str, default: int) -> int:
    text = asked.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise Refused("malformed", name, "it must be a number of at most 12 digits")
    return int(text)
