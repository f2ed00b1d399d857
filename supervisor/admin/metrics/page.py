"""The page /metrics: Prometheus's text format, or OpenMetrics for whoever accepts it. For `supervisor.admin` only."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import anyio
from prometheus_client import CollectorRegistry, Metric, ProcessCollector, generate_latest
from prometheus_client.openmetrics import exposition
from prometheus_client.registry import Collector

from supervisor.admin.door import Routes
from supervisor.admin.metrics.collector import Numbers, Sources
from supervisor.http.message import Request, Response

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_openmetrics: Callable[[Collector], bytes] = exposition.generate_latest
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def metrics_routes(sources: Sources) -> Routes:
    """The page. Its registry is its own: nothing is kept in prometheus-client's global one."""
    registry = CollectorRegistry()
    registry.register(Numbers(sources))
    ProcessCollector(registry=registry)

    async def metrics(request: Request) -> Response:
        # The numbers are read here, at one moment; writing them takes longer, and stops nobody.
        taken = _Taken(list(registry.collect()))
        if wants_openmetrics(request.headers.get("accept", "")):
            text = await anyio.to_thread.run_sync(_openmetrics, taken)
            return Response(HTTPStatus.OK, text, [("Content-Type", OPENMETRICS)])
        text = await anyio.to_thread.run_sync(generate_latest, taken)
        return Response(HTTPStatus.OK, text, [("Content-Type", TEXT)])

    return {"/metrics": metrics}


class _Taken(Collector):
    """Metrics that were collected before."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """Those."""
        return self._families


def wants_openmetrics(accept: str) -> bool:
    """Whether an Accept field (RFC 9110 12.5.1) has OpenMetrics and does not refuse it."""
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower().replace(" ", "") for piece in part.split(";"))
        if kind == "application/openmetrics-text":
            return not any(parameter in {"q=0", "q=0.0", "q=0.00", "q=0.000"} for parameter in parameters)
    return False
