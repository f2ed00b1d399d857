"""Makes the four stages with everything they work with. The runner knows them only as functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from stages.account import Account
from stages.ca.issuer import Issuer
from stages.challenges import CaaCheck, Validators
from stages.done import Done
from stages.issue import Issue
from stages.makechallenge import MakeChallenge
from stages.session import Challenge, Session, State, ValidationRecord
from stages.store.batch import Reader
from stages.store.store import Store
from stages.testchallenge import TestChallenge
from supervisor.acme.entitlement import Entitlement
from supervisor.acme.urls import Urls
from supervisor.pipeline.committer import Committer
from supervisor.pipeline.runner import Stage
from supervisor.reload import Reloader

log = structlog.get_logger()


def make_stages(
    reloader: Reloader,
    validators: Validators,
    issuer: Issuer,
    committer: Committer,
    accounts: Callable[[str], Awaitable[Account | None]],
    clock: Callable[[], float],
    random_bytes: Callable[[int], bytes],
) -> dict[State, Stage]:
    """The stage of each queue; settings are asked of `reloader` at each use, `accounts` knows an account by its id."""
    account_url = account_urls(reloader)
    caa = CaaCheck(lambda: validators.resolver, lambda: reloader.domain.caa, account_url)
    permits = Entitlement(committer.store, caa, accounts)
    tests = TestChallenge(validators, lambda: reloader.domain.testchallenge, clock, observe, account_url)
    return {
        State.MAKECHALLENGE: MakeChallenge(lambda: reloader.domain.makechallenge, clock, random_bytes),
        State.TESTCHALLENGE: tests,
        State.ISSUE: Issue(issuer, committer, lambda: reloader.domain.issue, clock, random_bytes, permits),
        State.DONE: Done(lambda: reloader.domain.done, clock),
    }


def accounts_in(store: Store) -> Callable[[str], Awaitable[Account | None]]:
    """Accounts as they are on record, for a program without an ACME server."""
    reader = Reader(store)

    async def account(id_: str) -> Account | None:
        return (await reader.look(id_, ""))[0]

    return account


def account_urls(reloader: Reloader) -> Callable[[str], str]:
    """From an ACME account's id to its URL, to which DNS records may bind a name; "" while there is no ACME server."""

    def account_url(account: str) -> str:
        base = reloader.settings.acme.url
        return Urls(base).account(account) if base else ""

    return account_url


def observe(session: Session, challenge: Challenge, record: ValidationRecord) -> None:
    """Log one attempt at one challenge."""
    log.info(
        "validation.finished",
        session=session.id,
        name=challenge.name,
        type=challenge.type.label,
        ok=record.ok,
        why=record.error.detail if record.error else "",
        took=record.took / 1000,
    )
