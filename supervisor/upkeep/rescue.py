"""One recovery scan as the program runs it: with a progress bar on a terminal, with events in the logs otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stages.store.lease import Lease
from stages.store.scanning import Scanner
from stages.store.store import Store
from supervisor.meter import RecoveryMeter
from supervisor.pipeline.committer import Committer
from supervisor.recovery import scan
from supervisor.recovery.decide import LEAVE_WAITING, Action
from supervisor.reload import Reloader

log = structlog.get_logger()

_EVERY = 5.0
"""Seconds between two progress events."""


async def rescue(
    store: Store, lease: Lease, reloader: Reloader, committer: Committer, *, show: bool = False
) -> scan.Report:
    """Scan once and put every session where it belongs; `show` says how far it is."""
    scanner, began = Scanner(store), time.monotonic()
    total = await scanner.count()
    if show:
        log.info("recovery.started", sessions=total)
    with progress(total) if show else _silent() as advance:
        recovery = scan.Recovery(
            scanner,
            lease,
            limits=reloader.domain.limits,
            batch=reloader.settings.recovery.batch,
            keep=reloader.domain.keep,
            now=int(store.clock()),
            progress=advance,
        )
        report = await recovery.run()
    committer.wake()
    took = round(time.monotonic() - began, 3)
    _count(committer.meter.recovery, report, took, store.clock())
    if show or report.changed():
        log.info("recovery.finished", seen=report.seen, counts=dict(report.rows), dropped=report.dropped, took=took)
    return report


def _count(meter: RecoveryMeter, report: scan.Report, took: float, now: float) -> None:
    meter.scans += 1
    meter.moved.update({action: times for action, times in report.actions.items() if action != Action.LEAVE})
    meter.at, meter.seconds = now, took
    meter.seen, meter.changed, meter.waiting = report.seen, report.changed(), report.rows[LEAVE_WAITING.row]


@contextmanager
def _silent() -> Iterator[scan.Progress]:
    yield lambda _done, _total: None


@contextmanager
def progress(total: int) -> Iterator[scan.Progress]:
    """A bar on standard error when it is a terminal, an event every few seconds when not."""
    if not sys.stderr.isatty():
        yield _events()
        return
    columns = (TextColumn("recovery"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("recovery", total=total)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _events() -> scan.Progress:
    last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            log.info("recovery.progress", seen=done, sessions=total)

    return tell
