"""`status` and `quarantine`: how the store and the CA stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import anyio
import click
import msgspec

from stages.ca.pem import read_certificates
from stages.errors import Refused
from stages.session import Session
from stages.store.health import StoreCheck, check_store
from stages.store.reading import Overview, overview, quarantined, read_whole
from stages.store.records import Garbled
from stages.store.store import Store
from supervisor.cli import output
from supervisor.cli.arguments import Duration
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.stores import is_embedded, with_store, work_in
from supervisor.cli.warning import as_json
from supervisor.cli.warning import look as see
from supervisor.config import Settings
from supervisor.config.values import hide_password
from supervisor.upkeep.crl import read_crl
from supervisor.warnings import Concern

TOTALS: Final = ("active", "certificates", "revoked", "retired", "rejected", "quarantined")
RATES: Final = ("certificates", "retired", "rejected")
"""The totals that only grow, more or less, so that a rate says something."""


class Sample(msgspec.Struct, frozen=True):
    """One look at the store, at unix time `at`."""

    at: float
    overview: Overview
    check: StoreCheck
    warnings: tuple[Concern, ...]


@click.command()
@shared
@click.option("--watch", type=Duration(), help="Look twice, this far apart, and show how many finish in a second.")
@click.pass_obj
def status(invocation: Invocation, watch: int | None) -> None:
    """Show queues, what is in flight, supervisors, totals, the CRL, the issuer and what is warned of."""
    settings = invocation.settings()

    async def look(store: Store) -> Sample:
        warnings = await see(settings, store, whole=None)
        return Sample(invocation.clock(), await overview(store), await check_store(store), warnings)

    async def look_twice() -> tuple[Sample, Sample | None]:
        # The store is not held in between: a supervisor must be able to start.
        first = await work_in(settings, invocation, look)
        if not watch:
            return first, None
        await anyio.sleep(watch)
        return first, await work_in(settings, invocation, look)

    first, second = anyio.run(look_twice)
    rates = _rates(first, second) if second else None
    _show(invocation, settings, second or first, rates)


@click.command()
@shared
@click.pass_obj
def quarantine(invocation: Invocation) -> None:
    """List the sessions that were set aside because their records cannot be read, and why."""

    async def gather(store: Store) -> list[tuple[str, str, str]]:
        found = []
        for session in await quarantined(store):
            field, why = await _why(store, session)
            found.append((session, field, why))
        return found

    found = with_store(invocation, invocation.settings(), gather)
    if invocation.json:
        rows = [dict(zip(("session", "field", "why"), row, strict=True)) for row in found]
        output.document({"quarantine": rows})
        return
    output.table(("session", "field", "why"), found, empty="nothing is set aside")


async def _why(store: Store, session: str) -> tuple[str, str]:
    try:
        found: Session | None = await read_whole(store, session)
    except Garbled as fault:
        return fault.field, fault.why
    if found is None:
        return "", "there is no record"
    return "", "it can be read now: it was repaired, or set aside by an older version"


def _rates(first: Sample, second: Sample) -> dict[str, float]:
    seconds = max(second.at - first.at, 0.001)
    return {
        name: round((getattr(second.overview, name) - getattr(first.overview, name)) / seconds, 3) for name in RATES
    }


def _show(invocation: Invocation, settings: Settings, sample: Sample, rates: dict[str, float] | None) -> None:
    found, check = sample.overview, sample.check
    store = "embedded" if is_embedded(settings) else hide_password(settings.store.url)
    crl, issuer = _crl(settings.crl.file), _issuer(settings.ca.certificate)
    if invocation.json:
        made = {
            "store": {"url": store, "server": check.server, "version": check.version, "warnings": list(check.warnings)},
            "supervisors": [
                {"id": supervisor, "alive": supervisor in found.living, "in_flight": count}
                for supervisor, count in found.inflight.items()
            ],
            "queues": {
                queue: {"pending": count, "delayed": found.delayed[queue]} for queue, count in found.pending.items()
            },
            "totals": {name: getattr(found, name) for name in TOTALS},
            "crl": crl,
            "issuer": issuer,
            "warnings": as_json(sample.warnings),
        }
        output.document(made | ({"per_second": rates} if rates is not None else {}))
        return
    output.line(f"store: {store}, {check.server} {check.version}")
    for warning in check.warnings:
        output.note(f"warning: {warning}")
    rows = [
        (supervisor, "alive" if supervisor in found.living else "dead", count)
        for supervisor, count in found.inflight.items()
    ]
    output.table(("supervisor", "", "in flight"), rows, empty="no supervisor is running")
    output.line()
    output.table(
        ("queue", "pending", "delayed"),
        [(queue, count, found.delayed[queue]) for queue, count in found.pending.items()],
    )
    output.line()
    totals = [(name, getattr(found, name), (rates or {}).get(name, "")) for name in TOTALS]
    output.table(("total", "", "per second" if rates is not None else ""), totals)
    output.line()
    output.line(f"crl: {_in_words(crl, 'next_update', 'next update')}")
    output.line(f"issuer: {_in_words(issuer, 'not_after', 'expires')}")
    output.line(f"warnings: {len(sample.warnings) or 'none'}")
    for each in sample.warnings:
        output.line(f"  {each.severity}: {each.text}")


def _crl(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {"file": str(file), "problem": "there is none yet"}
    try:
        found = read_crl(file)
    except Refused as refused:
        return {"file": str(file), "problem": refused.reason}
    return {
        "file": str(file),
        "number": found.number,
        "next_update": found.next_update,
        "entries": len(found.serials),
    }


def _issuer(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {"file": str(file), "problem": "there is none yet; `ca-supervisor init` makes one"}
    try:
        certificate = read_certificates(file)[0]
    except Refused as refused:
        return {"file": str(file), "problem": refused.reason}
    return {
        "file": str(file),
        "subject": certificate.subject.rfc4514_string(),
        "not_after": int(certificate.not_valid_after_utc.timestamp()),
    }


def _in_words(found: dict[str, Any], time: str, what: str) -> str:
    if "problem" in found:
        return f"{found['file']}: {found['problem']}"
    return f"{found['file']}, {what} {output.when(found[time])}"
