"""The admin listener of the running program: health, metrics, status, and clients that misbehave."""

from __future__ import annotations

import base64
import json
import signal
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from anyio import to_thread

from supervisor.admin.listener import LIMITS
from tests.harness.fetching import Answer, fetch, send, service_port
from tests.harness.process import Program
from tests.harness.site import Site, site

QUEUES = ["makechallenge", "testchallenge", "issue", "done"]


@asynccontextmanager
async def served(folder: Path, extra: str = "") -> AsyncIterator[tuple[Site, Program, int]]:
    port = service_port()
    async with site(folder, f'[admin]\nlisten = "127.0.0.1:{port}"\n{extra}') as ca:
        with await ca.start() as program:
            yield ca, program, port
            assert await to_thread.run_sync(program.stop) == 0
            assert program.named("http.failed") == []


def number(metrics: str, sample: str) -> float:
    [line] = [line for line in metrics.splitlines() if line.startswith(f"ca_supervisor_{sample} ")]
    return float(line.rpartition(" ")[2])


@pytest.mark.anyio
async def test_pages_tell_what_the_program_does(tmp_path: Path) -> None:
    """Under load the pages show the queues, what is in flight, and what was done."""
    async with served(tmp_path, "[queues.testchallenge]\nconcurrency = 2\n") as (ca, program, port):
        healthy = await fetch(port, "/healthz")
        assert (healthy.status, json.loads(healthy.text)["status"]) == (200, "ok")
        found = await fetch(port, "/readyz")
        parts = json.loads(found.text)["parts"]
        assert (found.status, list(parts)) == (200, ["program", "store", "lease", "recovery", "issuer main"])
        assert {part["ok"] for part in parts.values()} == {True}
        ca.peer.delay = 3.0
        await ca.submit(5)
        await ca.until_asked(2)
        await ca.until(lambda found: found.pending["testchallenge"] == 3)
        metrics = (await fetch(port, "/metrics?x=y")).text
        assert number(metrics, 'queue_in_flight{queue="testchallenge"}') == 2
        assert number(metrics, 'queue_pending{queue="testchallenge"}') == 3
        assert number(metrics, 'queue_concurrency{queue="testchallenge"}') == 2
        assert number(metrics, 'stage_outcomes_total{outcome="advance",queue="makechallenge"}') == 5
        assert number(metrics, "store_available") == number(metrics, "lease_held") == number(metrics, "ready") == 1
        status = json.loads((await fetch(port, "/status")).text)
        assert status["supervisor"] == program.named("lease.taken")[0]["supervisor"]
        assert list(status["queues"]) == QUEUES
        assert status["queues"]["testchallenge"]["in_flight"] == 2
        ca.peer.delay = 0.0
        await ca.until_done(5)
        after = (await fetch(port, "/metrics")).text
        assert number(after, 'stage_outcomes_total{outcome="advance",queue="issue"}') == 5
        assert number(after, "certificates_issued_total") == 5
        assert number(after, 'queue_wait_seconds_count{queue="issue"}') == 5
        plain = json.loads((await fetch(port, "/status")).text)
        assert plain["uptime"] > status["uptime"]


@pytest.mark.anyio
async def test_health_fails_while_the_program_stops(tmp_path: Path) -> None:
    """A load balancer hears of the stop while the work in flight still ends."""
    async with served(tmp_path) as (ca, program, port):
        ca.peer.delay = 2.0
        await ca.submit(1)
        await ca.until_asked(1)
        program.process.terminate()
        await to_thread.run_sync(program.wait_for, "supervisor.stopping")
        sick = await fetch(port, "/readyz")
        assert (sick.status, json.loads(sick.text)["parts"]["program"]) == (503, {"ok": False, "state": "stopping"})
        assert (await fetch(port, "/healthz")).status == 200


@pytest.mark.anyio
async def test_only_reading_is_answered(tmp_path: Path) -> None:
    """GET and HEAD of the pages; everything else gets its error, and the program stays well."""
    async with served(tmp_path) as (_, _, port):
        head = await fetch(port, "/readyz", "HEAD")
        assert (head.status, head.text) == (200, "")
        assert "Content-Length: 0" not in head.head
        assert (await fetch(port, "/health")).status == 404
        post = await fetch(port, "/healthz", "POST")
        assert post.status == 405
        assert "Allow: GET, HEAD" in post.head
        body = b"POST /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\r\n"
        assert (await send(port, body)).status == 413
        assert (await send(port, b"\x16\x03\x01 garbage\r\n\r\n")).status == 400
        field = b"GET / HTTP/1.1\r\nhost: localhost\r\na: " + b"a" * LIMITS.max_head + b"\r\n\r\n"
        assert (await send(port, field)).status == 431
        assert (await fetch(port, "/healthz")).status == 200


@pytest.mark.anyio
async def test_silent_clients_are_bounded(tmp_path: Path) -> None:
    """So many connections at once, one more is told 503; silent ones end after five seconds, others are served then."""
    async with served(tmp_path) as (_, _, port):
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(LIMITS.connections)]
        try:
            assert (await fetch(port, "/healthz")).status == 503
            for connection in silent:
                connection.settimeout(10)
                assert await to_thread.run_sync(connection.recv, 1) == b""
            assert (await fetch(port, "/healthz")).status == 200
        finally:
            for connection in silent:
                connection.close()


@pytest.mark.anyio
async def test_other_names_are_refused(tmp_path: Path) -> None:
    """A page whose name was made to point here reads nothing (DNS rebinding); addresses and localhost do."""
    async with served(tmp_path) as (_, _, port):
        ask = "GET /status HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n"
        answers = {
            host: (await send(port, ask.format(host).encode())).status
            for host in ("rebound.example.org", f"rebound.example.org:{port}", f"localhost:{port}", f"[::1]:{port}")
        }
        assert list(answers.values()) == [421, 421, 200, 200]


@pytest.mark.anyio
async def test_token_is_asked_for(tmp_path: Path) -> None:
    """With a token file nothing is told without the token; a reload takes a new token at once."""
    (tmp_path / "token").write_text("a-token-of-24-characters\nand a note\n")
    async with served(tmp_path, 'token_file = "token"\n') as (_, program, port):

        async def ask(credentials: str) -> Answer:
            given = f"authorization: {credentials}\r\n" if credentials else ""
            head = f"GET /status HTTP/1.1\r\nhost: ca.example.org\r\n{given}connection: close\r\n\r\n"
            return await send(port, head.encode())

        basic = base64.b64encode(b"anyone:a-token-of-24-characters").decode()
        assert (await ask("")).status == (await ask("Bearer a-token-of-24-character")).status == 401
        assert 'WWW-Authenticate: Bearer realm="ca-supervisor"' in (await ask("")).head
        assert (await ask("Bearer a-token-of-24-characters")).status == (await ask(f"Basic {basic}")).status == 200
        (tmp_path / "token").write_text("short")
        program.process.send_signal(signal.SIGHUP)
        await to_thread.run_sync(program.wait_for, "config.refused")
        assert (await ask("Bearer a-token-of-24-characters")).status == 200
        (tmp_path / "token").write_text("another-token-is-here-now")
        program.process.send_signal(signal.SIGHUP)
        await to_thread.run_sync(program.wait_for, "config.reloaded")
        assert (await ask("Bearer a-token-of-24-characters")).status == 401
        assert (await ask("Bearer another-token-is-here-now")).status == 200


def ask_socket(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(path))
        asking.sendall(b"GET /healthz HTTP/1.1\r\nhost: any.example.org\r\nconnection: close\r\n\r\n")
        return b"".join(iter(lambda: asking.recv(4096), b""))


@pytest.mark.anyio
async def test_unix_socket(tmp_path: Path) -> None:
    """A socket's file has mode 0660, replaces what a dead process has left, goes with the program, has one owner."""
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    async with site(tmp_path, f'[admin]\nlisten = "unix:{path}"\n') as ca:
        with await ca.start() as program:
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            assert b'{"status":"ok"' in await to_thread.run_sync(ask_socket, path)
            with Program(ca.config) as second:
                assert await to_thread.run_sync(second.end) == 3
            assert "another program listens there" in second.named("supervisor.failed")[0]["why"]
            assert b'{"status":"ok"' in await to_thread.run_sync(ask_socket, path)
            assert await to_thread.run_sync(program.stop) == 0
        assert not path.exists()
        path.write_text("a file of somebody else")
        with Program(ca.config) as third:
            assert await to_thread.run_sync(third.end) == 3
        assert path.read_text() == "a file of somebody else"


@pytest.mark.anyio
async def test_address_in_use_is_a_mistake_of_the_settings(tmp_path: Path) -> None:
    """The program ends with code 3 and names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        async with site(tmp_path, f'[admin]\nlisten = "127.0.0.1:{other.getsockname()[1]}"\n') as ca:
            with Program(ca.config) as program:
                assert await to_thread.run_sync(program.end) == 3
            assert "admin.listen" in program.named("supervisor.failed")[0]["why"]
