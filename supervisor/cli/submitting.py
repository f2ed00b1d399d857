"""`submit` and `wait`: from a CSR to its certificate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import anyio
import click
import msgspec

from stages.ca.csr import MAX_CSR_BYTES
from stages.errors import Refused
from stages.session import Delivery, Session
from stages.store import moves
from stages.store.accounts import blocked_keys
from stages.store.store import Store
from supervisor.build import Domain
from supervisor.cli import output
from supervisor.cli.arguments import Duration, read_input, write_file
from supervisor.cli.failures import Failure
from supervisor.cli.following import NOBODY, Progress, until_challenged, until_finished
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.looking import find
from supervisor.cli.publishing import in_words, publications
from supervisor.cli.requests import check_request
from supervisor.cli.stores import alive, with_store, work_in
from supervisor.config import Settings
from supervisor.exit_codes import ExitCode

CHALLENGES_WITHIN: Final = 3.0
"""Seconds in which a living supervisor should have made the challenges."""


@click.command()
@shared
@click.argument("csr_file")
@click.option("--profile", help="The certificate profile; default: default_profile.")
@click.option("--wait", "wait_for_it", is_flag=True, help="Follow the session until it is done or rejected.")
@click.option("--timeout", type=Duration(), help="With --wait: how long; default: until it ends.")
@click.option("--out", type=click.Path(path_type=Path), help="With --wait: where the chain is written.")
@click.pass_obj
def submit(
    invocation: Invocation,
    csr_file: str,
    profile: str | None,
    wait_for_it: bool,  # noqa: FBT001  click gives flags so
    timeout: int | None,
    out: Path | None,
) -> None:
    """Ask for a certificate for the request in CSR_FILE (PEM or DER, "-" for standard input).

    Prints the session's id and what to publish to prove each name. With --wait the chain follows, on standard output
    or in the file of --out, and everything else goes to standard error.
    """
    if not wait_for_it and (out or timeout is not None):
        raise click.UsageError("--timeout and --out belong to --wait")
    settings = invocation.settings()
    domain = Domain(settings)
    request = check_request(read_input(csr_file, "csr", MAX_CSR_BYTES), profile, domain, invocation.now)
    session = invocation.random_bytes(32).hex()
    move = moves.submit(session, request.names, request.fields(), invocation.now)

    async def enter(store: Store) -> tuple[Session, bool]:
        if request.spki in await blocked_keys(store):
            raise Refused("badCSR", "public key", "it was revoked as compromised; make another key")
        await store.move(move)
        living = bool(await alive(store))
        return await until_challenged(store, session, CHALLENGES_WITHIN if living else 0), living

    found, living = with_store(invocation, settings, enter)
    if wait_for_it:
        if not invocation.json:
            _instruct(settings, found, living=living, err=True)
        _finish(invocation, settings, session, timeout, out)
    elif invocation.json:
        output.document(_as_json(settings, found) | {"supervisor": living})
    else:
        _instruct(settings, found, living=living, err=False)


@click.command()
@shared
@click.argument("session")
@click.option("--timeout", type=Duration(), help="How long; default: until it ends.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the chain is written; else standard output.")
@click.pass_obj
def wait(invocation: Invocation, session: str, timeout: int | None, out: Path | None) -> None:
    """Wait until SESSION (its id or its beginning) is done or rejected, and give its chain."""
    settings = invocation.settings()
    found = with_store(invocation, settings, lambda store: find(store, session))
    _finish(invocation, settings, found.id, timeout, out)


def _instruct(settings: Settings, session: Session, *, living: bool, err: bool) -> None:
    output.line(f"session {session.id}", err=err)
    if not living:
        output.note(NOBODY)
    for text in in_words(_publications(settings, session)):
        output.line(text, err=err)
    if living and session.live and not session.challenges:
        output.note("its challenges are not made yet; `ca-supervisor show` tells them later")


def _publications(settings: Settings, session: Session) -> list[Any]:
    return publications(session, settings.validation.http_port, settings.validation.tls_port)


def _as_json(settings: Settings, session: Session) -> dict[str, Any]:
    return {
        "session": session.id,
        "state": session.state.value,
        "live": session.live,
        "names": list(session.names),
        "profile": session.profile,
        "publish": msgspec.to_builtins(_publications(settings, session)),
    }


def _finish(invocation: Invocation, settings: Settings, session: str, timeout: int | None, out: Path | None) -> None:
    """Wait, give the chain, and note how far it came."""
    progress = Progress(quiet=invocation.json)
    try:
        found = anyio.run(until_finished, invocation, settings, session, timeout, progress)
    finally:
        progress.close()
    if not found.cert:
        problem = found.error
        reason = problem.detail if problem else "it ended without a certificate"
        raise Failure(ExitCode.REJECTED, f"session {session}", reason, problem.kind if problem else "")
    # The client is told first and the record follows: a crash between the two only repeats the delivery.
    steps = [Delivery.SENT]
    if out:
        write_file(out, found.cert.encode())
        steps.append(Delivery.CONFIRMED)
    if invocation.json:
        chain = {"out": str(out)} if out else {"certificate": found.cert}
        output.document(_as_json(settings, found) | {"serial": found.serial} | chain)
    elif not out:
        output.block(found.cert)
    sys.stdout.flush()
    anyio.run(work_in, settings, invocation, lambda store: _note_delivery(store, session, steps))
    output.note(f"certificate {found.serial}" + (f" is in {out}" if out else ""))


async def _note_delivery(store: Store, session: str, steps: list[Delivery]) -> None:
    """Refusals are no matter: the session was retired meanwhile, or the step was noted before."""
    await store.group([moves.deliver(session, step.value) for step in steps], announce=True)
