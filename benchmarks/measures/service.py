"""Measure 14: what the program takes as a service: ACME server, admin listener, log file, warnings, waiting sessions.

Default settings but for those. It serves a batch of orders first; then comes what it costs while nothing happens but
the scrapes of a Prometheus, then what it costs while a status page is open. Its memory is looked at after all of that.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import anyio

from benchmarks.figures import Figure, Setting, at_most, told
from benchmarks.processes import cpu_nanoseconds, memory
from benchmarks.sides import acme_servers
from benchmarks.sides.acme_servers import AcmeServer
from benchmarks.sides.crowd import waiting
from benchmarks.sides.looking import PAGE_EVERY, PAGE_ROUND, Looker, series
from benchmarks.sides.stores import store_in
from tests.harness.fetching import service_port

TITLE = "As a service: ACME server, admin listener, log file, warnings, 1,000 waiting sessions"
_WAITING = 1000
_SCRAPE_EVERY = 15
"""Seconds; what the documentation of this project's metrics configures."""
_MB = 1e6
_MORE = """[admin]
listen = "127.0.0.1:{port}"
[logs]
to = "{log}"
"""


class Cost(NamedTuple):
    """Nanoseconds of the program and of its store, in so many seconds."""

    program: float
    store: float
    seconds: float

    def share(self, who: str) -> float:
        """Percent of a core."""
        return float(getattr(self, who)) / 1e9 / self.seconds * 100


def with_scrapes(idle: Cost, made: int, scrape: Cost, every: float) -> Cost:
    """The cost of a time in which `made` scrapes came, as it is with one `every` so many seconds.

    Each that is missing is added at what one costs, and each that was too many is taken away; `math.inf` is for none.
    """
    missing = idle.seconds / every - made
    return Cost(idle.program + missing * scrape.program, idle.store + missing * scrape.store, idle.seconds)


def measure(setting: Setting) -> list[Figure]:
    """Shares of a core, and bytes."""
    port, orders = service_port(), setting.pick(40, 500)
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name) / "ours"
        more = _MORE.format(port=port, log=folder / "service.log")
        with (
            acme_servers.ours(folder, before=lambda data: anyio.run(_fill, data), more=more) as server,
            Looker(port) as looker,
        ):
            server.load("--at-once", 8, "--orders", orders)
            time.sleep(setting.pick(1, 3))
            for path in PAGE_ROUND:  # the first look imports and reads what later ones have
                looker.ask(path)
            text, scrapes = looker.scrape(), setting.pick(5, 50)
            scrape = _cost(server, lambda: _scrape(looker, scrapes))
            seconds, made = setting.pick(3, 60), setting.pick(0, 4)
            found = _cost(server, lambda: _idle(looker, seconds, made))
            idle = with_scrapes(found, made, _each(scrape, scrapes), _SCRAPE_EVERY)
            quiet = with_scrapes(found, made, _each(scrape, scrapes), math.inf)
            rounds = setting.pick(1, 15)
            page = _cost(server, lambda: looker.page(rounds))
            program, store = (memory(pid) for pid in server.pids)
    settled, over = f"after {orders:,} orders", f"over {seconds} s, a scrape each {_SCRAPE_EVERY} s"
    return [
        at_most("program, of a core", idle.share("program"), 0.3, " %", places=2, floor=over),
        told("store, of a core", idle.share("store"), " %", places=2, floor=over),
        told(
            "CPU of the program for a scrape",
            scrape.program / scrapes / 1e6,
            " ms",
            places=2,
            floor=f"{series(text)} series, {len(text) / 1024:.0f} KiB",
        ),
        told(
            "one open status page: the program, of a core",
            page.share("program") - quiet.share("program"),
            " %",
            places=2,
            floor=f"{len(PAGE_ROUND)} requests each {PAGE_EVERY:g} s",
        ),
        told("one open status page: the store, of a core", page.share("store") - quiet.share("store"), " %", places=2),
        at_most("memory of the program", program.resident / _MB, 90, " MB", places=1, floor=f"RSS, {settled}"),
        told("- shared pages by share", program.share / _MB, " MB", places=1, floor="PSS"),
        told("- its own", program.own / _MB, " MB", places=1, floor="USS"),
        told("memory of the store", store.resident / _MB, " MB", places=1, floor=f"RSS, {settled}"),
    ]


def _cost(server: AcmeServer, work: Callable[[], None]) -> Cost:
    before, began = [cpu_nanoseconds(pid) for pid in server.pids], time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    program, store = (cpu_nanoseconds(pid) - then for pid, then in zip(server.pids, before, strict=True))
    return Cost(program, store, seconds)


def _each(cost: Cost, times: int) -> Cost:
    return Cost(cost.program / times, cost.store / times, cost.seconds / times)


def _scrape(looker: Looker, times: int) -> None:
    for _ in range(times):
        looker.scrape()


def _idle(looker: Looker, seconds: float, scrapes: int) -> None:
    """So long, with so many scrapes, each in the middle of its part."""
    if not scrapes:
        time.sleep(seconds)
    for _ in range(scrapes):
        time.sleep(seconds / scrapes / 2)
        looker.scrape()
        time.sleep(seconds / scrapes / 2)


async def _fill(data: Path) -> None:
    async with store_in(data) as store:
        await waiting(store, _WAITING)
