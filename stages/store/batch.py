"""What the front door reads for its requests: all that wait in the same moment are read in one script call.

A round trip costs more than what it reads, so a request that comes while a call is under way waits for the next one.
Ids come from clients: what is not of the form of an id is never asked for.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final, TypeAlias

import msgspec

from stages.account import ACCOUNT_ID, THUMBPRINT, Account
from stages.session import Session
from stages.store.account_records import read_account
from stages.store.certificates import Certificate, certificate_of
from stages.store.records import Garbled, pairs, read_session
from stages.store.store import Store

SESSION_ID: Final = re.compile(r"[0-9a-f]{64}")
SERIAL: Final = re.compile(r"[0-9a-f]{1,40}")
"""RFC 5280 4.1.2.2: 20 bytes at the most."""
BATCH_LIMIT: Final = 128
"""Reads in one call at the most: bounds the time for which the script holds the server."""

_NOBODY: Final = ""
_WRONG_TYPE: Final = "not of the type that the schema says"
_encode = msgspec.msgpack.Encoder().encode


class _Answer(msgspec.Struct, array_like=True):
    account: str
    account_hash: list[str] | bool
    hash: list[str] | bool
    names: list[str] | bool
    challenges: list[list[str] | bool]
    certificate: list[str] | bool
    delivery: str


_decode_answers = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_decode_answer = msgspec.msgpack.Decoder(_Answer).decode

_Wanted: TypeAlias = tuple[str, str, str, str]
"""Account, session, serial, thumbprint: "" for what is not wanted."""
_Entry: TypeAlias = tuple[_Wanted, asyncio.Future[msgspec.Raw]]


class Reader:
    """Reads for many at once; one for each event loop and store.

    Every method raises StoreUnavailable when the store is away, and Garbled when the record asked for cannot be read;
    the other requests of the same call are not touched by that.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[_Entry] = []
        self._task: asyncio.Task[None] | None = None

    async def look(self, account: str, session: str) -> tuple[Account | None, Session | None]:
        """The account and the whole session with these ids, each None where there is none or the id is ""."""
        account = account if ACCOUNT_ID.fullmatch(account) else _NOBODY
        session = session if SESSION_ID.fullmatch(session) else _NOBODY
        if not (account or session):
            return None, None
        answer = await self._ask((account, session, "", ""), account or session)
        return _account(answer), _session(answer, session)

    async def holder(self, thumbprint: str) -> Account | None:
        """The account whose key has this thumbprint (RFC 7638, base64url), None for none."""
        if not THUMBPRINT.fullmatch(thumbprint):
            return None
        answer = await self._ask((_NOBODY, _NOBODY, "", thumbprint), thumbprint)
        return _account(answer)

    async def certificate(self, serial: str) -> Certificate | None:
        """The certificate with this serial (lower-case hex, without leading zeros), None for none."""
        if not SERIAL.fullmatch(serial):
            return None
        return _certificate(await self._ask((_NOBODY, _NOBODY, serial, ""), serial), serial)

    async def look_for(self, account: str, serial: str) -> tuple[Account | None, Certificate | None]:
        """The account and the certificate with this id and this serial, each None where there is none."""
        account = account if ACCOUNT_ID.fullmatch(account) else _NOBODY
        serial = serial if SERIAL.fullmatch(serial) else ""
        if not (account and serial):
            return (await self.look(account, _NOBODY))[0], await self.certificate(serial)
        answer = await self._ask((account, _NOBODY, serial, ""), account)
        return _account(answer), _certificate(answer, serial)

    async def _ask(self, wanted: _Wanted, what: str) -> _Answer:
        future: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, future))
        if self._task is None:
            self._task = asyncio.create_task(self._serve(), name="reader")
        raw = await future
        try:
            return _decode_answer(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Garbled(what, "record", "not UTF-8 text", what="record") from None

    async def _serve(self) -> None:
        """Read until nobody waits. It begins after the present tick, so that all who ask in it are served together."""
        batch: list[_Entry] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH_LIMIT], self._waiting[BATCH_LIMIT:]
                await self._read(batch)
        finally:
            self._task = None
            for _, future in (*batch, *self._waiting):
                future.cancel()  # only at the end of the loop: all others are answered
            self._waiting = []

    async def _read(self, batch: list[_Entry]) -> None:
        store = self._store
        args = [store.keys.prefix, _encode([wanted for wanted, _ in batch]), int(store.settings.wait_aof_timeout > 0)]
        try:
            answers = _decode_answers(await store.script("batch.lua", [store.keys.reads], args))
        except Exception as error:  # noqa: BLE001  each of them has to hear it, whatever it is
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():  # one who went away has cancelled it
                future.set_result(answer)


def _account(answer: _Answer) -> Account | None:
    if isinstance(answer.account_hash, bool):
        raise Garbled(answer.account, "key", _WRONG_TYPE, what="account")
    return read_account(answer.account, pairs(answer.account_hash)) if answer.account_hash else None


def _certificate(answer: _Answer, serial: str) -> Certificate | None:
    if isinstance(answer.certificate, bool):
        raise Garbled(serial, "key", _WRONG_TYPE, what="certificate")
    return certificate_of(serial, pairs(answer.certificate), answer.delivery)


def _session(answer: _Answer, session: str) -> Session | None:
    hash_, names = answer.hash, answer.names
    challenges = [pairs(flat) for flat in answer.challenges if not isinstance(flat, bool)]
    if isinstance(hash_, bool) or isinstance(names, bool) or len(challenges) < len(answer.challenges):
        raise Garbled(session, "key", _WRONG_TYPE)
    return read_session(session, pairs(hash_), names, challenges) if hash_ else None
