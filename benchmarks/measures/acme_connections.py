"""Measure 11: 1,000 idle keep-alive TLS connections: their memory, and the latency of others beside them.

The program with its default settings. Each connection has had one answer and then stays as it is; another one asks for
its account, POST-as-GET, before they are there and while they are.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import CannotRun, Figure, Setting, told
from benchmarks.processes import run_side
from benchmarks.sides import acme_servers

TITLE = "ACME: 1,000 idle TLS connections"
_CONNECTIONS = 1000


def measure(setting: Setting) -> list[Figure]:
    """Bytes and milliseconds."""
    with TemporaryDirectory(prefix="bench-") as name, acme_servers.ours(Path(name) / "ours") as server:
        words = ("--directory", server.directory, "--trust", server.trust, "--pid", server.pids[0])
        sizes = ("--connections", _CONNECTIONS, "--requests", setting.pick(100, 1000))
        found = run_side("acme_idle", *words, *sizes, "--seconds", setting.pick(2, 20))
    if found["alive"] < _CONNECTIONS:
        raise CannotRun(f"only {found['alive']} of {_CONNECTIONS} connections were still open at the end")
    before, after = found["before_ms"], found["after_ms"]
    return [
        told("memory of a connection", found["bytes_each"] / 1024, " KiB", places=1, floor="resident set"),
        told(
            "p50 of a signed request beside them", after[0], " ms", places=2, floor=f"without them {before[0]:.2f} ms"
        ),
        told(
            "p95 of a signed request beside them", after[1], " ms", places=2, floor=f"without them {before[1]:.2f} ms"
        ),
        told("the program meanwhile, of a core", found["core"] * 100, " %", places=2),
        told("connections opened per second", found["opened_per_s"], "", floor="50 handshakes at once"),
    ]
