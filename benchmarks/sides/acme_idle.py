"""Opens many TLS connections that stay idle, and measures a server before and while they are there.

`python -m benchmarks.sides.acme_idle --directory URL --trust PEM --connections N --requests N --seconds S --pid PID`;
prints one JSON line. Each connection asks for the directory once and is then kept. Latency is that of POST-as-GET of
the client's own account on a connection of its own, which takes JWS and store.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import time
from typing import Any

import uvloop

from benchmarks.processes import cpu_nanoseconds, resident_bytes
from benchmarks.sides.acme_client import Client

_OPENING = 50
"""Handshakes under way at once."""


async def watch(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, open, measure again."""
    trust = ssl.create_default_context(cafile=options.trust)
    asker = Client(options.directory, trust, {})
    await asker.start()
    await _latency(asker, options.requests)
    before, memory = await _latency(asker, options.requests), resident_bytes(options.pid)
    clients = [Client(options.directory, trust, {}) for _ in range(options.connections)]
    room = asyncio.Semaphore(_OPENING)

    async def open_one(client: Client) -> None:
        async with room:
            await client.get_directory()

    began = time.perf_counter()
    await asyncio.gather(*map(open_one, clients))
    opened = time.perf_counter() - began
    grown = resident_bytes(options.pid) - memory
    cpu, began = cpu_nanoseconds(options.pid), time.perf_counter()
    await asyncio.sleep(options.seconds)
    share = (cpu_nanoseconds(options.pid) - cpu) / 1e9 / (time.perf_counter() - began)
    after = await _latency(asker, options.requests)
    alive = sum(client.is_connected for client in clients)
    for client in (asker, *clients):
        client.close()
    return {
        "alive": alive,
        "opened_per_s": options.connections / opened,
        "bytes_each": grown / options.connections,
        "core": share,
        "before_ms": before,
        "after_ms": after,
    }


async def _latency(client: Client, requests: int) -> list[float]:
    """p50 and p95 in milliseconds."""
    client.reset()
    for _ in range(requests):
        await client.own_account()
    took = sorted(client.took["account"])
    return [took[len(took) // 2], took[len(took) * 95 // 100]]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--trust", required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--pid", type=int, required=True)
    print(json.dumps(uvloop.run(watch(parser.parse_args()))))


if __name__ == "__main__":
    main()
