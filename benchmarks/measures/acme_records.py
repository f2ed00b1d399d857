"""Measure 12: newOrder with 10,000 accounts and 100,000 orders on record, beside an empty store.

Two programs run side by side and take turns; one has found the records in its store when it started: accounts and
orders as the front door's moves make them, each order with its challenges and waiting for its client.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from redis import Redis

from benchmarks.figures import Figure, Setting, at_most, median, told
from benchmarks.processes import resident_bytes
from benchmarks.sides import acme_crowd, acme_servers
from benchmarks.sides.stores import store_in
from supervisor.embedded import socket_path

TITLE = "ACME: newOrder with many accounts and orders on record"
_ORDERS = 10
"""Of each account."""


def measure(setting: Setting) -> list[Figure]:
    """Milliseconds and bytes."""
    accounts, requests = setting.pick(300, 10_000), setting.pick(60, 500)
    filled: dict[str, Any] = {}
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)

        def fill(data: Path) -> None:
            filled.update(anyio.run(_fill, data, accounts))

        with (
            acme_servers.ours(folder / "full", before=fill) as full,
            acme_servers.ours(folder / "empty") as empty,
        ):
            servers = {"full": full, "empty": empty}
            found: dict[str, list[dict[str, Any]]] = {who: [] for who in servers}
            for _ in range(setting.pick(3, 9)):
                for who, server in servers.items():
                    words = ("--new-only", "--at-once", 1, "--orders", requests)
                    found[who].append(server.load(*words))
            resident = {who: resident_bytes(server.pids[0]) for who, server in servers.items()}
            used = {who: _used(folder / who / "data") for who in servers}
    orders = accounts * _ORDERS
    p50 = {who: median(run["p50_ms"] for run in runs) for who, runs in found.items()}
    p95 = {who: median(run["p95_ms"] for run in runs) for who, runs in found.items()}
    return [
        at_most(
            f"p50 of newOrder, {accounts:,} accounts, {orders:,} orders, of that with none",
            p50["full"] / p50["empty"],
            1.2,
            "",
            floor=f"{p50['full']:.2f} ms, none {p50['empty']:.2f} ms",
            places=2,
        ),
        told("p95 of newOrder", p95["full"], " ms", floor=f"none {p95['empty']:.2f} ms", places=2),
        told("memory of the store", used["full"] / 2**20, " MiB", floor=f"none {used['empty'] / 2**20:.1f} MiB"),
        told("- for an account", filled["account"] / 1024, " KiB", floor="used_memory", places=2),
        told("- for an order of one name that waits", filled["order"] / 1024, " KiB", floor="used_memory", places=2),
        told(
            "memory of the program",
            resident["full"] / 2**20,
            " MiB",
            floor=f"none {resident['empty'] / 2**20:.1f} MiB, resident set",
        ),
    ]


def _used(data: Path) -> int:
    with Redis(unix_socket_path=str(socket_path(data))) as redis:
        memory: dict[str, Any] = redis.info("memory")
    return int(memory["used_memory"])


async def _fill(data: Path, accounts: int) -> dict[str, float]:
    """Fill a store; the bytes of an account and of an order in it."""
    async with store_in(data) as store:
        redis = store.redis
        await redis.config_set("appendfsync", "no")
        await acme_crowd.make_orders(store, await acme_crowd.make_accounts(store, 1), 1)  # scripts and lists are there
        before = (await redis.info("memory"))["used_memory"]
        made = await acme_crowd.make_accounts(store, accounts)
        between = (await redis.info("memory"))["used_memory"]
        await acme_crowd.make_orders(store, made, _ORDERS)
        after = (await redis.info("memory"))["used_memory"]
    return {"account": (between - before) / accounts, "order": (after - between) / accounts / _ORDERS}
