"""`eab`: the credentials with which people make ACME accounts here (External Account Binding, RFC 8555 7.3.4)."""

from __future__ import annotations

from typing import Any

import click

from stages.errors import Refused
from stages.external import Credential, make_credential
from stages.store.accounts import create_credential, list_credentials, read_credential, withdraw_credential
from stages.store.store import Store
from supervisor.cli import output, restricting
from supervisor.cli.arguments import ID_ARGUMENT, Duration
from supervisor.cli.failures import Failure
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.stores import with_store
from supervisor.config import Settings
from supervisor.exit_codes import ExitCode


@click.group()
@shared
def eab() -> None:
    """Make, list and withdraw the credentials for External Account Binding (RFC 8555 7.3.4)."""


@eab.command()
@shared
@restricting.restricting
@click.option("--expires", type=Duration(), help="How long accounts can be made with it, such as 30d; else always.")
@click.option("--single", is_flag=True, help="For one account only.")
@click.option("--note", default="", help="Whose it is.")
@click.pass_obj
def create(invocation: Invocation, /, **options: Any) -> None:
    """Make a credential; its key is shown now and never again."""
    settings = invocation.settings()
    made = _make(invocation, settings, **options)
    if not with_store(invocation, settings, lambda store: create_credential(store, made)):
        raise Failure(ExitCode.FAULT, f"kid {made.kid}", "there is another credential with this kid")
    if invocation.json:
        output.document(as_json(made, invocation.now) | {"hmac_key": made.key})
        return
    output.line(f"kid:      {made.kid}")
    output.line(f"HMAC key: {made.key}")
    output.note("the key is not shown again")


@eab.command("list")
@shared
@click.pass_obj
def list_(invocation: Invocation) -> None:
    """List the credentials, the oldest first, without their keys."""
    found = with_store(invocation, invocation.settings(), list_credentials)
    now = invocation.now
    if invocation.json:
        output.document({"credentials": [as_json(each, now) for each in found]})
        return
    columns = ("kid", "state", "accounts", "may ask for", "expires", "made", "note")
    rows = [
        (
            each.kid,
            each.state(now).value,
            f"{each.used} of 1" if each.single else each.used,
            restricting.in_words(each.restriction) or "anything",
            output.when(each.expires),
            output.when(each.created),
            each.note,
        )
        for each in found
    ]
    output.table(columns, rows, empty="no credentials")


@eab.command(context_settings=ID_ARGUMENT)
@shared
@click.argument("kid")
@click.pass_obj
def withdraw(invocation: Invocation, kid: str) -> None:
    """Let nobody make an account with KID any more; accounts that were made with it stay."""
    now = invocation.now

    async def work(store: Store) -> Credential | None:
        return await read_credential(store, kid) if await withdraw_credential(store, kid, now) else None

    found = with_store(invocation, invocation.settings(), work)
    if found is None:
        raise Failure(ExitCode.NOT_FOUND, "kid", "there is no such credential on record")
    if invocation.json:
        output.document(as_json(found, now))
    else:
        output.line(
            f"kid {found.kid}: withdrawn at {output.when(found.withdrawn)}; accounts made with it: {found.used}"
        )


def as_json(found: Credential, now: int) -> dict[str, Any]:
    """A credential without its key; times are unix seconds."""
    return {
        "kid": found.kid,
        "state": found.state(now).value,
        **restricting.as_json(found.restriction),
        "expires": found.expires or None,
        "single": found.single,
        "used": found.used,
        "withdrawn": found.withdrawn or None,
        "created": found.created,
        "note": found.note,
    }


def _make(
    invocation: Invocation, settings: Settings, *, expires: int | None, profiles: tuple[str, ...], **rules: Any
) -> Credential:
    restricting.check_profiles(profiles, settings)
    now = invocation.now
    if expires is not None and not expires:
        raise Refused("malformed", "--expires", "it must be longer than 0s")
    try:
        return make_credential(
            invocation.random_bytes, now, profiles=profiles, expires=now + expires if expires else 0, **rules
        )
    except Refused as refused:
        raise restricting.of_option(refused) from None
