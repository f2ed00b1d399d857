"""The pages that are made from the program's memory: /healthz, /readyz, /status. For `supervisor.admin` only."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from supervisor.admin.door import Routes, json_response
from supervisor.admin.facts import ALIVE, Facts
from supervisor.http.message import Request, Response


def own_routes(facts: Callable[[], Facts]) -> Routes:
    """The pages; `facts` is asked for each request."""

    async def alive(_: Request) -> Response:
        found = facts()
        well = found.latency <= ALIVE
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        said = {"status": "ok" if well else "the event loop is late", "latency": found.latency, "worst": found.worst}
        return json_response(status, said)

    async def ready(_: Request) -> Response:
        found = facts()
        status = HTTPStatus.OK if found.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return json_response(status, {"status": "ready" if found.ready else "not ready", "parts": found.parts})

    async def whole(_: Request) -> Response:
        return json_response(HTTPStatus.OK, facts())

    return {"/healthz": alive, "/readyz": ready, "/status": whole}
