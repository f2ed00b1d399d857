"""`certificates`: lists what was issued; `export` gives one, `renew-by` says when clients are to renew it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from stages.errors import Refused
from stages.names import parse_name
from stages.session import Delivery
from stages.store import account_moves
from stages.store.certificates import Certificate, each_certificate, read_certificate
from stages.store.store import Store
from supervisor.cli import output
from supervisor.cli.arguments import Duration, Moment, parse_serial, write_file
from supervisor.cli.failures import Failure
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.stores import with_store
from supervisor.exit_codes import ExitCode

AT_ONCE: Final = 3600
"""Seconds that the window of `renew-by --now` is long."""


@click.group(invoke_without_command=True)
@shared
@click.option("--undelivered", is_flag=True, help="Only those that are not known to have been sent to anyone.")
@click.option("--expiring-within", type=Duration(), help="Only valid ones that expire within this time, such as 30d.")
@click.option("--name", help="Only those for this name.")
@click.option("--revoked", is_flag=True, help="Only revoked ones.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="How many at the most.")
@click.pass_context
def certificates(ctx: click.Context, /, **options: Any) -> None:
    """List the certificates on record, the one that expires last first."""
    if ctx.invoked_subcommand is None:
        _list(ctx.ensure_object(Invocation), **options)


@certificates.command()
@shared
@click.argument("serial")
@click.option("--out", type=click.Path(path_type=Path), help="Where the chain is written; else standard output.")
@click.pass_obj
def export(invocation: Invocation, serial: str, out: Path | None) -> None:
    """Give the chain of the certificate with this serial number (hex)."""
    wanted = parse_serial(serial)
    found = with_store(invocation, invocation.settings(), lambda store: read_certificate(store, wanted))
    if found is None:
        raise unknown(wanted)
    if out:
        write_file(out, found.pem.encode())
    if invocation.json:
        output.document(as_json(found) | ({"out": str(out)} if out else {"certificate": found.pem}))
    elif out:
        output.line(f"certificate {found.serial} is in {out}")
    else:
        output.block(found.pem)


@certificates.command("renew-by")
@shared
@click.argument("serial")
@click.option("--from", "start", type=Moment(), help="From when on clients are to renew it, such as 2026-12-01T06:00Z.")
@click.option("--until", "end", type=Moment(), help="By when they should have.")
@click.option("--now", "at_once", is_flag=True, help="They are to renew it at once.")
@click.option("--clear", is_flag=True, help="They are to renew it as if nothing had been said.")
@click.pass_obj
def renew_by(
    invocation: Invocation,
    serial: str,
    start: int | None,
    end: int | None,
    *,
    at_once: bool,
    clear: bool,
) -> None:
    """Say when clients are to renew the certificate with this serial number (hex), for those that ask (RFC 9773)."""
    wanted, window = parse_serial(serial), _window(start, end, invocation.now, at_once=at_once, clear=clear)

    async def work(store: Store) -> tuple[list[Any], Certificate | None]:
        answer = await store.move(account_moves.renew_by(wanted, *window))
        return answer, await read_certificate(store, wanted)

    answer, found = with_store(invocation, invocation.settings(), work)
    if found is None or answer[0] != "ok":
        raise unknown(wanted)
    if invocation.json:
        made = {"serial": wanted, "names": list(found.names), "renew_from": found.renew_start or None}
        output.document(made | {"renew_until": found.renew_end or None})
    elif clear:
        output.line(f"certificate {wanted} ({output.some(found.names)}): renewed when its lifetime says so")
    else:
        between = f"between {output.when(found.renew_start)} and {output.when(found.renew_end)}"
        output.line(f"certificate {wanted} ({output.some(found.names)}): to be renewed {between}")


def _window(start: int | None, end: int | None, now: int, *, at_once: bool, clear: bool) -> tuple[int, int]:
    """The renewal window in unix seconds; zeros to take one away."""
    if (start is None) != (end is None):
        raise click.UsageError("--from and --until go together")
    if sum((start is not None, at_once, clear)) != 1:
        raise click.UsageError("one of --from with --until, --now, and --clear is needed")
    if clear:
        return 0, 0
    if at_once:
        return now - AT_ONCE, now  # RFC 9773 4.1: in a window that is over, a client renews at once
    if start is None or end is None or not 0 < start < end:
        raise Refused("malformed", "--until", "it must be later than --from")
    return start, end


def unknown(serial: str) -> Failure:
    """There is no such certificate."""
    return Failure(ExitCode.NOT_FOUND, f"serial {serial}", "there is no such certificate on record")


def as_json(found: Certificate) -> dict[str, Any]:
    """A certificate without its PEM; times are unix seconds."""
    return {
        "serial": found.serial,
        "names": list(found.names),
        "not_before": found.not_before,
        "not_after": found.not_after,
        "issuer": found.issuer,
        "account": found.account,
        "session": found.session,
        "spki_sha256": found.spki,
        "delivery": found.delivery,
        "revoked": found.revoked or None,
        "reason": found.reason,
        "renew_from": found.renew_start or None,
        "renew_until": found.renew_end or None,
    }


def _list(
    invocation: Invocation,
    *,
    undelivered: bool,
    expiring_within: int | None,
    name: str | None,
    revoked: bool,
    limit: int,
) -> None:
    wanted = _name(name) if name else None
    now = invocation.now

    def fits(found: Certificate) -> bool:
        if undelivered and found.delivery != Delivery.ISSUED.value:
            return False
        if expiring_within is not None and (found.revoked or not now <= found.not_after <= now + expiring_within):
            return False
        return (not wanted or wanted in found.names) and (not revoked or bool(found.revoked))

    async def gather(store: Store) -> list[Certificate]:
        found = []
        async for certificate in each_certificate(store):
            if fits(certificate):
                found.append(certificate)
                if len(found) > limit:
                    break
        return found

    found = with_store(invocation, invocation.settings(), gather)
    listed, more = found[:limit], len(found) > limit
    if invocation.json:
        output.document({"certificates": [as_json(each) for each in listed], "more": more})
        return
    columns = ("serial", "names", "expires", "delivery", "revoked")
    rows = [
        (each.serial, output.some(each.names), output.when(each.not_after), each.delivery, _revoked(each))
        for each in listed
    ]
    output.table(columns, rows, empty="no certificates")
    if more:
        output.note(f"there are more than {limit}; --limit shows more")


def _name(text: str) -> str:
    try:
        return parse_name(text, "--name").value
    except Refused as refused:
        raise Refused("malformed", "--name", refused.reason) from None


def _revoked(found: Certificate) -> str:
    return output.when(found.revoked) if found.revoked else ""
