"""The admin listener of the running program: health, metrics, status, and clients that misbehave."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from anyio import to_thread

from supervisor.admin.listener import CONNECTIONS
from supervisor.admin.request import HEAD_LIMIT
from tests.harness.fetching import fetch, free_port, send
from tests.harness.process import Program
from tests.harness.site import Site, site

QUEUES = ["makechallenge", "testchallenge", "issue", "done"]


@asynccontextmanager
async def served(folder: Path, extra: str = "") -> AsyncIterator[tuple[Site, Program, int]]:
    port = free_port()
    async with site(folder, f'[admin]\nlisten = "127.0.0.1:{port}"\n{extra}') as ca:
        with await ca.start() as program:
            yield ca, program, port
            assert await to_thread.run_sync(program.stop) == 0
            assert program.named("admin.failed") == []


def number(metrics: str, sample: str) -> float:
    [line] = [line for line in metrics.splitlines() if line.startswith(f"ca_supervisor_{sample} ")]
    return float(line.rpartition(" ")[2])


@pytest.mark.anyio
async def test_pages_tell_what_the_program_does(tmp_path: Path) -> None:
    """Under load the pages show the queues, what is in flight, and what was done."""
    async with served(tmp_path, "[queues.testchallenge]\nconcurrency = 2\n") as (ca, program, port):
        healthy = await fetch(port, "/health")
        assert (healthy.status, healthy.text) == (200, '{"status":"ok"}\n')
        ca.peer.delay = 3.0
        await ca.submit(5)
        await ca.until_asked(2)
        await ca.until(lambda found: found.pending["testchallenge"] == 3)
        metrics = (await fetch(port, "/metrics?x=y")).text
        assert number(metrics, 'queue_in_flight{queue="testchallenge"}') == 2
        assert number(metrics, 'queue_pending{queue="testchallenge"}') == 3
        assert number(metrics, 'queue_concurrency{queue="testchallenge"}') == 2
        assert number(metrics, 'outcomes_total{queue="makechallenge",outcome="advance"}') == 5
        assert number(metrics, "store_available") == number(metrics, "lease_held") == number(metrics, "ready") == 1
        status = json.loads((await fetch(port, "/status")).text)
        assert status["supervisor"] == program.named("lease.taken")[0]["supervisor"]
        assert list(status["queues"]) == QUEUES
        assert status["queues"]["testchallenge"]["in_flight"] == 2
        ca.peer.delay = 0.0
        await ca.until_done(5)
        after = (await fetch(port, "/metrics")).text
        assert number(after, 'outcomes_total{queue="issue",outcome="advance"}') == 5
        assert number(after, "uptime_seconds") > number(metrics, "uptime_seconds")


@pytest.mark.anyio
async def test_health_fails_while_the_program_stops(tmp_path: Path) -> None:
    """A load balancer hears of the stop while the work in flight still ends."""
    async with served(tmp_path) as (ca, program, port):
        ca.peer.delay = 2.0
        await ca.submit(1)
        await ca.until_asked(1)
        program.process.terminate()
        await to_thread.run_sync(program.wait_for, "supervisor.stopping")
        sick = await fetch(port, "/health")
        assert (sick.status, json.loads(sick.text)["faults"]) == (503, ["stopping"])


@pytest.mark.anyio
async def test_only_reading_is_answered(tmp_path: Path) -> None:
    """GET and HEAD of three pages; everything else gets its error, and the program stays well."""
    async with served(tmp_path) as (_, _, port):
        head = await fetch(port, "/health", "HEAD")
        assert (head.status, head.text) == (200, "")
        assert "content-length: 16" in head.head
        assert (await fetch(port, "/")).status == 404
        post = await fetch(port, "/health", "POST")
        assert post.status == 405
        assert "allow: GET, HEAD" in post.head
        assert (await send(port, b"\x16\x03\x01 garbage\r\n\r\n")).status == 400
        assert (await send(port, b"GET /" + b"a" * HEAD_LIMIT + b" HTTP/1.1\r\n")).status == 431
        assert (await send(port, b"GET /health HTTP/1.1\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n")).status == 200
        assert (await fetch(port, "/health")).status == 200


@pytest.mark.anyio
async def test_silent_clients_are_bounded(tmp_path: Path) -> None:
    """So many connections at once and no more; silent ones are closed after five seconds, others are served then."""
    async with served(tmp_path) as (_, _, port):
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
        try:
            assert (await fetch(port, "/health")).status == 0
            for connection in silent:
                connection.settimeout(10)
                assert await to_thread.run_sync(connection.recv, 1) == b""
            assert (await fetch(port, "/health")).status == 200
        finally:
            for connection in silent:
                connection.close()


@pytest.mark.anyio
async def test_address_in_use_is_a_mistake_of_the_settings(tmp_path: Path) -> None:
    """The program ends with code 3 and names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        async with site(tmp_path, f'[admin]\nlisten = "127.0.0.1:{other.getsockname()[1]}"\n') as ca:
            with Program(ca.config) as program:
                assert await to_thread.run_sync(program.end) == 3
            assert "admin.listen" in program.named("supervisor.failed")[0]["why"]
