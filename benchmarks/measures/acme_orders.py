"""Measure 8: whole ACME orders, from newOrder to the downloaded chain: http-01 probed for real, P-256 keys.

Ours with every write fsynced, beside pebble with one order at a time (Debian's deadlocks with several) and beside Caddy
with several. All run from the first to the last round; the load (`sides.acme_load`) goes from one to the next, and
medians are compared. What a server calls `pending` or `processing` is asked for again at once, then after 1, 2, 4 ...
32 ms, whatever its Retry-After says: no server is slowed by its client.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.figures import Figure, Setting, at_least, at_most, median, told
from benchmarks.sides import acme_servers
from benchmarks.sides.acme_servers import AcmeServer

TITLE = "ACME: whole orders, http-01, P-256, ours with every write fsynced"
_SEVERAL = (8, 32)
_TIMES_CADDY = 4


def measure(setting: Setting) -> list[Figure]:
    """Orders per second, and what one takes."""
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with (
            acme_servers.ours(folder / "ours") as ours,
            acme_servers.pebble(folder / "pebble") as pebble,
            acme_servers.caddy(folder / "caddy") as caddy,
        ):
            found = _in_turns(setting, {"ours": ours, "pebble": pebble, "caddy": caddy})
    figures = _one_at_a_time(found)
    for at_once in _SEVERAL:
        figures += _several_at_once(found, at_once)
    return figures


def _in_turns(setting: Setting, servers: dict[str, AcmeServer]) -> dict[tuple[str, int], list[dict[str, Any]]]:
    plan = [("ours", 1), ("pebble", 1)] + [(who, at_once) for at_once in _SEVERAL for who in ("ours", "caddy")]
    orders = {1: setting.pick(40, 300), 8: setting.pick(80, 800), 32: setting.pick(160, 1500)}
    found: dict[tuple[str, int], list[dict[str, Any]]] = {entry: [] for entry in plan}
    for _ in range(setting.pick(1, 5)):
        for who, at_once in plan:
            run = servers[who].load("--at-once", at_once, "--orders", orders[at_once])
            found[who, at_once].append(run)
    return found


def _one_at_a_time(found: dict[tuple[str, int], list[dict[str, Any]]]) -> list[Figure]:
    ours, pebble = found["ours", 1], found["pebble", 1]
    rate, p50 = _median(pebble, "rate"), _median(pebble, "p50_ms")
    return [
        at_least("orders/s, 1 at a time", _median(ours, "rate"), rate, "", floor=f"pebble {rate:.1f}/s", places=1),
        at_most("p50 of an order, 1 at a time", _median(ours, "p50_ms"), p50, " ms", floor="pebble", places=2),
        told(
            "p95 of an order, 1 at a time",
            _median(ours, "p95_ms"),
            " ms",
            floor=f"pebble {_median(pebble, 'p95_ms'):.2f} ms",
            places=2,
        ),
        at_most(
            "requests for an order", _median(ours, "requests"), 6, "", floor=f"pebble {_median(pebble, 'requests'):.1f}"
        ),
        *(
            told(f"- {what}", _median([run["steps_ms"] for run in ours], what), " ms", floor="p50", places=2)
            for what in ours[0]["steps_ms"]
        ),
    ]


def _several_at_once(found: dict[tuple[str, int], list[dict[str, Any]]], at_once: int) -> list[Figure]:
    ours, caddy = found["ours", at_once], found["caddy", at_once]
    rate, theirs = _median(ours, "rate"), _median(caddy, "rate")
    what = f"{at_once} at a time"
    program, store = (median(run["server_cpu_us"][i] for run in ours) for i in (0, 1))
    p50, p95 = (f"Caddy {_median(caddy, name):.0f} ms" for name in ("p50_ms", "p95_ms"))
    (cpu,) = (median(run["server_cpu_us"][i] for run in caddy) for i in (0,))
    return [
        at_least(f"orders/s of Caddy's, {what}", rate / theirs, _TIMES_CADDY, "", places=2),
        told(f"orders/s, {what}", rate, "", floor=f"Caddy {theirs:.1f}/s", places=1),
        told(f"p50 of an order, {what}", _median(ours, "p50_ms"), " ms", floor=p50, places=1),
        told(f"p95 of an order, {what}", _median(ours, "p95_ms"), " ms", floor=p95, places=1),
        told(f"requests for an order, {what}", _median(ours, "requests"), "", places=1),
        told(f"CPU of the program for an order, {what}", program, " µs", floor=f"Caddy {cpu:,.0f} µs"),
        told(f"CPU of the store for an order, {what}", store, " µs"),
        told(f"CPU of the load for an order, {what}", _median(ours, "load_cpu_us"), " µs"),
    ]


def _median(runs: list[dict[str, Any]], name: str) -> float:
    return median(float(run[name]) for run in runs)
