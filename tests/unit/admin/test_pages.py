"""/healthz, /readyz and /status: which status, and what is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from supervisor.admin.facts import ALIVE, gather
from supervisor.admin.pages import own_routes
from supervisor.http.message import Request
from supervisor.term.health import Health
from tests.unit.admin.numbers import health
from tests.unit.ca.making import NOW, issuer


async def ask(found: Health, path: str, now: float = NOW) -> tuple[int, Any]:
    page = own_routes(lambda: gather(found, [issuer()], 9.0, now))[path]
    answer = await page(Request("GET", path, "", {}, b"", "", secure=False))
    return answer.status, json.loads(answer.body)


@pytest.mark.anyio
async def test_alive_while_the_event_loop_is_in_time() -> None:
    """Being alive says nothing of the store: a restart would not bring it back."""
    found = Health()
    found.pulse.beat(10.0, 10.0 + ALIVE)
    assert await ask(found, "/healthz") == (200, {"status": "ok", "latency": ALIVE, "worst": ALIVE})
    found.pulse.beat(20.0, 22.5)
    assert await ask(found, "/healthz") == (503, {"status": "the event loop is late", "latency": 2.5, "worst": 2.5})
    found.pulse.beat(30.0, 30.0)
    assert await ask(found, "/healthz") == (200, {"status": "ok", "latency": 0.0, "worst": 2.5})


@pytest.mark.anyio
async def test_each_part_of_readiness_is_named() -> None:
    """A program that starts says what it waits for, one that recovers too."""
    assert await ask(Health(), "/readyz") == (
        503,
        {
            "status": "not ready",
            "parts": {
                "program": {"ok": False, "state": "starting"},
                "store": {"ok": False, "state": "not asked yet"},
                "lease": {"ok": False, "state": "not held"},
                "recovery": {"ok": False, "state": "not begun"},
                f"issuer {issuer().id}": {"ok": True, "state": "valid until 2032-01-14T08:00:00Z"},
            },
        },
    )
    status, said = await ask(health(), "/readyz")
    assert (status, said["parts"]["lease"], said["parts"]["recovery"]) == (
        503,
        {"ok": True, "state": "held by A, fence 3"},
        {"ok": False, "state": "under way"},
    )


@pytest.mark.anyio
async def test_an_issuer_that_has_expired_is_not_ready() -> None:
    """Nothing can be issued with it, whatever else is well; before its time the clock is wrong."""
    part = f"issuer {issuer().id}"
    _, late = await ask(health(), "/readyz", issuer().not_after + 1)
    _, early = await ask(health(), "/readyz", issuer().not_before - 1)
    assert (late["parts"][part]["ok"], early["parts"][part]["ok"]) == (False, False)
    assert "has expired at" in late["parts"][part]["state"]
    assert "look at the clock" in early["parts"][part]["state"]


@pytest.mark.anyio
async def test_an_outage_is_named() -> None:
    """A store that is away makes the program not ready, and not dead."""
    found = health()
    assert found.committer is not None
    found.committer.available = False
    status, said = await ask(found, "/readyz")
    assert (status, said["parts"]["store"]["ok"]) == (503, False)
    assert (await ask(found, "/healthz"))[0] == 200


@pytest.mark.anyio
async def test_status_has_everything() -> None:
    """One JSON object for scripts."""
    status, said = await ask(health(), "/status")
    assert (status, said["uptime"], said["supervisor"], said["fence"]) == (200, 9.0, "A", 3)
    assert [(queue["pending"], queue["delayed"]) for queue in said["queues"].values()] == [
        (1, 5),
        (2, 6),
        (3, 7),
        (4, 8),
    ]
