"""Measure 16: what counting costs for each session, and a scrape, beside prometheus-client's own counters."""

from __future__ import annotations

from benchmarks.figures import CannotRun, Figure, Setting, median, told
from benchmarks.processes import run_side

TITLE = "Metrics: CPU of counting and of a scrape"


def measure(setting: Setting) -> list[Figure]:
    """Microseconds and milliseconds."""
    rounds = ("--rounds", setting.pick(2, 7))
    sessions = run_side("counting", "--sessions", setting.pick(2000, 50_000), *rounds)
    scrapes = run_side("scraping", "--scrapes", setting.pick(5, 100), *rounds)
    if scrapes["series"] != scrapes["library_series"]:
        raise CannotRun(f"{scrapes['series']} series beside {scrapes['library_series']}: not the same is written")
    own, library = median(sessions["own"]), median(sessions["library"])
    page, theirs = median(scrapes["own"]) / 1000, median(scrapes["library"]) / 1000
    lines, size = scrapes["series"], scrapes["bytes"] / 1024
    return [
        told("counting of a session", own, " µs", places=1, floor=f"prometheus-client {library:.1f} µs"),
        told("times prometheus-client's", own / library, "", places=2),
        told(
            f"a scrape, {lines} series, {size:.0f} KiB",
            page,
            " ms",
            places=2,
            floor=f"prometheus-client with as many of its own {theirs:.2f} ms",
        ),
        told("- times prometheus-client's", page / theirs, "", places=2),
    ]
