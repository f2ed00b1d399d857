"""Sees and judges credentials for external accounts, and the index of them. For `supervisor.fsck`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import msgspec

from stages.store.account_records import read_credential
from stages.store.records import Garbled
from stages.store.store import Store
from supervisor.fsck.answers import read_fields, text
from supervisor.fsck.breach import Breach


class CredentialLook(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one credential.

    Attributes:
        kid: as its key or the index says.
        fields: its hash, empty when there is none.
        unreadable: why it cannot be read, "" when it can.
        indexed: its score in the index, None when it is not there.
    """

    kid: str
    fields: dict[str, str] = {}
    unreadable: str = ""
    indexed: float | None = None


def judge_credential(look: CredentialLook) -> Iterator[Breach]:
    """Every law that a credential breaks. Nothing of its fields is told: one is a secret."""
    where = f"credential {look.kid}"
    if not look.fields and not look.unreadable:
        if look.indexed is not None:
            yield Breach("credential indexed and not on record", where, "the index has it, and its record is gone")
        return
    if look.unreadable:
        yield Breach("unreadable", where, look.unreadable)
        return
    try:
        found = read_credential(look.kid, look.fields)
    except Garbled as fault:
        yield Breach("unreadable", where, f"{fault.field}: {fault.why}")
        return
    if look.indexed is None:
        yield Breach("credential not in the index", where, "`eab list` does not show it, and accounts can be made")
    elif look.indexed != found.created:
        yield Breach("credential index against its record", where, f"the index has it at {look.indexed:.0f}")


class CredentialReader:
    """Looks at one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = store.keys
        self._redis: Any = store.redis

    async def credentials(self, kids: Sequence[str]) -> list[CredentialLook]:
        """A page of credentials, in one transaction."""
        pipe = self._redis.pipeline(transaction=True)
        for kid in kids:
            pipe.hgetall(self._keys.credential(kid))
            pipe.zscore(self._keys.credentials, kid)
        answers = await self._store.call(pipe.execute(raise_on_error=False))
        looks = []
        for kid, hash_, score in zip(kids, answers[::2], answers[1::2], strict=True):
            fields, unreadable = read_fields(hash_)
            indexed = score if isinstance(score, float) else None
            looks.append(CredentialLook(kid=kid, fields=fields, unreadable=unreadable, indexed=indexed))
        return looks

    async def indexed(self) -> AsyncIterator[str]:
        """Every kid in the index."""
        for kid in await self._store.call(self._redis.zrange(self._keys.credentials, 0, -1)):
            yield text(kid)
