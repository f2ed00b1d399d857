"""`recover`: the recovery scan as a command; `--dry-run` says what it would do and works beside a supervisor."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Final

import anyio
import click

from stages.store.lease import Held, Lease
from stages.store.scanning import Scanner
from stages.store.store import Store
from supervisor.build import Domain
from supervisor.cli import output
from supervisor.cli.failures import Failure
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.stores import alive, is_embedded, opened, work_in
from supervisor.config import Settings
from supervisor.embedded import EmbeddedError, embedded_store
from supervisor.exit_codes import ExitCode
from supervisor.recovery.decide import Decision
from supervisor.recovery.scan import Progress, Recovery, Report
from supervisor.term.identity import known_dead, supervisor_id, who_am_i
from supervisor.term.leasing import kept

LISTED: Final = 1000
"""Decisions that are shown one by one; all of them are counted."""


class Found:
    """What a scan decided, apart from leaving sessions where they are."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str]] = []
        self.count = 0

    def judged(self, session: str, decision: Decision) -> None:
        """Take one decision."""
        self.count += 1
        if len(self.rows) < LISTED:
            self.rows.append((session, decision.action.value, decision.row, decision.reason))


@click.command()
@shared
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@click.pass_obj
def recover(invocation: Invocation, dry_run: bool) -> None:  # noqa: FBT001  click gives flags so
    """Put every session where its state says it belongs.

    A supervisor does this at its start and again and again; by hand it is needed only while none runs.
    """
    settings = invocation.settings()
    domain, found = Domain(settings), Found()

    async def scan(store: Store, lease: Lease | None) -> Report:
        with _progress(quiet=invocation.json) as progress:
            recovery = Recovery(
                Scanner(store),
                lease,
                limits=domain.limits,
                batch=settings.recovery.batch,
                keep=domain.keep,
                now=invocation.now,
                progress=progress,
                judged=found.judged,
            )
            return await recovery.run()

    async def look(store: Store) -> Report:
        nonlocal found
        found = Found()
        return await scan(store, None)

    async def act() -> Report:
        async with owned(settings, invocation) as store, leased(settings, invocation, store) as lease:
            return await scan(store, lease)

    report = anyio.run(work_in, settings, invocation, look) if dry_run else anyio.run(act)
    _show(invocation, report, found, dry_run=dry_run)


@asynccontextmanager
async def owned(settings: Settings, invocation: Invocation) -> AsyncIterator[Store]:
    """The store; of the embedded one this command must be the owner."""
    if not is_embedded(settings):
        async with opened(settings, invocation.clock) as store:
            yield store
        return
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(embedded_store(settings.data_dir))
        except EmbeddedError as error:
            if not error.held_by:
                raise
            reason = f"{settings.data_dir} is in use by process {error.held_by}; a supervisor recovers by itself"
            raise Failure(ExitCode.HELD, "store", f"{reason}, and --dry-run works beside it") from None
        yield await stack.enter_async_context(opened(settings, invocation.clock))


@asynccontextmanager
async def leased(settings: Settings, invocation: Invocation, store: Store) -> AsyncIterator[Lease]:
    """The lease of the store, kept while the block runs.

    Raises:
        Failure: a supervisor lives.
    """
    who = who_am_i()
    lease = Lease(store.redis, store.keys, supervisor_id(who, invocation.random_bytes(4)), settings.store.lease)
    living, others = await alive(store), await lease.others()
    # Who owns the embedded store's directory knows that everyone else is dead.
    dead = list(others) if is_embedded(settings) else known_dead(others)
    if still := [supervisor for supervisor in living if supervisor not in dead]:
        raise _held(still[0])
    held = await lease.acquire(who, several=False, dead=dead)
    if isinstance(held, Held):
        raise _held(held.id)
    try:
        async with kept(lease):
            yield lease
    finally:
        with anyio.CancelScope(shield=True):
            await lease.yield_()


def _held(supervisor: str) -> Failure:
    reason = f"supervisor {supervisor} lives and recovers by itself; --dry-run works beside it"
    return Failure(ExitCode.HELD, "store", reason)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress | None]:
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich import progress  # noqa: PLC0415  slow to load, and for a terminal only
    from rich.console import Console  # noqa: PLC0415  as above

    columns = (progress.BarColumn(), progress.MofNCompleteColumn(), progress.TimeRemainingColumn())
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _show(invocation: Invocation, report: Report, found: Found, *, dry_run: bool) -> None:
    if invocation.json:
        output.document(_as_json(report, found, dry_run=dry_run))
        return
    rows = sorted(report.rows.items(), key=lambda row: -row[1])
    output.table(("sessions", "found"), [(count, row) for row, count in rows], empty="no sessions")
    if found.rows:
        output.line()
        output.table(("session", "would be" if dry_run else "done", "because", ""), found.rows)
    if found.count > len(found.rows):
        output.note(f"{found.count - len(found.rows)} more are not listed")
    moved = "would change" if dry_run else "changed"
    count = found.count if dry_run else report.changed()
    output.line(f"{report.seen} sessions seen, {count} {moved}")


def _as_json(report: Report, found: Found, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "seen": report.seen,
        "changed": 0 if dry_run else report.changed(),
        "dropped": report.dropped,
        "found": dict(report.rows),
        "actions": {action.value if hasattr(action, "value") else action: n for action, n in report.actions.items()},
        "decisions": [dict(zip(("session", "action", "row", "reason"), row, strict=True)) for row in found.rows],
        "more": found.count - len(found.rows),
    }
