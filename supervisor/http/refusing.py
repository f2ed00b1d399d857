"""The answers to what the server itself refuses: the owner of a door makes them, and here they are counted and checked.

Whoever opens a door names the type; `server` and `protocol` use the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final, TypeAlias

import structlog

from supervisor.http.message import Request, Response
from supervisor.http.writing import encode
from supervisor.meter import ServerMeter

log = structlog.get_logger()

OnRefused: TypeAlias = Callable[[int, str, Request | None], Response]
"""Makes the server's own error answers: the status, one sentence, and the request where there is one."""

RETRY_AFTER: Final = "5"
"""Seconds, where there was no room for a connection and nobody says otherwise (RFC 9110 10.2.3)."""


class Refusals:
    """The error answers of one `serve`."""

    def __init__(self, on_refused: OnRefused, meter: ServerMeter) -> None:
        self._on_refused = on_refused
        self._meter = meter

    def answer(self, status: int, detail: str, request: Request | None) -> Response | None:
        """What the owner answers, which can be sent; None where it fails itself."""
        self._meter.refused[status] += 1
        try:
            response = self._on_refused(status, detail, request)
            encode(response, "GET", keep=False, old=False)
        except Exception:
            log.exception("http.failed", method="", path="")
            return None
        if status == HTTPStatus.SERVICE_UNAVAILABLE and not any(
            name.lower() == "retry-after" for name, _ in response.headers
        ):
            response.headers = [*response.headers, ("Retry-After", RETRY_AFTER)]
        return response
