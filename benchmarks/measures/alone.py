"""Measure 2: how long one session alone takes through four queues with stages that do nothing, every write fsynced.

Beside each, in turn: four bare script calls one after the other, each of which waits for the disk as ours do. The first
move of a session (its submission) is one more, so that five is what a session that waits for its answers needs.
"""

from __future__ import annotations

from benchmarks.figures import Figure, Setting, at_most, median, told
from benchmarks.processes import run_side

TITLE = "One session alone"
_P95 = 0.95


def measure(setting: Setting) -> list[Figure]:
    """Milliseconds from submission to retirement."""
    runs = [run_side("ours", "alone", "--sessions", setting.pick(200, 1000)) for _ in range(setting.pick(1, 3))]
    took = sorted(one for run in runs for one in run["took_ms"])
    floor = median(one for run in runs for one in run["floor_ms"])
    return [
        at_most("p50", median(took), 3, " ms", floor=f"four bare script calls {floor:.2f} ms", places=2),
        told("times the four bare calls", median(took) / floor, "", places=2),
        told("p95", took[int(len(took) * _P95)], " ms", places=2),
    ]
