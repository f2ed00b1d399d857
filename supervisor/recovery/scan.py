"""Walks active-requests in bounded batches, decides about each session, acts, and counts. See docs/recovery.md.

Decisions are made from what was read; the script that carries one out looks again, since other sessions move meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec
import structlog

from stages.session import Problem
from stages.store.lease import Lease
from stages.store.records import encode_problem
from stages.store.scanning import Scanner, entries, fingerprint
from supervisor.recovery.decide import Action, Decision, Found, Limits, decide

log = structlog.get_logger()

_LEAVE = Action.LEAVE


class Report(msgspec.Struct):
    """What a scan found and did: sessions seen, decisions by row of the table, decisions that were left after all."""

    seen: int = 0
    dropped: int = 0
    rows: Counter[str] = msgspec.field(default_factory=Counter)
    actions: Counter[str] = msgspec.field(default_factory=Counter)
    left: int = 0

    def changed(self) -> int:
        """Sessions that were not where they belonged."""
        return sum(n for action, n in self.actions.items() if action != _LEAVE) - self.left


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
        self._living: list[str] = []
        self._dead: list[str] = []

    async def run(self) -> Report:
        """Scan once. Raises LeaseLost and StoreUnavailable; a scan that ended early does no harm."""
        report = Report()
        scanner, rotate = self._scanner, self._lease is not None
        self._living, self._dead = await scanner.supervisors(self._lease.supervisor if self._lease else "")
        total = await scanner.count()
        places = await scanner.places(self._living, self._dead)
        looked = 0
        while looked < total:
            size = min(self._batch, total - looked)
            batch = await scanner.batch(size, rotate=rotate, offset=looked)
            if not batch.looked:
                break
            looked += batch.looked
            report.dropped += batch.dropped
            decisions = []
            for session, values in entries(batch):
                found = _found(session, values, places.pop(fingerprint(session), 0))
                decision = decide(found, self._now, self._limits)
                report.rows[decision.row] += 1
                report.actions[decision.action] += 1
                if decision.action is not _LEAVE and not (decision.action is Action.DROP and not found.places):
                    self._judged(session, decision)
                    decisions.append(_wire(session, decision, found))
            report.seen += batch.looked
            await self._carry_out(decisions, report)
            if self._progress:
                self._progress(looked, total)
        await self._strays(places, report)
        return report

    async def _carry_out(self, decisions: list[tuple[str, str, str, str]], report: Report) -> None:
        if self._lease is None:
            return
        for start in range(0, len(decisions), self._batch):
            part = decisions[start : start + self._batch]
            results = await self._scanner.carry_out(part, self._lease, keep=self._keep)
            report.left += sum(result != "done" for result in results)

    async def _strays(self, places: dict[int, int], report: Report) -> None:
        """What stands in a list and not in active-requests: a dead session, or one that was submitted just now.

        Those are decided about like the others; most are where they belong.
        """
        if not places:
            return
        decisions = []
        for session, values, bits in await self._scanner.look_up(places, self._living, self._dead):
            found = _found(session, values, bits)
            decision = decide(found, self._now, self._limits)
            if decision.action is not _LEAVE:
                self._judged(session, decision)
                report.rows[decision.row] += 1
                report.actions[decision.action] += 1
                decisions.append(_wire(session, decision, found))
        await self._carry_out(decisions, report)


def _found(session: str, values: list[str | bool] | str, places: int) -> Found:
    if isinstance(values, str):
        return Found(session=session, unreadable=values[:100], places=places)
    live, state, created, waiting, schema, serial = (None if v is False else v for v in values[:6])
    cert = len(values) > 6 and values[6] is True  # noqa: PLR2004  the seventh value of scan.lua
    return Found(session, "", live, state, created, waiting, schema, serial is not None, cert, places)  # type: ignore[arg-type]


def _wire(session: str, decision: Decision, found: Found) -> tuple[str, str, str, str]:
    reason = ""
    if decision.action is Action.KILL:
        reason = encode_problem(Problem("serverInternal", f"ended by recovery: {decision.reason}"))
    return (session, decision.action.value, found.state or "", reason)


def _log_decision(session: str, decision: Decision) -> None:
    if decision.action is Action.QUARANTINE:
        log.error("recovery.quarantined", session=session, why=decision.reason)
    else:
        log.info("recovery.moved", session=session, action=decision.action.value, row=decision.row)
