"""Measure 1: sessions per second through all four queues with stages that do nothing.

Ours, with every write fsynced, beside a bare group commit with every write fsynced (`sides.bare`), and beside the
fastest of three task queues with four chained tasks and a disk that is asked once a second (`sides.peers`).
Each side is one process and one server; sides take turns, and the medians are compared.
"""

from __future__ import annotations

import anyio

from benchmarks.figures import CannotRun, Figure, Setting, at_least, median, told
from benchmarks.processes import ROOT, run, run_side
from benchmarks.sides.stores import fresh_store

TITLE = "Machinery: four queues, stages that do nothing"
SLOTS = 64
"""Sessions at work at once in each queue."""
PEERS = {"huey": 4, "taskiq": 256, "saq": 64}
"""How many workers each peer is fastest with, of 1, 4, 8, 16, 64 and 256."""


def measure(setting: Setting) -> list[Figure]:
    """Figures of all sides."""
    sessions, rounds = setting.pick(3000, 8000), setting.pick(2, 5)
    ours: list[dict[str, float]] = []
    bare: list[dict[str, float]] = []
    peers: dict[str, list[float]] = {name: [] for name in (PEERS if setting.peers else ())}
    for number in range(rounds):
        ours.append(run_side("ours", "machinery", "--sessions", sessions, "--slots", SLOTS))
        bare.append(run_side("bare", "--sessions", sessions, "--slots", sessions))
        if number < setting.pick(1, 3):
            for name, found in peers.items():
                found.append(_peer(setting, name, setting.pick(500, 1500)))
    rate, floor = median(run["rate"] for run in ours), median(run["rate"] for run in bare)
    figures = []
    if not peers:
        figures.append(Figure("times the fastest peer (the aim is 25)", "not measured", "the peers are not here"))
    else:
        rates = {name: median(found) for name, found in peers.items()}
        fastest = max(rates, key=lambda name: rates[name])
        figures.append(
            at_least(
                "times the fastest peer (the aim is 25)",
                rate / rates[fastest],
                10,
                "",
                floor=", ".join(f"{name} {rates[name]:,.0f}/s" for name in rates) + ", everysec",
                places=1,
            )
        )
    figures += [
        at_least("of the bare group commit", rate / floor, 0.5, "", floor=f"{floor:,.0f} sessions/s", places=2),
        told(
            "sessions/s, every write fsynced",
            rate,
            "",
            floor=f"best of the bare ones {max(b['rate'] for b in bare):,.0f}",
        ),
        *_cost("CPU of the program for a session", "cpu_us", ours, bare),
        *_cost("CPU of the store for a session", "store_cpu_us", ours, bare),
        told("script calls for 1,000 sessions", median(run["script_calls"] for run in ours) / sessions * 1000, ""),
    ]
    return figures


def _cost(what: str, name: str, ours: list[dict[str, float]], bare: list[dict[str, float]]) -> list[Figure]:
    floor = median(run[name] for run in bare)
    return [told(what, median(run[name] for run in ours), " µs", floor=f"{floor:.0f} µs")]


def _peer(setting: Setting, name: str, sessions: int) -> float:
    async def once() -> float:
        async with fresh_store("everysec") as store:
            side = ROOT / "benchmarks" / "sides" / "peers.py"
            command = [str(setting.peers), str(side), name, "--url", store.settings.url]
            command += ["--sessions", str(sessions), "--workers", str(PEERS[name])]
            return float((await anyio.to_thread.run_sync(run, command))["rate"])

    try:
        return anyio.run(once)
    except CannotRun as why:
        raise CannotRun(f"peer {name}: {why}") from None
