"""Sees and judges ACME accounts, the claims on their keys and the lists of their orders. For `supervisor.fsck`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from stages.account import ACCOUNT_ID
from stages.store.account_records import read_account
from stages.store.records import Garbled
from stages.store.store import Store
from supervisor.fsck.answers import or_empty, read_fields, text
from supervisor.fsck.breach import Breach

_ORDERS_PAGE: Final = 5000


class AccountLook(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one account.

    Attributes:
        account: as its key says.
        fields: its hash, empty when there is none.
        unreadable: why it cannot be read, "" when it can.
        holder: the account that has its key, "" for nobody.
        foreign: sessions in the list of its orders that are there and name another account.
    """

    account: str
    fields: dict[str, str] = {}
    unreadable: str = ""
    holder: str = ""
    foreign: tuple[str, ...] = ()


class ClaimLook(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one claim on a key: the account that it names, and the thumbprint of that, "" for none."""

    thumbprint: str
    account: str
    has: str


class OrderLook(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one session: the account that it names, "" for none, and whether that lists it."""

    session: str
    account: str
    listed: bool


def judge_account(look: AccountLook) -> Iterator[Breach]:
    """Every law that an account breaks."""
    where = f"account {look.account}"
    if look.foreign:
        detail = f"the list of its orders has {len(look.foreign)} of others, such as {look.foreign[0]}"
        yield Breach("order of another account", where, detail)
    if not look.fields and not look.unreadable:
        return  # the list of orders is there alone
    if look.unreadable:
        yield Breach("unreadable", where, look.unreadable)
        return
    try:
        read_account(look.account, look.fields)
    except Garbled as fault:
        yield Breach("unreadable", where, f"{fault.field}: {fault.why}")
        return
    if look.holder != look.account:
        detail = f"account-key:{look.fields['thumbprint']} names {look.holder or 'nobody'}"
        yield Breach("account without its key", where, detail)


def judge_claim(look: ClaimLook) -> Iterator[Breach]:
    """Every law that a claim on a key breaks. One that went meanwhile breaks none."""
    if look.account and look.has != look.thumbprint:
        detail = f"it names {look.account}, which {'has another key' if look.has else 'is not there'}"
        yield Breach("key of no account", f"account key {look.thumbprint}", detail)


def judge_order(look: OrderLook) -> Iterator[Breach]:
    """Every law that an order breaks. A session that names no ACME account breaks none."""
    if ACCOUNT_ID.fullmatch(look.account) and not look.listed:
        detail = f"the list of the orders of account {look.account} lacks it"
        yield Breach("order not in its account's list", f"session {look.session}", detail)


class AccountReader:
    """Looks at one store. What moves between its two reads is a suspicion only: `check` looks again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = store.keys
        self._redis: Any = store.redis

    async def accounts(self, ids: Sequence[str]) -> list[AccountLook]:
        """A page of accounts."""
        keys = self._keys
        hashes = [read_fields(answer) for answer in await self._all([("hgetall", keys.account(id_)) for id_ in ids])]
        claims = [("get", keys.account_key(fields.get("thumbprint", "-"))) for fields, _ in hashes]
        holders = [text(answer) if isinstance(answer, bytes) else "" for answer in await self._all(claims)]
        return [
            AccountLook(
                account=id_, fields=fields, unreadable=unreadable, holder=holder, foreign=await self._foreign(id_)
            )
            for id_, (fields, unreadable), holder in zip(ids, hashes, holders, strict=True)
        ]

    async def claims(self, thumbprints: Sequence[str]) -> list[ClaimLook]:
        """A page of claims on keys."""
        keys = self._keys
        answers = await self._all([("get", keys.account_key(each)) for each in thumbprints])
        named = [text(answer) if isinstance(answer, bytes) else "" for answer in answers]
        has = await self._all([("hget", keys.account(account or "-"), "thumbprint") for account in named])
        return [
            ClaimLook(thumbprint=each, account=account, has=text(found) if isinstance(found, bytes) else "")
            for each, account, found in zip(thumbprints, named, has, strict=True)
        ]

    async def orders(self, sessions: Sequence[str]) -> list[OrderLook]:
        """A page of sessions, each with the account that it names, and whether that lists it."""
        keys = self._keys
        answers = await self._all([("hget", keys.session(session), "account") for session in sessions])
        accounts = [text(answer) if isinstance(answer, bytes) else "" for answer in answers]
        pairs = list(zip(sessions, accounts, strict=True))
        scores = await self._all([("zscore", keys.orders(account or "-"), session) for session, account in pairs])
        return [
            OrderLook(session=session, account=account, listed=isinstance(score, float))
            for (session, account), score in zip(pairs, scores, strict=True)
        ]

    async def _foreign(self, account: str) -> tuple[str, ...]:
        foreign: list[str] = []
        start = 0
        while True:
            ask = ("zrange", self._keys.orders(account), start, start + _ORDERS_PAGE - 1)
            page = [text(entry) for entry in or_empty((await self._all([ask]))[0])]
            if not page:
                return tuple(foreign)
            owners = await self._all([("hget", self._keys.session(session), "account") for session in page])
            foreign += [
                session
                for session, owner in zip(page, owners, strict=True)
                if isinstance(owner, bytes) and text(owner) != account
            ]
            start += _ORDERS_PAGE

    async def _all(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        pipe = self._redis.pipeline(transaction=False)
        for name, *arguments in commands:
            getattr(pipe, name)(*arguments)
        answers: list[Any] = await self._store.call(pipe.execute(raise_on_error=False))
        return answers
