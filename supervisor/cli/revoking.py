"""`revoke` and `crl`: a revocation is on record and in the CRL before the command says so."""

from __future__ import annotations

from typing import Any

import click

from stages.ca.revocation import LABELS, Reason, parse_reason
from stages.errors import Refused
from stages.store import moves
from stages.store.certificates import Certificate, read_certificate, revocations
from stages.store.store import Store
from supervisor.build import issuer
from supervisor.cli import output
from supervisor.cli.arguments import parse_serial
from supervisor.cli.certificates import unknown
from supervisor.cli.failures import Failure
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.stores import with_store
from supervisor.exit_codes import ExitCode
from supervisor.upkeep.crl import Published, Written, crl_lacks, read_crl, write_crl


@click.command()
@shared
@click.argument("serial")
@click.option("--reason", default="unspecified", show_default=True, help=f"One of {', '.join(LABELS.values())}.")
@click.pass_obj
def revoke(invocation: Invocation, serial: str, reason: str) -> None:
    """Revoke the certificate with this serial number (hex), for good, and write the CRL at once.

    Doing it again writes the CRL again; the first reason and time stay. With keyCompromise its key is blocked, also
    where the certificate was revoked before for another reason.
    """
    settings, wanted, code = invocation.settings(), parse_serial(serial), parse_reason(reason, "--reason")
    issuing = issuer(settings, invocation.now)

    async def work(store: Store) -> tuple[Certificate, Written]:
        spki = ""
        if code is Reason.KEY_COMPROMISE and (known := await read_certificate(store, wanted)):
            spki = known.spki
        answer = await store.move(moves.revoke(wanted, int(code), invocation.now, spki))
        found = await read_certificate(store, wanted)
        if found is None or answer == ["refused", "unknown"]:
            raise unknown(wanted)
        try:
            written = await write_crl(settings, issuing, store, invocation.now)
        except Refused as refused:
            why = f"{refused.reason}; the certificate is revoked, but no CRL says so yet: then run `crl --write`"
            raise Refused(refused.kind, refused.field, why) from None
        return found, written

    found, written = with_store(invocation, settings, work)
    if found.reason != code:
        stays = _label(found.reason)
        why = f"it was revoked before, at {output.when(found.revoked)}; the reason stays {stays}"
        if code is Reason.KEY_COMPROMISE:
            why += "; its key is blocked from now on"
        raise Failure(ExitCode.INPUT, f"serial {wanted}", why, "alreadyRevoked")
    if invocation.json:
        made = {"serial": wanted, "names": list(found.names), "revoked": found.revoked, "reason": _label(found.reason)}
        output.document(made | {"key_blocked": code is Reason.KEY_COMPROMISE, "crl": _written(written)})
        return
    output.line(
        f"revoked {wanted} ({output.some(found.names)}) at {output.when(found.revoked)}: {_label(found.reason)}"
    )
    if code is Reason.KEY_COMPROMISE:
        output.line("its key is blocked: no certificate and no account for it")
    _say(written)


@click.command()
@shared
@click.option("--write", is_flag=True, help="Write a new one first.")
@click.pass_obj
def crl(invocation: Invocation, write: bool) -> None:  # noqa: FBT001  click gives flags so
    """Show the CRL's number, its times and its entries, and whether it lacks a revocation."""
    settings = invocation.settings()
    file = settings.crl.file
    if write:
        issuing = issuer(settings, invocation.now)
        written = with_store(invocation, settings, lambda store: write_crl(settings, issuing, store, invocation.now))
        if not invocation.json:
            _say(written)
    if not file.exists():
        reason = "there is none yet; the supervisor writes it when it starts, and `crl --write` does"
        raise Failure(ExitCode.NOT_FOUND, str(file), reason)
    published = read_crl(file)
    revoked = with_store(invocation, settings, revocations)
    lacks = crl_lacks(file, [serial for serial, _, _ in revoked])
    reasons = {serial: (at, code) for serial, at, code in revoked}
    if invocation.json:
        entries = [
            {"serial": serial, "revoked": at, "reason": _label(code)}
            for serial in sorted(published.serials)
            for at, code in [reasons.get(serial, (None, None))]
        ]
        output.document(_facts(published) | {"file": str(file), "complete": not lacks, "revoked": entries})
        return
    output.table(
        ("crl", str(file)), [(name.replace("_", " "), _shown(name, value)) for name, value in _facts(published).items()]
    )
    rows = [
        (serial, output.when(at), _label(code))
        for serial in sorted(published.serials)
        for at, code in [reasons.get(serial, (0, None))]
    ]
    if rows:
        output.line()
        output.table(("serial", "revoked", "reason"), rows)
    if lacks:
        output.note("warning: a revocation is not on it; `crl --write` writes a new one")


def _facts(published: Published) -> dict[str, Any]:
    return {
        "number": published.number,
        "this_update": published.this_update,
        "next_update": published.next_update,
        "entries": len(published.serials),
    }


def _shown(name: str, value: int) -> str:
    return output.when(value) if name.endswith("update") else str(value)


def _written(written: Written) -> dict[str, Any]:
    return {"file": str(written.file), "number": written.number, "entries": written.entries}


def _say(written: Written) -> None:
    output.line(f"wrote {written.file}: CRL {written.number}, {written.entries} entries")


def _label(code: int | None) -> str:
    return LABELS.get(Reason(code), "") if code in set(Reason) else ""
