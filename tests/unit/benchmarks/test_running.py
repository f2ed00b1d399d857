"""What the benchmarks of the running program compute: memory, CPU, scrapes, and what a session counts."""

from __future__ import annotations

import math
import os
import re
import time

from prometheus_client import CollectorRegistry

from benchmarks.measures.service import Cost, with_scrapes
from benchmarks.processes import Memory, cpu_nanoseconds, memory, read_rollup
from benchmarks.sides.counting import CALLS, Library, Own, count, session_moves
from benchmarks.sides.looking import PAGE_EVERY, PAGE_ROUND, series
from supervisor.meter import QueueMeter
from tests.harness.process import ROOT

_ROLLUP = """55d0a000-7ffd9000 ---p 00000000 00:00 0                      [rollup]
Rss:                1000 kB
Pss:                 700 kB
Pss_Dirty:           500 kB
Shared_Clean:        300 kB
Private_Clean:        40 kB
Private_Dirty:       600 kB
Locked:                0 kB
"""
_PAGE = ROOT / "supervisor" / "admin" / "page"


def test_rollup_gives_resident_shared_and_own_memory() -> None:
    """RSS and PSS as they stand there; USS is what is private, clean or dirty; KiB become bytes."""
    assert Memory(1000 * 1024, 700 * 1024, 640 * 1024) == read_rollup(_ROLLUP)


def test_memory_of_a_process_is_read_whole() -> None:
    """A process has what is its own, shares some, and no more than all of that is resident."""
    found = memory(os.getpid())
    assert 0 < found.own <= found.share <= found.resident


def test_cpu_of_a_process_is_its_own_clock() -> None:
    """The clock that is looked up by pid is the one that a process reads of itself."""
    before = time.process_time_ns()
    found = cpu_nanoseconds(os.getpid())
    assert before <= found <= time.process_time_ns()


def test_scrapes_that_are_missing_are_added_and_none_can_be_wanted() -> None:
    """Three seconds have a fifth of a scrape; a minute with four needs no more, and costs less without them."""
    scrape = Cost(10.0, 5.0, 0.1)
    assert Cost(102.0, 51.0, 3.0) == with_scrapes(Cost(100.0, 50.0, 3.0), 0, scrape, 15)
    assert Cost(100.0, 50.0, 60.0) == with_scrapes(Cost(100.0, 50.0, 60.0), 4, scrape, 15)
    assert Cost(60.0, 30.0, 60.0) == with_scrapes(Cost(100.0, 50.0, 60.0), 4, scrape, math.inf)


def test_share_is_of_one_core() -> None:
    """Half a second of CPU in ten seconds is five percent."""
    assert Cost(0.5e9, 0, 10.0).share("program") == 5


def test_series_are_lines_without_comments() -> None:
    """Neither HELP and TYPE nor the end of the text is a series."""
    assert series("# HELP a b\n# TYPE a counter\na_total 1\na_bucket{le='1'} 2\n\n# EOF\n") == 2


def test_round_of_the_page_is_what_the_page_asks() -> None:
    """The interval, the lists and their lengths stand in the page's own scripts."""
    app, sessions = (_PAGE / "app.js").read_text(), (_PAGE / "sessions.js").read_text()
    table = re.search(r"const ATTENTION = (\[.*\]);", sessions)
    rows = re.search(r"const ATTENTION_ROWS = (\d+);", sessions)
    assert table is not None
    assert rows is not None
    kinds = re.findall(r'\["([a-z]+)",', table[1])
    assert f"const EVERY = {PAGE_EVERY * 1000:.0f};" in app
    assert [f"/api/sessions?show={kind}&count={rows[1]}" for kind in kinds] == list(PAGE_ROUND[2:])
    assert PAGE_ROUND[:2] == ("/api/overview", "/api/sessions?show=newest&count=50")
    asked = re.findall(r'ask\("(/api/\w+)"', app + sessions)
    assert sorted(path.partition("?")[0] for path in PAGE_ROUND[:3]) == sorted(asked)


def test_both_sides_count_the_same_of_a_session() -> None:
    """Ours and the library's have the same tries, outcomes, waits, calls, certificates and retirements."""
    own, library = Own(), Library()
    for side in (own, library):
        for number in range(3):
            count(side, *session_moves(f"{number:064x}"))
    meter, found = own.meter, values(library.registry)
    assert {
        **{f"stage_duration_seconds_count {name}": queue.stage.count for name, queue in named(meter.queues)},
        **{f"stage_outcomes_total {name} advance": queue.outcomes["advance"] for name, queue in named(meter.queues)},
        **{f"queue_wait_seconds_count {name}": queue.wait.count for name, queue in named(meter.queues)},
        "store_call_seconds_count": meter.store.seconds.count,
        "store_call_moves_count": meter.store.moves.count,
        "certificates_issued_total": meter.issued,
        "sessions_retired_total": meter.retired,
    } == found
    assert (meter.issued, meter.retired, meter.store.seconds.count) == (3, 3, 3 * CALLS)


def named(queues: tuple[QueueMeter, ...]) -> list[tuple[str, QueueMeter]]:
    """The queues with their names."""
    return list(zip(("makechallenge", "testchallenge", "issue", "done"), queues, strict=True))


def values(registry: CollectorRegistry) -> dict[str, float]:
    """What the library has counted, by name and labels."""
    return {
        " ".join((sample.name, *sample.labels.values())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name.endswith(("_count", "_total"))
    }
