"""Measure 9: where the CPU time of an ACME order goes, by part.

The program as in measure 8, with its doors wrapped (`sides.timed`); its speed is not counted. The innermost part that
is at work is charged. The requests of an order are counted by the load.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.figures import Figure, Setting, at_most, told
from benchmarks.sides import acme_servers
from benchmarks.sides.acme_load import WARM

TITLE = "ACME: the program's CPU for one order, by part"
_AT_ONCE = 32
_PARTS = {
    "http": "HTTP: reading, writing and encrypting",
    "jws": "JWS: parsing, ES256, nonces",
    "acme": "ACME: handlers, JSON, policy",
    "store": "store: calls and their encoding",
    "probes": "probes: sockets and HTTP",
    "dns": "probes: DNS",
    "crypto": "crypto: CSR, intent, certificate, lint",
    "stages": "stages: the rest of them",
    "machinery": "machinery: runner and committer",
    "logs": "logs",
}


def measure(setting: Setting) -> list[Figure]:
    """Microseconds, and requests."""
    orders = setting.pick(160, 2000)
    with TemporaryDirectory(prefix="bench-") as name:
        report = Path(name) / "report.json"
        with acme_servers.ours(Path(name) / "ours", report) as server:
            load = server.load("--at-once", _AT_ONCE, "--orders", orders)
        found: dict[str, Any] = json.loads(report.read_text())
    orders += WARM * _AT_ONCE  # those before the load's clock cost as much
    spent = {part: seconds / orders * 1e6 for part, seconds in found["spent"].items()}
    whole = found["whole"] / orders * 1e6
    return [
        at_most("requests for an order", load["requests"], 6, "", floor=f"of them polls: {load['polls']:.2f}"),
        told(f"the program, {_AT_ONCE} at a time", whole, " µs", floor=f"the load itself {load['load_cpu_us']:.0f} µs"),
        *(told(f"- {text}", spent.get(part, 0.0), " µs") for part, text in _PARTS.items()),
        told("- event loop, decrypting and the rest", whole - sum(spent.values()), " µs"),
        told("the store", load["server_cpu_us"][1], " µs"),
    ]
