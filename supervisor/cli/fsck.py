"""`fsck`: does the store keep the laws? `--repair` then lets the recovery scan do what it can."""

from __future__ import annotations

from typing import Final

import anyio
import click
import msgspec

from stages.store.scanning import Scanner
from stages.store.store import Store
from supervisor.build import Domain
from supervisor.cli import output
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.recovering import leased, owned
from supervisor.cli.stores import work_in
from supervisor.config import Settings
from supervisor.exit_codes import ExitCode
from supervisor.fsck import Breach, Mend, Report, check
from supervisor.recovery.scan import Recovery

LISTED: Final = 1000
"""Breaches that are shown one by one; all of them are counted."""


@click.command()
@shared
@click.option("--repair", is_flag=True, help="Let recovery put back what it can; needs a store without a supervisor.")
@click.pass_obj
def fsck(invocation: Invocation, repair: bool) -> int:  # noqa: FBT001  click gives flags so
    """Compare sessions, queues, in-flight lists, accounts, certificates and the CRL, and list every breach of a law.

    Changes nothing without --repair, and works beside a supervisor. Ends with 10 when a breach is left.
    """
    settings = invocation.settings()

    async def look(store: Store) -> Report:
        return await check(store, settings.crl.file, int(settings.done.certificates_keep))

    async def work() -> tuple[Report, int]:
        if not repair:
            return await work_in(settings, invocation, look), 0
        async with owned(settings, invocation) as store, leased(settings, invocation, store) as lease:
            recovery = Recovery(
                Scanner(store),
                lease,
                limits=Domain(settings).limits,
                batch=settings.recovery.batch,
                keep=Domain(settings).keep,
                now=invocation.now,
                judged=lambda _session, _decision: None,
            )
            report = await recovery.run()
            return await look(store), report.changed()

    report, changed = anyio.run(work)
    _show(invocation, settings, report, changed if repair else None)
    return ExitCode.FINDINGS if report.breaches else ExitCode.OK


def _show(invocation: Invocation, settings: Settings, report: Report, changed: int | None) -> None:
    if invocation.json:
        made = msgspec.to_builtins(report)
        output.document(made | ({"changed": changed} if changed is not None else {}))
        return
    rows = [(each.law, each.where, each.detail, each.mend.value) for each in report.breaches[:LISTED]]
    output.table(("breach", "of", "what was seen", "mended by"), rows, empty="every law holds")
    if len(report.breaches) > LISTED:
        output.note(f"{len(report.breaches) - LISTED} more are not listed")
    if changed is not None:
        output.line(f"recovery put {changed} sessions where they belong")
    for advice in _advice(settings, report.breaches):
        output.note(advice)
    output.line(
        f"{report.sessions} sessions, {report.certificates} certificates, {report.revoked} revocations looked at;"
        f" {report.suspected} suspicions, {len(report.breaches)} breaches"
    )
    if report.quarantined:
        output.note(f"{report.quarantined} sessions are set aside; `ca-supervisor quarantine` lists them")


def _advice(settings: Settings, breaches: tuple[Breach, ...]) -> list[str]:
    mends = {breach.mend for breach in breaches}
    said = []
    if Mend.RECOVERY in mends:
        interval = f"{settings.recovery.interval:g} s"
        said.append(f"recovery: a supervisor that runs does it within {interval}; without one, `fsck --repair`")
    if Mend.CRL in mends:
        said.append("crl --write: run `ca-supervisor crl --write`")
    if Mend.HAND in mends:
        said.append("by hand: see docs/operation.md, Breaches")
    return said
