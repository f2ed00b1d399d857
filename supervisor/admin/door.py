"""What the admin listener does with a request: gate, method, route, and the fields every answer has. No sockets.

For `supervisor.admin`; whoever mounts pages needs `Routes` and `HANDLER_LIMIT` (from `supervisor.admin`).
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, TypeAlias

import anyio
import msgspec

from supervisor.admin.gate import CHALLENGES, Gate
from supervisor.http.message import Handler, Request, Response

Routes: TypeAlias = Mapping[str, Handler]
"""Paths and what answers them. "/sessions" is that path alone; "/sessions/*" is every path below it, and the longest
one counts. Only GET and HEAD arrive at a handler; the body of a HEAD is left out by the server."""

HANDLER_LIMIT: Final = 10.0
"""Seconds that a handler has; after that it is cancelled and the client is told 503."""
METHODS: Final = ("GET", "HEAD")
_FIELDS: Final = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)
"""Fields of every answer, unless the page says otherwise itself."""


class Door:
    """Answers each request; `handle` and `refuse` are what the web server asks for. A page has `limit` seconds."""

    def __init__(self, routes: Routes, gate: Gate, limit: float = HANDLER_LIMIT) -> None:
        self._exact = {path: handler for path, handler in routes.items() if not path.endswith("/*")}
        below = ((path[:-1], handler) for path, handler in routes.items() if path.endswith("/*"))
        self._below = sorted(below, key=lambda each: len(each[0]), reverse=True)
        self._gate = gate
        self._limit = limit
        self._there = ", ".join(routes)

    async def handle(self, request: Request) -> Response:
        """The answer to a request."""
        if not self._gate.knows_host(request):
            return self.refuse(HTTPStatus.MISDIRECTED_REQUEST, "Host: ask for an IP address or localhost")
        if not self._gate.lets_in(request):
            asked = self.refuse(HTTPStatus.UNAUTHORIZED, "the token of admin.token_file is asked for")
            asked.headers = [*CHALLENGES, *asked.headers]
            return asked
        if request.method not in METHODS:
            refused = self.refuse(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are answered")
            refused.headers = [("Allow", ", ".join(METHODS)), *refused.headers]
            return refused
        handler = self._found(request.path)
        if handler is None:
            return self.refuse(HTTPStatus.NOT_FOUND, f"there is {self._there}")
        with anyio.move_on_after(self._limit):
            return with_fields(await handler(request))
        return self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, f"the page was not made within {self._limit:g} seconds")

    def refuse(self, status: int, detail: str, request: Request | None = None) -> Response:
        """An answer that says what is wrong with the request, or with the server."""
        del request  # it changes nothing
        return with_fields(json_response(status, {"error": detail}))

    def _found(self, path: str) -> Handler | None:
        found = self._exact.get(path)
        if found is None:
            found = next((handler for start, handler in self._below if path.startswith(start)), None)
        return found


def json_response(status: int, value: object) -> Response:
    """One line of JSON."""
    return Response(status, msgspec.json.encode(value) + b"\n", [("Content-Type", "application/json")])


def with_fields(response: Response) -> Response:
    """The answer with the fields that every answer has and it has not set itself."""
    own = {name.lower() for name, _ in response.headers}
    response.headers = [*response.headers, *(field for field in _FIELDS if field[0].lower() not in own)]
    return response
