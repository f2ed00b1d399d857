"""Walks active-requests in bounded batches, decides about each session, acts, and counts. See docs/recovery.md.

Decisions are made from what was read; the script that carries one out looks again, since other sessions move meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio
import anyio.lowlevel
import msgspec
import structlog

from stages.session import Problem
from stages.store.found import Found
from stages.store.lease import Lease
from stages.store.records import encode_problem
from stages.store.scanning import Batch, Scanner, fingerprint
from supervisor.recovery.decide import LEAVE, LEAVE_WAITING, Action, Decision, Limits, Places, decide

log = structlog.get_logger()

_TURN = 100
"""Sessions decided about before others get their turn: the stages run while a sweep does."""

_Wire: TypeAlias = tuple[str, str, str, str]


class Report(msgspec.Struct):
    """What a scan found and did: sessions seen, decisions by row of the table, decisions that were left after all."""

    seen: int = 0
    dropped: int = 0
    rows: Counter[str] = msgspec.field(default_factory=Counter)
    actions: Counter[str] = msgspec.field(default_factory=Counter)
    left: int = 0

    def count(self, decision: Decision, times: int) -> None:
        """Count a decision; not at all is not noted."""
        if times:
            self.rows[decision.row] += times
            self.actions[decision.action] += times

    def changed(self) -> int:
        """Sessions that were not where they belonged."""
        return sum(n for action, n in self.actions.items() if action != Action.LEAVE) - self.left


Progress = Callable[[int, int], None]


class Recovery:
    """The scan for one store.

    `lease` is None for a dry run, which changes nothing. `progress(done, total)` is called after each batch; `judged`
    is told of every decision that is not to leave a session where it is.
    """

    def __init__(
        self,
        scanner: Scanner,
        lease: Lease | None,
        *,
        limits: Limits,
        batch: int,
        keep: int,
        now: int,
        progress: Progress | None = None,
        judged: Callable[[str, Decision], None] | None = None,
    ) -> None:
        self._scanner = scanner
        self._lease = lease
        self._limits = limits
        self._batch = batch
        self._keep = keep
        self._now = now
        self._progress = progress
        self._judged = judged or _log_decision

    async def run(self) -> Report:
        """Scan once. Raises LeaseLost and StoreUnavailable; a scan that ended early does no harm."""
        report, scanner = Report(), self._scanner
        living, dead = await scanner.supervisors(self._lease.supervisor if self._lease else "")
        total = await scanner.count()
        places = await scanner.places(living, dead)
        batch, wanted = await self._read(0, total), list[_Wire]()
        while batch.looked:
            done = report.seen + batch.looked
            following = _Following()
            # While this batch is decided about, the store reads the next one.
            async with anyio.create_task_group() as group:
                group.start_soon(following.run, self._read, done, total)
                for found in batch.found:
                    found.places = places.pop(fingerprint(found.session), 0)
                wanted += await self._judge(batch.found, report)
            # Few decisions of many batches wait for the disk together; one to kill is searched for in active-requests,
            # where its batch is still near the head.
            if len(wanted) >= self._batch or any(action == Action.KILL for _, action, _, _ in wanted):
                await self._carry_out(wanted, report)
                wanted.clear()
            report.seen, report.dropped = done, report.dropped + batch.dropped
            if self._progress:
                self._progress(done, total)
            batch = following.result()
        await self._carry_out(wanted, report)
        if places:
            await self._strays(await scanner.look_up(places, living, dead), report)
        return report

    async def _read(self, offset: int, total: int) -> Batch:
        size = min(self._batch, total - offset)
        if size <= 0:
            return Batch(0, 0, [])
        return await self._scanner.batch(size, rotate=self._lease is not None, offset=offset)

    async def _judge(self, batch: list[Found], report: Report) -> list[_Wire]:
        """Decide about each session, and say what is to be done."""
        wanted = []
        in_place = waiting = 0
        for number, found in enumerate(batch):
            if not number % _TURN:
                await anyio.lowlevel.checkpoint()
            decision = decide(found, self._now, self._limits)
            # Nearly every session is one of these two.
            if decision is LEAVE:
                in_place += 1
            elif decision is LEAVE_WAITING:
                waiting += 1
            else:
                report.count(decision, 1)
                # The script that read the batch has dropped what is finished; it may still stand in a list.
                if decision.action is not Action.DROP or found.places:
                    self._judged(found.session, decision)
                    wanted.append(_wire(found, decision))
        report.count(LEAVE, in_place)
        report.count(LEAVE_WAITING, waiting)
        return wanted

    async def _carry_out(self, wanted: list[_Wire], report: Report) -> None:
        if self._lease is None:
            return
        for start in range(0, len(wanted), self._batch):
            part = wanted[start : start + self._batch]
            results = await self._scanner.carry_out(part, self._lease, keep=self._keep)
            report.left += sum(result != "done" for result in results)

    async def _strays(self, strays: list[Found], report: Report) -> None:
        """What stands in a list and not in active-requests: a dead session, or one that was submitted just now.

        Those are decided about like the others; most are where they belong, and are not counted.
        """
        counted = Report()
        wanted = await self._judge(strays, counted)
        for decision in (LEAVE, LEAVE_WAITING):
            counted.rows.pop(decision.row, None)
        counted.actions.pop(Action.LEAVE, None)
        report.rows += counted.rows
        report.actions += counted.actions
        await self._carry_out(wanted, report)


class _Following:
    """The next batch on its way; a fault is raised where the batch is asked for, by its own name and not in a group."""

    def __init__(self) -> None:
        self._batch = Batch(0, 0, [])
        self._fault: Exception | None = None

    async def run(self, read: Callable[[int, int], Awaitable[Batch]], offset: int, total: int) -> None:
        try:
            self._batch = await read(offset, total)
        except Exception as fault:  # noqa: BLE001  raised by `result`
            self._fault = fault

    def result(self) -> Batch:
        if self._fault is not None:
            raise self._fault
        return self._batch


def _wire(found: Found, decision: Decision) -> _Wire:
    more = ""
    if decision.action is Action.KILL:
        more = encode_problem(Problem("serverInternal", f"ended by recovery: {decision.reason}"))
    elif found.places == Places.INFLIGHT_DEAD:
        more = "dead only"
    return (found.session, decision.action.value, found.state or "", more)


def _log_decision(session: str, decision: Decision) -> None:
    if decision.action is Action.QUARANTINE:
        log.error("recovery.quarantined", session=session, why=decision.reason)
    else:
        log.info("recovery.moved", session=session, action=decision.action.value, row=decision.row)
