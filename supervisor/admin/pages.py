"""The pages of the admin listener, made from the facts. Pure; for `supervisor.admin` only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus

from supervisor.admin.door import Routes, json_response
from supervisor.admin.facts import Facts, QueueFacts
from supervisor.http.message import Request, Response

METRICS = "text/plain; version=0.0.4; charset=utf-8"
"""The content type of Prometheus's text format."""


def own_routes(facts: Callable[[], Facts]) -> Routes:
    """The pages that are made from the facts; `facts` is asked for each request."""

    async def health(_: Request) -> Response:
        faults = facts().faults
        if faults:
            return json_response(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "failing", "faults": faults})
        return json_response(HTTPStatus.OK, {"status": "ok"})

    async def numbers(_: Request) -> Response:
        return Response(HTTPStatus.OK, metrics(facts()).encode(), [("Content-Type", METRICS)])

    async def status(_: Request) -> Response:
        return json_response(HTTPStatus.OK, facts())

    return {"/health": health, "/metrics": numbers, "/status": status}


def metrics(facts: Facts) -> str:
    """The facts in Prometheus's text format."""
    return "".join(
        f"# HELP ca_supervisor_{name} {text}\n# TYPE ca_supervisor_{name} {kind}\n"
        + "".join(f"ca_supervisor_{name}{labels} {value}\n" for labels, value in samples)
        for name, kind, text, samples in _families(facts)
    )


_Family = tuple[str, str, str, list[tuple[str, float]]]


def _families(facts: Facts) -> Iterator[_Family]:
    yield "info", "gauge", "The version that runs.", [(f'{{version="{facts.version}"}}', 1)]
    yield "uptime_seconds", "gauge", "Seconds since the start.", [("", facts.uptime)]
    yield "ready", "gauge", "1 when the stages run.", [("", int(facts.ready))]
    yield "healthy", "gauge", "1 when /health answers 200.", [("", int(not facts.faults))]
    yield "store_available", "gauge", "1 when the store answers.", [("", int(facts.store_available))]
    yield "lease_held", "gauge", "1 when this supervisor holds a lease.", [("", int(facts.fence > 0))]
    yield "fence", "gauge", "The fencing number of the lease.", [("", facts.fence)]
    for field, text in _GAUGES.items():
        yield f"queue_{field}", "gauge", text, _by_queue(facts, field)
    outcomes = [
        (f'{{queue="{queue}",outcome="{outcome}"}}', _number(found, field))
        for queue, found in facts.queues.items()
        for field, outcome in _OUTCOMES.items()
    ]
    yield "outcomes_total", "counter", "Outcomes of the stages since the lease was taken.", outcomes
    yield "busy_seconds_total", "counter", "Seconds that workers spent in a stage.", _by_queue(facts, "busy")


_GAUGES = {
    "pending": "Sessions on the queue at the last exchange with the store.",
    "delayed": "Sessions that wait for their next try, at the last exchange with the store.",
    "in_flight": "Sessions at work here.",
    "concurrency": "Sessions that can be at work here at once.",
}
_OUTCOMES = {"advanced": "advance", "waited": "wait", "retried": "retry", "rejected": "reject"}


def _by_queue(facts: Facts, field: str) -> list[tuple[str, float]]:
    return [(f'{{queue="{queue}"}}', _number(found, field)) for queue, found in facts.queues.items()]


def _number(found: QueueFacts, field: str) -> float:
    number: float = getattr(found, field)
    return number
