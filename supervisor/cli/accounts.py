"""`accounts`: lists the ACME accounts; with `restrict` it says what one may ask for, with `deactivate` it ends one."""

from __future__ import annotations

from typing import Any, Final

import click

from stages.account import ACCOUNT_ID, Account, AccountStatus
from stages.errors import Refused
from stages.restriction import Restriction, parse_restriction
from stages.session import Problem
from stages.store import account_moves
from stages.store.account_records import restriction_fields
from stages.store.accounts import list_accounts, read_account
from stages.store.records import Garbled
from stages.store.store import Store
from supervisor.cli import output, restricting
from supervisor.cli.arguments import ID_ARGUMENT
from supervisor.cli.failures import Failure
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.stores import with_store
from supervisor.exit_codes import ExitCode

_ENDED: Final = Problem("unauthorized", "its account was revoked by the CA's operator")
_Found = tuple[Account | Garbled, int]
"""An account and how many orders it has on record."""


@click.group(invoke_without_command=True)
@shared
@click.option("--status", type=click.Choice([status.value for status in AccountStatus]), help="Only those.")
@click.option("--eab", help="Only those that were made with this kid.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="How many at the most.")
@click.pass_context
def accounts(ctx: click.Context, /, **options: Any) -> None:
    """List the ACME accounts, the newest first."""
    if ctx.invoked_subcommand is None:
        _list(ctx.ensure_object(Invocation), **options)


@accounts.command(context_settings=ID_ARGUMENT)
@shared
@click.argument("account")
@click.pass_obj
def deactivate(invocation: Invocation, account: str) -> None:
    """End ACCOUNT for good and cancel its orders; its certificates stay valid until they are revoked.

    Its status is then "revoked": "deactivated" is what clients make of their own accounts (RFC 8555 7.1.6).
    """
    settings, now = invocation.settings(), invocation.now
    _check_id(account)

    async def work(store: Store) -> tuple[list[Any], Account | None]:
        keep = max(1, int(settings.sessions.keep))
        answer = await store.move(account_moves.deactivate(account, _ENDED, keep, now, AccountStatus.REVOKED))
        return answer, await read_account(store, account)

    found = _changed(account, *with_store(invocation, settings, work))
    if invocation.json:
        output.document({"account": account, "status": found.status.value, "ended": found.ended})
    else:
        output.line(f"account {account}: {found.status.value} at {output.when(found.ended)}; its orders are cancelled")


@accounts.command(context_settings=ID_ARGUMENT)
@shared
@click.argument("account")
@restricting.restricting
@click.option("--clear", is_flag=True, help="Take the restriction away.")
@click.pass_obj
def restrict(invocation: Invocation, /, account: str, *, clear: bool, **rules: tuple[str, ...]) -> None:
    """Say what ACCOUNT may ask for from now on, in place of what was said before; what the CA refuses stays refused.

    It holds for new orders, and for those that have no certificate yet.
    """
    if clear is any(rules.values()):
        raise click.UsageError("either --clear, or some of --name, --deny and --profile")
    settings = invocation.settings()
    _check_id(account)
    restricting.check_profiles(rules["profiles"], settings)
    try:
        wanted = parse_restriction(**rules)
    except Refused as refused:
        raise restricting.of_option(refused) from None
    move = account_moves.restrict_account(account, restriction_fields(wanted) if wanted else {})

    async def work(store: Store) -> tuple[list[Any], Account | None]:
        return await store.move(move), await read_account(store, account)

    found = _changed(account, *with_store(invocation, settings, work))
    if invocation.json:
        output.document({"account": account} | restricting.as_json(found.restriction))
    else:
        output.line(f"account {account}: {_may_ask_for(found.restriction)}")


def _check_id(account: str) -> None:
    if not ACCOUNT_ID.fullmatch(account):
        raise Refused("malformed", "account", "it must be an account's id, the last part of its URL: 22 characters")


def _changed(account: str, answer: list[Any], found: Account | None) -> Account:
    """The account as it is after a move, unless that was refused."""
    if found is None:
        raise Failure(ExitCode.NOT_FOUND, f"account {account}", "there is no such account on record")
    if answer[0] != "ok":
        why = f"it was {found.status.value} at {output.when(found.ended)} already"
        raise Refused("malformed", f"account {account}", why)
    return found


def _may_ask_for(restriction: Restriction) -> str:
    return restricting.in_words(restriction) or "anything"


def _list(invocation: Invocation, *, status: str | None, eab: str | None, limit: int) -> None:
    def fits(found: Account | Garbled) -> bool:
        if isinstance(found, Garbled):
            return status is None and eab is None
        return (status is None or found.status.value == status) and (eab is None or found.eab == eab)

    async def gather(store: Store) -> list[Account | Garbled]:
        return [found async for found in list_accounts(store) if fits(found)]

    async def count(store: Store, found: list[Account | Garbled]) -> list[int]:
        redis: Any = store.redis
        pipe = redis.pipeline(transaction=False)
        for each in found:
            pipe.zcard(store.keys.orders(_id(each)))
        counts: list[int] = await store.call(pipe.execute())
        return counts

    async def work(store: Store) -> tuple[list[_Found], bool]:
        found = await gather(store)
        found.sort(key=lambda each: 0 if isinstance(each, Garbled) else each.created, reverse=True)
        listed = found[:limit]
        return list(zip(listed, await count(store, listed), strict=True)), len(found) > limit

    found, more = with_store(invocation, invocation.settings(), work)
    if invocation.json:
        output.document({"accounts": [as_json(*each) for each in found], "more": more})
        return
    columns = ("account", "status", "contact", "orders", "eab", "may ask for", "made")
    output.table(columns, [_row(*each) for each in found], empty="no accounts")
    if more:
        output.note(f"there are more than {limit}; --limit shows more")


def as_json(found: Account | Garbled, orders: int) -> dict[str, Any]:
    """An account with the number of its orders on record; times are unix seconds."""
    if isinstance(found, Garbled):
        return {"account": found.session, "unreadable": {"field": found.field, "why": found.why}}
    return {
        "account": found.id,
        "status": found.status.value,
        "contact": list(found.contact),
        "orders": orders,
        "eab": found.eab or None,
        "created": found.created,
        "terms": found.terms or None,
        "ended": found.ended or None,
        "thumbprint": found.thumbprint,
    } | restricting.as_json(found.restriction)


def _row(found: Account | Garbled, orders: int) -> tuple[object, ...]:
    if isinstance(found, Garbled):
        return found.session, "unreadable", f"{found.field}: {found.why}", "", "", "", ""
    contact = output.some(tuple(each.removeprefix("mailto:") for each in found.contact))
    may_ask_for = _may_ask_for(found.restriction)
    return found.id, found.status.value, contact, orders, found.eab, may_ask_for, output.when(found.created)


def _id(found: Account | Garbled) -> str:
    return found.session if isinstance(found, Garbled) else found.id
