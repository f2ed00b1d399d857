"""Measure 15: what one log line costs the program, by form and destination, beside a bare encoding and its write."""

from __future__ import annotations

from benchmarks.figures import Figure, Setting, median, told
from benchmarks.processes import run_side
from benchmarks.sides.log_lines import FORMS, SEVERAL

TITLE = "Logs: CPU of a stage.finished line"
_WAYS = {"pipe": "a pipe that is read", "file": "a file"}


def measure(setting: Setting) -> list[Figure]:
    """Microseconds."""
    found = run_side("log_lines", "--lines", setting.pick(1920, 16_000), "--rounds", setting.pick(2, 7))
    cost = {what: median(rounds) for what, rounds in found.items()}
    figures = []
    for way, text in _WAYS.items():
        bare = cost[f"bare {way}"]
        floor = f"bare {bare:.1f} µs"
        for form in FORMS:
            one = cost[f"{form} {way} {SEVERAL}"]
            figures.append(told(f"{form} to {text}, {SEVERAL} lines in a turn", one, " µs", places=1, floor=floor))
        one = cost[f"json {way} 1"]
        figures.append(told(f"json to {text}, alone in its turn", one, " µs", places=1, floor=floor))
        ratio = cost[f"json {way} {SEVERAL}"] / bare
        figures.append(told(f"json to {text}, of the bare one", ratio, "", places=2))
    figures.append(told("a debug line that is not written", cost["filtered"], " µs", places=2))
    return figures
