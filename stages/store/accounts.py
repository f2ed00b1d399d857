"""Reads accounts, their orders, and credentials for external accounts; creates and withdraws credentials.

For the front door and the command line. What changes an account is in `stages.store.account_moves`; what the door
reads for every request is in `stages.store.batch`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

import msgspec
from redis.exceptions import ResponseError

from stages.account import ACCOUNT_ID, THUMBPRINT, Account
from stages.external import KID, Credential
from stages.proofs import methods
from stages.session import Session, State
from stages.store import account_moves
from stages.store import account_records as records
from stages.store.reading import read_wholes
from stages.store.records import Garbled
from stages.store.store import Store

NEWEST: Final = 200
"""Orders of an account that are searched for proofs."""
_PAGE: Final = 50
_SCANNED: Final = 1000
_GLOB: Final = re.compile(r"([\\*?\[\]^-])")
_ACCOUNT_KEY: Final = re.compile(r"account:([A-Za-z0-9_-]{22})")
_CURSOR: Final = re.compile(r"([0-9]{1,12})-([0-9a-f]{64})")


class Orders(msgspec.Struct, frozen=True):
    """A page of an account's orders: session ids, the newest first; `cursor` asks for the next page, "" at the end."""

    sessions: tuple[str, ...]
    cursor: str


async def find_account(store: Store, thumbprint: str) -> str | None:
    """The id of the account whose key has this thumbprint (RFC 7638), None for none."""
    if not THUMBPRINT.fullmatch(thumbprint):
        return None
    found = await store.call(store.redis.get(store.keys.account_key(thumbprint)))
    return found.decode() if found else None


async def read_account(store: Store, account: str) -> Account | None:
    """The account with this id, None for none; raises Garbled."""
    if not ACCOUNT_ID.fullmatch(account):
        return None
    hash_ = await _hash(store, store.keys.account(account), account, "account")
    return records.read_account(account, hash_) if hash_ else None


async def list_accounts(store: Store) -> AsyncIterator[Account | Garbled]:
    """Every account, in no order; it walks the keys. An unreadable one comes as Garbled."""
    prefix = store.keys.prefix
    pattern = _GLOB.sub(r"\\\1", prefix) + "account:*"
    seen: set[str] = set()
    cursor = 0
    while True:
        cursor, keys = await store.call(store.redis.scan(cursor, match=pattern, count=_SCANNED))
        for key in keys:
            found = _ACCOUNT_KEY.fullmatch(key.decode("utf-8", "backslashreplace")[len(prefix) :])
            if found is None or found[1] in seen:
                continue
            seen.add(found[1])
            try:
                if (account := await read_account(store, found[1])) is not None:
                    yield account
            except Garbled as fault:
                yield fault
        if not cursor:
            return


async def orders_of(store: Store, account: str, cursor: str = "", count: int = _PAGE) -> Orders:
    """A page of at most `count` orders of the account (RFC 8555 7.1.2.1), without those that are invalid or gone.

    `cursor` comes from the page before, through the client; one that cannot be is answered with an empty page.
    Pages do not shift when orders come or go between them.
    """
    found = _CURSOR.fullmatch(cursor)
    if not ACCOUNT_ID.fullmatch(account) or (cursor and not found):
        return Orders((), "")
    place = (int(found[1]), found[2]) if found else None
    page: list[tuple[int, str]] = []
    while len(page) <= count:
        entries = await _older(store, account, place)
        if not entries:
            break
        place = entries[-1]
        page += await _worth_listing(store, entries)
    rest = len(page) > count
    page = page[:count]
    return Orders(tuple(session for _, session in page), f"{page[-1][0]}-{page[-1][1]}" if rest else "")


async def _older(store: Store, account: str, place: tuple[int, str] | None) -> list[tuple[int, str]]:
    """The next entries of the index behind a place in it, as (created, session)."""
    key, redis = store.keys.orders(account), store.redis
    start = 0 if place is None else await store.call(redis.zcount(key, f"({place[0]}", "+inf"))
    while True:
        raw = await store.call(redis.zrange(key, start, start + _PAGE - 1, desc=True, withscores=True))
        entries = [(int(score), session.decode()) for session, score in raw]
        later = [entry for entry in entries if place is None or entry < place]
        if later or not entries:
            return later
        start += _PAGE


async def _worth_listing(store: Store, entries: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    pipe = store.redis.pipeline(transaction=False)
    for _, session in entries:
        pipe.hmget(store.keys.session(session), "live", "state")
    answers = await store.call(pipe.execute(raise_on_error=False))
    return [entry for entry, answer in zip(entries, answers, strict=True) if _is_worth_listing(answer)]


def _is_worth_listing(answer: Any) -> bool:
    if isinstance(answer, Exception):
        return False
    live, state = answer
    return bool(live == b"True" or state == State.DONE.encode())


async def proofs_of(store: Store, account: str, names: Iterable[str], now: int, max_age: int) -> bool:
    """Whether the account has proven every one of these names within `max_age` seconds (RFC 8555 7.6).

    The evidence is searched in its newest 200 orders; those that were rejected, cancelled or given up prove nothing,
    and a wildcard name is proven by itself only.
    """
    missing = set(names)
    if not missing or not ACCOUNT_ID.fullmatch(account):
        return False
    place: tuple[int, str] | None = None
    for _ in range(NEWEST // _PAGE):
        entries = await _older(store, account, place)
        if not entries:
            break
        place = entries[-1]
        for session in await read_wholes(store, [session for _, session in await _worth_listing(store, entries)]):
            if isinstance(session, Session) and session.account == account:
                missing.difference_update(methods(session, now - max_age))
        if not missing:
            return True
    return False


async def create_credential(store: Store, credential: Credential) -> bool:
    """Put a new credential on record; False when there is another one with its kid."""
    fields = records.credential_fields(credential)
    answer = await store.move(account_moves.create_credential(credential.kid, fields, credential.created))
    return bool(answer[0] == "ok")


async def withdraw_credential(store: Store, kid: str, at: int) -> bool:
    """From `at` on no account can be made with it; False when there is none. The first withdrawal stays."""
    if not KID.fullmatch(kid):
        return False
    answer = await store.move(account_moves.withdraw_credential(kid, at))
    return bool(answer[0] == "ok")


async def read_credential(store: Store, kid: str) -> Credential | None:
    """The credential with this kid, None for none; raises Garbled."""
    if not KID.fullmatch(kid):
        return None
    hash_ = await _hash(store, store.keys.credential(kid), kid, "credential")
    return records.read_credential(kid, hash_) if hash_ else None


async def list_credentials(store: Store) -> list[Credential]:
    """Every credential, the oldest first; raises Garbled."""
    kids = await store.call(store.redis.zrange(store.keys.credentials, 0, -1))
    found = [await read_credential(store, kid.decode()) for kid in kids]
    return [credential for credential in found if credential is not None]


async def blocked_keys(store: Store) -> frozenset[str]:
    """SHA-256 (lower-case hex) of every SubjectPublicKeyInfo that was revoked as compromised."""
    found = await store.call(store.redis.hkeys(store.keys.blocked))
    return frozenset(spki.decode("utf-8", "backslashreplace") for spki in found)


async def _hash(store: Store, key: str, id_: str, what: str) -> dict[str, str]:
    try:
        found = await store.call(store.redis.hgetall(key))
        return {field.decode(): value.decode() for field, value in found.items()}
    except ResponseError:
        raise Garbled(id_, "key", "not of the type that the schema says", what=what) from None
    except UnicodeDecodeError:
        raise Garbled(id_, "record", "not UTF-8 text", what=what) from None
