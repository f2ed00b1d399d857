"""Fills a store with ACME accounts that have orders, by the moves of the front door. For `benchmarks.measures` only."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Iterator
from itertools import islice

from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.sides.crowd import WAITS, new_maker
from stages.account import new_id
from stages.outcome import Wait
from stages.session import State
from stages.store import account_moves
from stages.store.account_records import account_fields
from stages.store.store import Store

_GROUP = 100


async def make_accounts(store: Store, count: int) -> dict[str, str]:
    """Make so many accounts; their thumbprints by their ids."""
    now, made = int(store.clock()), dict[str, str]()
    while len(made) < count:
        group = {new_id(secrets.token_bytes): secrets.token_urlsafe(32) for _ in range(min(_GROUP, count - len(made)))}
        await store.group(
            [
                account_moves.new_account(id_, thumbprint, account_fields(jwk=_jwk(), terms=now), "", now)
                for id_, thumbprint in group.items()
            ]
        )
        made |= group
    return made


async def make_orders(store: Store, accounts: dict[str, str], each: int) -> None:
    """Make `each` orders of every account, for one name each; they have challenges and wait for their client."""
    maker, now = await new_maker(store), int(store.clock())
    for _ in range(each):
        for some in _batched(accounts.items(), _GROUP):
            group = [
                account_moves.order(secrets.token_hex(32), [_name()], _fields(thumbprint, now), now, id_)
                for id_, thumbprint in some
            ]
            await store.group(group)
            await maker.make_challenges(await maker.claim(State.MAKECHALLENGE, len(group)))
            claimed = await maker.claim(State.TESTCHALLENGE, len(group))
            await maker.commit([(session, Wait(session.expires, note=WAITS)) for session in claimed])
    await maker.lease.yield_()


def _batched(things: Iterable[tuple[str, str]], size: int) -> Iterator[list[tuple[str, str]]]:
    """Lists of up to `size` of them."""
    rest = iter(things)
    while some := list(islice(rest, size)):
        yield some


def _fields(thumbprint: str, now: int) -> dict[str, str]:
    """As `supervisor.acme.orders` sends them."""
    return {"profile": "", "thumbprint": thumbprint, "expires": str(now + 604_800), "scheduled": "False"}


def _name() -> str:
    return f"{secrets.token_hex(8)}.example.com"


def _jwk() -> str:
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = (base64.urlsafe_b64encode(n.to_bytes(32)).rstrip(b"=").decode() for n in (numbers.x, numbers.y))
    return f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
