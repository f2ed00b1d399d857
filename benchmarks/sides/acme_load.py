"""The ACME load: workers that place whole orders, from newOrder to the downloaded chain, and their http-01 responder.

`python -m benchmarks.sides.acme_load --directory URL --trust PEM --respond HOST:PORT --at-once N --orders N [--pid PID
...] [--new-only]`; prints one JSON line. Keys and CSRs are made before the clock starts; each worker has one account
and one connection. With --new-only an order ends with the answer to newOrder.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import ssl
import time
from collections import Counter
from typing import Any, cast

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from benchmarks.processes import cpu_seconds
from benchmarks.sides.acme_client import Client, b64

WARM = 3
"""Orders of each worker before the clock starts."""


class Answer(asyncio.Protocol):
    """The http-01 responder: one connection, one request, one answer, the end."""

    def __init__(self, tokens: dict[str, str]) -> None:
        self._tokens = tokens
        self._head = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        """Answer a whole request."""
        self._head += data
        if b"\r\n\r\n" not in self._head or self._transport is None:
            return
        body = self._tokens.get(self._head.split(b" ", 2)[1].rpartition(b"/")[2].decode("latin-1"), "").encode()
        status = b"200 OK" if body else b"404 Not Found"
        self._transport.write(
            b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
        )
        self._transport.close()


def make_csr(name: str) -> str:
    """A CSR with a P-256 key of its own, as finalize takes it."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return b64(builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER))


def new_names(count: int) -> list[str]:
    """Names that no order had before."""
    return [f"{secrets.token_hex(8)}.example.com" for _ in range(count)]


async def place_orders(options: argparse.Namespace) -> dict[str, Any]:
    """Run them; what it took."""
    loop, tokens = asyncio.get_running_loop(), dict[str, str]()
    host, _, port = options.respond.rpartition(":")
    responder = await loop.create_server(lambda: Answer(tokens), host, int(port), backlog=1024)
    trust = ssl.create_default_context(cafile=options.trust)
    clients = [Client(options.directory, trust, tokens) for _ in range(options.at_once)]
    todo = [(name, make_csr(name)) for name in new_names(options.orders + WARM * len(clients))]

    async def work(client: Client, number: int) -> list[float]:
        took = []
        while len(todo) > number:
            name, csr = todo.pop()
            began = time.perf_counter()
            if options.new_only:
                await client.new_order(name)
            elif "BEGIN CERTIFICATE" not in await client.order(name, csr):
                raise ValueError("there is no certificate in the answer")
            took.append((time.perf_counter() - began) * 1000)
        return took

    for client in clients:
        await client.start()
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(work(client, options.orders))
    for client in clients:
        client.reset()
    before, own = [cpu_seconds(pid) for pid in options.pid], time.process_time()
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work(client, 0)) for client in clients]
    seconds, own = time.perf_counter() - began, time.process_time() - own
    after = [cpu_seconds(pid) for pid in options.pid]
    took = sorted(one for task in tasks for one in task.result())
    requests: Counter[str] = sum((client.requests for client in clients), Counter())
    steps: dict[str, list[float]] = {}
    for client in clients:
        for what, values in client.took.items():
            steps.setdefault(what, []).extend(values)
        client.close()
    responder.close()
    return {
        "rate": options.orders / seconds,
        "p50_ms": took[len(took) // 2],
        "p95_ms": took[len(took) * 95 // 100],
        "requests": requests.total() / options.orders,
        "polls": sum(requests[what] for what in requests if what.endswith("again")) / options.orders,
        "load_cpu_us": own / options.orders * 1e6,
        "server_cpu_us": [(b - a) / options.orders * 1e6 for a, b in zip(before, after, strict=True)],
        "steps_ms": {what: sorted(values)[len(values) // 2] for what, values in steps.items()},
    }


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--trust", required=True)
    parser.add_argument("--respond", required=True, metavar="HOST:PORT")
    parser.add_argument("--at-once", type=int, required=True)
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--pid", type=int, action="append", default=[])
    parser.add_argument("--new-only", action="store_true")
    print(json.dumps(uvloop.run(place_orders(parser.parse_args()))))


if __name__ == "__main__":
    main()
