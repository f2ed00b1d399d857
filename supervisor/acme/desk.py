"""What every handler of the front door works with, and what it is asked. Handlers and the door import it.

A handler reads through `reader` (one round trip, shared by all that read in the same moment), writes through `move`
(durable when it comes back, law 4) and waits through `waiting` (no polling). Nothing else of the program is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import msgspec

from stages.account import Account
from stages.ca.issuer import Issuer
from stages.errors import StoreUnavailable
from stages.session import Session
from stages.store.batch import Reader
from stages.store.certificates import Certificate
from stages.store.moves import Move
from stages.store.store import Store
from supervisor.acme.delivery import Deliveries
from supervisor.acme.jose.jwk import Jwk
from supervisor.acme.jose.jws import Jws
from supervisor.acme.nonces import Nonces
from supervisor.acme.problems import AcmeProblem, from_status
from supervisor.acme.recent import Recent
from supervisor.acme.urls import Urls
from supervisor.acme.waiting import Waiter
from supervisor.build import Domain
from supervisor.config.acme import Acme
from supervisor.http.message import Request, Response

MOVE_WITHIN = 10.0
"""Seconds in which a move must be durable; a client that waits longer is told to come back (it may be made by then)."""


async def nothing() -> None:
    """Do nothing: the `published` of a door without a CRL."""


class Mover(Protocol):
    """Sends moves."""

    def __call__(self, move: Move, becomes: Session | None = None) -> Awaitable[list[Any]]:
        """Send one; its answer comes when it is on disk. `becomes`: as `Committer.move` says."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Desk:
    """What a handler works with.

    Attributes:
        store: for reads that `reader` does not have (`stages.store.accounts`).
        reader: `look(account, session)` and `certificate(serial)`, as they are now on record.
        recent: the same from memory where the door has just made or read it.
        mover: the committer's `move`; handlers use `move` below.
        waiting: wakes whoever waits for a session.
        urls: every URL.
        nonces: the door's anti-replay nonces; handlers have no need of them.
        settings: the present [acme].
        domain: the present policies and profiles.
        issuer: who signs.
        clock: unix time in seconds.
        random_bytes: the random source.
        deliveries: certificates on their way to their clients.
        alternates: the issuer as its other chains have it (RFC 8555 7.4.2).
        published: comes back when the served CRL has every revocation that is in the store.
    """

    store: Store
    reader: Reader
    recent: Recent
    mover: Mover
    waiting: Waiter
    urls: Urls
    nonces: Nonces
    settings: Callable[[], Acme]
    domain: Callable[[], Domain]
    issuer: Issuer
    clock: Callable[[], float]
    random_bytes: Callable[[int], bytes]
    deliveries: Deliveries
    alternates: tuple[Issuer, ...] = ()
    published: Callable[[], Awaitable[None]] = nothing

    async def move(self, move: Move, becomes: Session | None = None) -> list[Any]:
        """Make a move; its answer, ["ok", ...], ["changed"] or ["refused", why, ...], comes when it is on disk.

        `becomes` is the session as this move makes it, where it brings a waiting session to its stage.

        Raises:
            StoreUnavailable: not within MOVE_WITHIN seconds; it may be made all the same, and can be repeated.
            MoveFailed: the store's script could not make it: a fault of ours or a garbled record.
        """
        try:
            async with asyncio.timeout(MOVE_WITHIN):
                answer = await self.mover(move, becomes)
        except TimeoutError:
            raise StoreUnavailable(f"store: a move was not durable within {MOVE_WITHIN:g} s") from None
        if answer[0] == "error":
            raise MoveFailed(f"{move[0]}: {answer[1]}")
        return answer


class MoveFailed(Exception):  # noqa: N818  told to the operator; the client hears serverInternal
    """The store's script gave an error for a move."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One authenticated request: everything that RFC 8555 6 asks for has been checked.

    Attributes:
        request: as it came.
        jws: its parts.
        account: whose it is; None where the request carries its key (`jwk`), as newAccount and some revocations do.
        key: the key that signed it.
        payload: the signed bytes; b"" is POST-as-GET.
        sent: the payload's JSON object; None for POST-as-GET.
        ids: the ids in the path, in order.
        session: the session that the path names, which is the account's own; None where the path names none.
        certificate: the certificate that the path names, likewise.
    """

    request: Request
    jws: Jws
    account: Account | None
    key: Jwk
    payload: bytes = b""
    sent: dict[str, Any] | None = None
    ids: tuple[str, ...] = ()
    session: Session | None = None
    certificate: Certificate | None = None


def not_found() -> AcmeProblem:
    """One answer for what is not there and for what is another account's, so that ids cannot be tried out."""
    return from_status(404, "there is nothing here, or it is another account's")


def only_reads(asked: Asked) -> None:
    """Raise AcmeProblem for a payload where only POST-as-GET has a meaning (RFC 8555 6.3)."""
    if asked.sent is not None:
        raise AcmeProblem("malformed", 'payload: it must be empty ("") here (RFC 8555 6.3)')


def own_session(asked: Asked) -> Session:
    """The session that the path names; the door has checked that it is there and whose it is."""
    if asked.session is None:
        raise LookupError("the path names no session")
    return asked.session


Handler: TypeAlias = Callable[[Desk, Asked], Awaitable[Response]]
"""Answers an authenticated POST."""

Open: TypeAlias = Callable[[Desk, Request, tuple[str, ...]], Awaitable[Response]]
"""Answers a GET that anyone may send; the ids in the path are its last argument."""
