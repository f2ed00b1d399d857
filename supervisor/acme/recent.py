"""What the door knows without asking the store: the orders it made a moment ago, and the accounts it has just read.

A client asks for its order again and again within a moment, and nearly all that happens to it meanwhile is committed by
this very program. So the door follows the moves as they become durable, and reads only what it does not know. What
another process does (the command line cancels a session, ends an account) is seen within `FRESH` seconds; whatever is
moved is checked by the store against the record itself. Beside other supervisors on one store nothing is remembered.
There is one for each term; door and issue stage share it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from stages.account import Account
from stages.session import Delivery, Session
from stages.store.batch import Reader
from stages.store.certificates import Certificate, certificate_of
from stages.store.following import FOLLOWED, moved
from stages.store.moves import Move
from stages.store.records import pairs

FRESH: Final = 1.0
"""Seconds after its last sign of life for which what is known is not asked for again."""
CAPACITY: Final = 2048
"""Sessions, and as many accounts and certificates, of one second; the oldest goes first. Most take some KB, an order of
100 names takes 100."""

Entry = TypeVar("Entry")
_Kept: TypeAlias = OrderedDict[str, tuple[float, Entry]]
"""By id, with the time of the last sign of life; the oldest is the first."""

_OF_ONE_SESSION: Final = frozenset(
    {"retry", "reject", "retire", "release", "quarantine", "reserve", "deliver", "cancel"}
)
_OF_NO_SESSION: Final = frozenset({"submit", "order", "new_account", "create_credential", "withdraw_credential"})


class Recent:
    """Accounts, sessions and certificates as they are on record, or were `FRESH` seconds ago.

    Args:
        reader: for what is not known.
        monotonic: seconds.
        off: remember nothing.
    """

    def __init__(self, reader: Reader, monotonic: Callable[[], float], *, off: bool = False) -> None:
        self._reader = reader
        self._monotonic = monotonic
        self._capacity = 0 if off else CAPACITY
        self._sessions: _Kept[Session] = OrderedDict()
        self._certificates: _Kept[Certificate] = OrderedDict()
        self._accounts: _Kept[Account] = OrderedDict()
        self._changes = 0

    async def look(self, account: str, session: str) -> tuple[Account | None, Session | None]:
        """The account and the session with these ids, each None where there is none or the id is "".

        Raises what `Reader.look` raises.
        """
        now = self._monotonic()
        whose, found = _fresh(self._accounts, account, now), _fresh(self._sessions, session, now)
        if (account and whose is None) or (session and found is None):
            changes = self._changes
            read, there = await self._reader.look(account if whose is None else "", session if found is None else "")
            found = there if found is None else found
            if whose is None:
                whose = self._keep_account(read, now, changes)
        return whose, found

    async def look_for(self, account: str, serial: str) -> tuple[Account | None, Certificate | None]:
        """The account and the certificate with this id and this serial, as `look` does it."""
        now = self._monotonic()
        whose, found = _fresh(self._accounts, account, now), _fresh(self._certificates, serial, now)
        if whose is not None and found is not None:
            return whose, found
        changes = self._changes
        read, found = await self._reader.look_for(account, serial)
        return self._keep_account(read, now, changes), found

    def made(self, session: Session) -> None:
        """This session was made here and is durable as it is."""
        self._keep(self._sessions, session.id, session)

    def heard(self, move: Move) -> None:
        """A move of this program's committer was made; they come in the order in which they became durable."""
        kind, id_ = move[0], move[1]
        known = self._sessions.get(id_) if isinstance(id_, str) else None
        if kind in _OF_NO_SESSION:
            return
        if kind in _OF_ONE_SESSION:
            self._sessions.pop(id_, None)
            return
        if kind not in FOLLOWED:
            # An account has changed, and its orders with it, or nobody knows what was made: all is read again.
            self.forget()
        elif known is not None:
            again = kind == "finalize" and known[1].csr  # the first one's intent stays on record
            after = None if again else moved(known[1], [move])
            if after is None:
                del self._sessions[id_]
            else:
                self._keep(self._sessions, id_, after)
                if kind == "advance" and move[6]:
                    self._note_certificate(*move[6])

    def doubted(self, move: Move) -> None:
        """A move was not made: another process may have moved first. What it is about is read again.

        A client that was told so must not be shown next what was true before.
        """
        for id_ in (move[1], move[4] if move[0] == "order" else ""):
            if isinstance(id_, str):
                self._sessions.pop(id_, None)
                self._accounts.pop(id_, None)

    def seen(self, id_: str, session: Session | None) -> None:
        """A client is shown this session, which was read: it must not be shown next as what it was before."""
        known = self._sessions.get(id_)
        if known is not None and (session is None or (session.live, session.state) != (known[1].live, known[1].state)):
            del self._sessions[id_]

    def forget(self) -> None:
        """Nothing is known any more; nor is what is being read at this moment."""
        self._changes += 1
        self._sessions.clear()
        self._certificates.clear()
        self._accounts.clear()

    def _note_certificate(self, serial: str, _: int, flat: list[str]) -> None:
        certificate = certificate_of(serial, pairs(flat), Delivery.ISSUED)
        if certificate is not None:
            self._keep(self._certificates, serial, certificate)

    def _keep_account(self, account: Account | None, read_at: float, changes: int) -> Account | None:
        """Remember an account as it was when its reading began, unless something has changed since."""
        if account is not None and changes == self._changes and self._capacity:
            self._put(self._accounts, account.id, account, read_at)
        return account

    def _keep(self, kept: _Kept[Entry], id_: str, found: Entry) -> None:
        if self._capacity:
            self._put(kept, id_, found, self._monotonic())

    def _put(self, kept: _Kept[Entry], id_: str, found: Entry, at: float) -> None:
        kept.pop(id_, None)  # the newest is the last
        kept[id_] = at, found
        while len(kept) > self._capacity or at - kept[next(iter(kept))][0] > FRESH:
            kept.popitem(last=False)


def _fresh(kept: _Kept[Entry], id_: str, now: float) -> Entry | None:
    known = kept.get(id_)
    if known is None:
        return None
    if now - known[0] > FRESH:
        del kept[id_]
        return None
    return known[1]
